"""Settings of every test: no deadlines for properties; libraries that clash in a safe order."""

import contextlib

from hypothesis import settings

# The torch that PyPI serves brings triton, whose LLVM crashes when that of Mesa's software
# renderer was loaded first. All tests share one process, so triton, where there is one, goes
# first.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

settings.register_profile("sensorium", deadline=None)
settings.load_profile("sensorium")
