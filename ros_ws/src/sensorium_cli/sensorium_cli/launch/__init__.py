"""ROS 2's YAML launch format without ROS: read, interpret, run.

document -> grammar -> interpreter -> plan -> supervisor; `launcher.Launcher` joins them.
"""
