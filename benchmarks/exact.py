"""Claims that are exact and not measured: each by its tests, which run here and in CI.

    .venv/bin/python benchmarks/exact.py --write

A claim holds when all of its tests pass; `-k` of pytest names them, so that none may be missing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass

import click
from results_page import ROOT, commit, table, write_section

_TESTS = "ros_ws/src/sensorium_training/test"
_COUNT = re.compile(r"(\d+) (passed|failed|error|errors|skipped|xfailed)")


@dataclass(frozen=True)
class Claim:
    """One claim and where it is tested."""

    words: str
    files: tuple[str, ...]
    """Of `sensorium_training/test`."""
    named: str
    """Part of the names of its tests."""

    @property
    def command(self) -> list[str]:
        """For pytest."""
        return [*(f"{_TESTS}/{file}" for file in self.files), "-k", self.named]


CLAIMS = (
    Claim(
        "noise on gated-off force streams in free space changes the action by exactly 0: torch "
        "and exported file, contract versions 1 and 2, with a camera missing. Of `contact_gate`, "
        "and of no other operator: the shipped `weighted` hears it",
        ("test_fusion_in_policy.py", "test_fusion_in_touch_policy.py",
         "test_imputation_in_policy.py"),
        "gated_off or stays_exactly_unheard",
    ),
    Claim(
        "force shifts the fused token by at most β of its length (of the nine-family network the "
        "head hears the wrist's force besides, which β does not bound: docs/fusion.md); an absent "
        "sense is as if it had no place in a product of experts",
        ("test_fusion.py",),
        "no_more_than_beta or no_place_at_all",
    ),
    Claim(
        "every parameter of every operator, objective, imputer, network and of the fast head is "
        "registered, gets a gradient and changes after one step",
        ("test_fusion.py", "test_fusion_in_policy.py", "test_objectives_properties.py",
         "test_imputation.py", "test_imputation_in_policy.py",
         "test_imputation_in_touch_policy.py", "test_network.py", "test_recall.py",
         "test_fast_head.py"),
        "every_parameter or hidden_parts or plain_list or not_a_parameter",
    ),
    Claim(
        "the ONNX file of every operator, imputer and network answers as torch within 1e-4, any "
        "senses missing",
        ("test_fusion_in_policy.py", "test_fusion_in_touch_policy.py",
         "test_imputation_in_policy.py", "test_imputation_in_touch_policy.py",
         "test_network.py", "test_recall.py", "test_fast_head.py"),
        "computes_what_torch",
    ),
    Claim(
        "two processes have loss and gradients of one, with every objective; the loss curve of "
        "one over 6 steps of five objectives, and over 4 by the documented command on bags",
        ("test_objectives_gather.py", "test_pretraining_processes.py",
         "test_pretrain_command.py"),
        "two_processes or one_process",
    ),
    Claim(
        "scenes of demonstrations, rollouts, development, trials and offline error are disjoint",
        ("test_scene_seeds.py",),
        "",
    ),
)  # fmt: skip


def run(claim: Claim) -> tuple[str, bool]:
    """What pytest says of a claim's tests, and whether all of them passed."""
    options = ["-q", "-p", "no:cacheprovider", "--no-header"]
    command = [sys.executable, "-m", "pytest", *options, *claim.command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    counts = dict((what, int(n)) for n, what in _COUNT.findall(done.stdout))
    met = done.returncode == 0 and set(counts) == {"passed"}
    if not met:
        print(done.stdout, file=sys.stderr)
    return ", ".join(f"{n} {what}" for what, n in counts.items()) or done.stdout[-300:], met


@click.command()
@click.option("--write", is_flag=True, help="Write the section of docs/results.md.")
def main(write: bool) -> None:
    """Run the tests of every claim."""
    rows = []
    for claim in CLAIMS:
        told, met = run(claim)
        words = " ".join(file.removesuffix(".py") for file in claim.files)
        tests = f"`{words}`" + (f" `-k '{claim.named}'`" if claim.named else "")
        rows.append([claim.words, tests, told, "holds" if met else "does not hold"])
    head = f"`benchmarks/exact.py --write`, commit {commit()}. Tests of `{_TESTS}`, which CI runs."
    text = f"## Exact, by test\n\n{head}\n\n" + table(["what", "tests", "result", ""], rows)
    click.echo(text)
    if write:
        write_section("exact", text)
    sys.exit(any(row[-1] != "holds" for row in rows))


if __name__ == "__main__":
    main()
