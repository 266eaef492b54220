"""Only what a dead process left in shared memory is removed."""

import fcntl
from pathlib import Path

from sensorium_cli.shared_memory import remove_stale_segments, stale_segments


def make_segment(folder: Path, name: str, ending: str = "_el") -> Path:
    (folder / name).write_bytes(b"x" * 100)
    (folder / f"sem.{name}_mutex").touch()
    lock = folder / (name + ending)
    lock.touch()
    return lock


def test_held_segments_and_foreign_files_stay(tmp_path):
    held = make_segment(tmp_path, "fastrtps_port7000", "_sl")
    make_segment(tmp_path, "fastrtps_dead")
    (tmp_path / "someone_else").touch()
    with held.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        assert stale_segments(tmp_path) == ["fastrtps_dead"]
        assert remove_stale_segments(tmp_path) == ["fastrtps_dead"]
        left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        "fastrtps_port7000", "fastrtps_port7000_sl", "sem.fastrtps_port7000_mutex", "someone_else",
    }  # fmt: skip


def test_a_segment_with_one_free_and_one_held_lock_stays(tmp_path):
    make_segment(tmp_path, "fastrtps_port1", "_el")
    held = make_segment(tmp_path, "fastrtps_port1", "_sl")
    with held.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        assert stale_segments(tmp_path) == []


def test_no_folder_means_nothing_stale(tmp_path):
    assert stale_segments(tmp_path / "none") == []
