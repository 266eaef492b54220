"""Where things lie in a LeRobotDataset v3.0: numbered files in folders of at most 1,000.

Names and limits are those of `lerobot.datasets.utils` 0.4.4.
"""

from pathlib import Path

VERSION = "v3.0"
FILES_PER_CHUNK = 1000
DATA_FILE_MB = 100
VIDEO_FILE_MB = 200
_NUMBERED = "chunk-{chunk_index:03d}/file-{file_index:03d}"
DATA = f"data/{_NUMBERED}.parquet"
EPISODES = f"meta/episodes/{_NUMBERED}.parquet"
VIDEO = f"videos/{{video_key}}/{_NUMBERED}.mp4"


def place(number: int) -> dict[str, int]:
    """Chunk and file index of the `number`-th file of a kind."""
    return {"chunk_index": number // FILES_PER_CHUNK, "file_index": number % FILES_PER_CHUNK}


def create(root: Path, pattern: str, number: int, key: str = "") -> Path:
    """Path of a numbered file; its folder is made."""
    path = root / pattern.format(**place(number), video_key=key)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
