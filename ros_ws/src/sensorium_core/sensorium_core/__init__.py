"""Contract, streams, observation, policy runtime, kinematics, errors."""
