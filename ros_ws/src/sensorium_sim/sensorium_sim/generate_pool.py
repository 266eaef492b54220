"""Many episodes at once: one process per core, each with its own cell and GL context.

Finished episodes are kept and skipped, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import lru_cache
from multiprocessing.synchronize import Event
from pathlib import Path

from sensorium_core.errors import EpisodeError, GenerateError
from sensorium_recording.bag_writer import PARTIAL_SUFFIX

from sensorium_sim.generate import EpisodeGenerator, GenerateConfig, Made, episode_path
from sensorium_sim.layout import HELDOUT_SEEDS, TRAIN_SEEDS

_worker: dict[str, Event] = {}
"""What a worker process was started with."""
_SETTINGS = "generate.json"
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""One thread a worker; all cores are busy anyway."""


def seeds_of(first: int, n: int) -> range:
    """`n` seeds from `first` on. Raises `EpisodeError` when they leave or mix the two splits."""
    for split in (TRAIN_SEEDS, HELDOUT_SEEDS):
        if n > 0 and first in split and first + n - 1 in split:
            return range(first, first + n)
    raise EpisodeError(
        f"seeds {first} to {first + n - 1}",
        f"seeds of training scenes, {TRAIN_SEEDS.start} to {TRAIN_SEEDS.stop - 1}, "
        f"or of held-out ones, {HELDOUT_SEEDS.start} to {HELDOUT_SEEDS.stop - 1}",
    )


def missing_seeds(directory: Path, config: GenerateConfig, seeds: Sequence[int]) -> list[int]:
    """Prepare `directory` and tell which episodes it lacks.

    Raises `GenerateError` when it was made with another configuration or cannot be written.
    """
    text = json.dumps(asdict(config), indent=1)
    settings = directory / _SETTINGS
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not settings.exists():
            settings.write_text(text)
        found = settings.read_text()
    except OSError as error:
        raise GenerateError(directory, f"cannot be used ({error})", "name another") from None
    if found != text:
        raise GenerateError(
            directory, f"holds episodes of other settings (see {_SETTINGS})", "name another"
        )
    for partial in directory.glob("ep_*" + PARTIAL_SUFFIX):
        shutil.rmtree(partial)
    return [seed for seed in seeds if not episode_path(directory, seed).exists()]


def generate(
    directory: Path,
    config: GenerateConfig,
    seeds: Sequence[int],
    workers: int,
    on_made: Callable[[Made], None],
) -> None:
    """Make the episodes of `seeds`, and tell each as it is finished.

    An interrupt lets the episodes in progress finish, then is raised again.

    Raises:
        GenerateError: a worker died, most often for want of OpenGL or memory.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, context, _start_worker, (stop,))
    try:
        jobs = [pool.submit(_make, config, directory, seed) for seed in seeds]
        for job in as_completed(jobs):
            made = job.result()
            if made is not None:
                on_made(made)
    except KeyboardInterrupt:
        stop.set()
        raise
    except BrokenProcessPool:
        raise GenerateError(
            directory, "a worker died", "run `sensorium doctor`; try --workers 1"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(stop: Event) -> None:
    """Ctrl-C reaches the whole process group; the parent alone decides, and tells by `stop`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker["stop"] = stop


def _make(config: GenerateConfig, directory: Path, seed: int) -> Made | None:
    """One episode; None when there is no more to be done."""
    return None if _worker["stop"].is_set() else _generator(config).make(directory, seed)


@lru_cache(maxsize=1)
def _generator(config: GenerateConfig) -> EpisodeGenerator:
    return EpisodeGenerator(config)
