"""Settings of every test: no deadlines for properties; libraries that clash in a safe order."""

import contextlib
import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The torch that PyPI serves brings triton, whose LLVM crashes when that of Mesa's software
# renderer was loaded first. All tests share one process, so triton, where there is one, goes
# first.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

settings.register_profile("sensorium", deadline=None)
settings.load_profile("sensorium")


@pytest.fixture(scope="module", autouse=True)
def short_collections() -> None:
    """The garbage collector no longer looks at what there was before this module.

    After a thousand tests one collection of everything took half a second. Some tests play the
    arm of a gate, which rightly stopped when joints were silent for 0.2 s.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def ordinary_priority() -> Iterator[None]:
    """A test that leaves real-time priority behind lets torch's spinning threads starve the next.

    It hung for an hour once: a video encoder had taken the highest there is.
    """
    before = os.sched_getscheduler(0)
    yield
    after = os.sched_getscheduler(0)
    if after != before:
        os.sched_setscheduler(0, before, os.sched_param(0))
    assert after == before
