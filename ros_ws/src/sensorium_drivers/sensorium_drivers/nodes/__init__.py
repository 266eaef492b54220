"""The drivers as ROS nodes."""
