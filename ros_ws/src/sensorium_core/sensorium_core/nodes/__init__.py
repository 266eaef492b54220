"""What every node shares: how it runs, its parameters, its messages. ROS is imported here."""
