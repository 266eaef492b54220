"""What a training step frees serves the next one: the kernel clears no pages anew."""

import os
import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
import torch
from sensorium_core.contract import touch
from sensorium_training.allocator import keep_freed_memory
from sensorium_training.encoders import NetConfig
from sensorium_training.export import example_inputs
from sensorium_training.network import PolicyNet
if "keep" in sys.argv:
    assert keep_freed_memory()
torch.manual_seed(0)
torch.set_num_threads(1)
net = PolicyNet(NetConfig.for_contract(touch()))
one = example_inputs(touch(), 0, net.config.words)
inputs = {name: x.repeat(192, *[1] * (x.dim() - 1)) for name, x in one.items()}
def step():
    net(**inputs).chunk.sum().backward()
for _ in range(4):
    step()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(4)))
"""


_USUAL = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc's defaults. Not told them, it moves them as it likes, and may keep what another run gave
back."""


def faults(*how: str) -> int:
    """Of the best of a few steps: now and then what is kept still grows by a block."""
    told, env = [sys.executable, "-c", _FAULTS, *how], {**os.environ, **_USUAL}
    return int(subprocess.run(told, check=True, capture_output=True, text=True, env=env).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_a_step_that_needs_what_the_last_one_freed_faults_no_pages_in() -> None:
    usual = faults()
    assert usual > 5_000
    assert faults("keep") < usual / 10
