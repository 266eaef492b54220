"""Camera, depth to cloud, force and language drivers."""
