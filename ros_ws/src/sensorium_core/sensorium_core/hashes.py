"""SHA-256 of files and texts, for provenance."""

import hashlib
from pathlib import Path

_BLOCK = 1 << 20


def file_sha256(*files: Path) -> str:
    """Hash of the bytes of one or more files, one after another; they may be large."""
    sha = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                sha.update(block)
    return sha.hexdigest()


def text_sha256(text: str) -> str:
    """Hash of a text's UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def bytes_sha256(data: bytes) -> str:
    """Hash of bytes."""
    return hashlib.sha256(data).hexdigest()
