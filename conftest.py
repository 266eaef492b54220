"""Settings of every test: property tests have no deadline, since other processes share the CPU."""

from hypothesis import settings

settings.register_profile("sensorium", deadline=None)
settings.load_profile("sensorium")
