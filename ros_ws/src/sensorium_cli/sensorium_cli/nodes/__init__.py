"""The ROS side of the command line: speaking, listening, probing the middleware."""
