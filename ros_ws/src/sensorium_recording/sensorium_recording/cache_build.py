"""Makes the rows that a cache lacks, in worker processes, and commits them in a fixed order."""

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

from sensorium_core.errors import CacheError

from sensorium_recording.bag_entry import BagEntry
from sensorium_recording.built_bag import BuiltBag
from sensorium_recording.row_builder import PartJob, build_part
from sensorium_recording.row_store import RowStore

Progress = Callable[[int, int], None]
"""Called with how many bags are done, of how many."""
_COMMIT = 16
"""Bags that are committed together."""


def build(
    store: RowStore, directory: Path, entries: list[BagEntry], workers: int, progress: Progress
) -> dict[str, str]:
    """Make rows of the bags that the store lacks, in the order given; what is done is kept.

    Returns, by content hash, why bags were left for the next time: they changed meanwhile, or
    the disk failed. Raises `CacheError` where the store cannot be written, or is being written.
    """
    live = {entry.sha256 for entry in entries}
    if live <= store.bags.keys() and not store.is_mostly_dead(live):
        return {}
    try:
        with store.writing():
            left = _fill(store, directory, entries, workers, progress)
            store.compact(live)
        return left
    except OSError as error:
        raise CacheError(
            store.folder, f"cannot be written ({error})", "free some space, or name another place"
        ) from None


def _fill(
    store: RowStore, directory: Path, entries: list[BagEntry], workers: int, progress: Progress
) -> dict[str, str]:
    todo = [e for e in entries if e.sha256 not in store.bags]
    jobs = [PartJob(directory, entry, store.layout, store.parts) for entry in todo]
    waiting: list[BuiltBag] = []
    left: dict[str, str] = {}
    for done, (entry, built) in enumerate(zip(todo, _built(jobs, workers), strict=True), 1):
        if built is None:
            left[entry.sha256] = "changed while it was read; refresh"
        elif built.may_pass:
            left[entry.sha256] = built.problem
        else:
            waiting.append(built)
        if len(waiting) == _COMMIT or done == len(jobs):
            store.take_in(waiting)
            waiting = []
        progress(done, len(jobs))
    return left


def _built(jobs: list[PartJob], workers: int) -> Iterator[BuiltBag | None]:
    if workers < 2 or len(jobs) < 2 * workers:
        yield from map(build_part, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers) as pool:
        yield from pool.imap(build_part, jobs)
