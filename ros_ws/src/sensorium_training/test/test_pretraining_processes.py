"""Two processes that torchrun starts have the loss curve of one, and take different rows."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sensorium_core.errors import LoaderError
from sensorium_training.pretraining.processes import Processes

from .synthetic_rows import one_process

SCRIPT = Path(__file__).with_name("synthetic_rows.py")
STEPS = 6


def by_torchrun(folder: Path, *resume: Path) -> subprocess.Popen[str]:
    """The run of `synthetic_rows` in a folder on two processes, from a checkpoint if given."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.Popen(
        [sys.executable, *torchrun, str(SCRIPT), str(folder), str(STEPS), *map(str, resume)],
        env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def losses(folder: Path) -> dict[str, list[float]]:
    rows = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return {
        kind: [r["loss"] for r in rows if r["kind"] == kind] for kind in ("train", "validation")
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    with by_torchrun(folder / "two" / "run") as two:
        threads = torch.get_num_threads()
        one_process(folder / "one" / "run", STEPS)
        torch.set_num_threads(threads)
        _, told = two.communicate(timeout=280)
    assert two.returncode == 0, told
    return folder / "one", folder / "two"


def test_the_loss_curve_is_that_of_one_process(runs):
    one, two = (losses(folder) for folder in runs)
    assert len(one["train"]) == STEPS
    assert len(one["validation"]) > 2
    for kind, curve in one.items():
        np.testing.assert_allclose(two[kind], curve, rtol=0, atol=1e-5)
    assert max(one["train"]) - min(one["train"]) > 1e-3


def test_the_encoders_are_those_of_one_process(runs):
    one, two = (load_file(folder / "run" / "encoders.safetensors") for folder in runs)
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4)


def test_two_processes_that_go_on_from_a_checkpoint_end_where_uncut_ones_did(runs, tmp_path):
    uncut, cut = runs[1] / "run", tmp_path / "two" / "run"
    shutil.copytree(uncut, cut)
    (cut / "encoders.safetensors").unlink()
    with by_torchrun(cut, cut / "checkpoints" / "00000002.pt") as again:
        _, told = again.communicate(timeout=280)
    assert again.returncode == 0, told
    taken = json.loads((tmp_path / "two" / "rank0.json").read_text())
    assert len(taken) < len(json.loads((runs[1] / "rank0.json").read_text()))
    assert losses(cut.parent) == losses(uncut.parent)
    one, two = (load_file(folder / "encoders.safetensors") for folder in (uncut, cut))
    for name, value in one.items():
        assert torch.equal(two[name], value), name


def test_each_process_takes_other_rows_and_together_those_of_one(runs):
    one, two = runs
    whole = json.loads((one / "rank0.json").read_text())
    shares = [json.loads((two / f"rank{rank}.json").read_text()) for rank in range(2)]
    for rows, first, second in zip(whole, *shares, strict=True):
        assert not set(first) & set(second)
        assert first + second == rows
        assert len(first) == len(second) == 8


def test_only_the_first_process_writes(runs):
    one, two = runs
    files = [sorted(p.name for p in (f / "run").rglob("*.*")) for f in (one, two)]
    assert [name for name in files[0] if "tfevents" not in name] == [
        name for name in files[1] if "tfevents" not in name
    ]
    lines = (two / "run" / "log.jsonl").read_text().splitlines()
    assert len(lines) == len((one / "run" / "log.jsonl").read_text().splitlines())


def test_a_batch_that_cannot_be_shared_equally_is_refused():
    assert Processes(1, 2).share(8) == slice(4, 8)
    with pytest.raises(LoaderError, match="a batch of 7 for 2 processes; expected a multiple"):
        Processes(0, 2).share(7)
