"""ROS 2 nodes of sensorium_sim."""
