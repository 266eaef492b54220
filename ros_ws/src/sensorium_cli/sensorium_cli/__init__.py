"""The sensorium command: launch, say, demo, doctor."""
