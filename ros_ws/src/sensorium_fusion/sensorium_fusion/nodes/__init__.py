"""ROS 2 nodes of sensorium_fusion."""
