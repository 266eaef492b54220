"""The gate as a ROS node."""
