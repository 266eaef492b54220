"""Takes every live policy step of a bag again, offline, and compares it bit for bit.

The same `Aligner`, `Runner` and policy file as live; from the bag come the messages that each
step says it used. What differs is named: step, modality, first differing sample. Of a fast half
each step carries what it needs to be equal; the corrections between steps are not made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from rich.console import Console
from sensorium_core.errors import BagError, PolicyFileError
from sensorium_core.geometry import Camera
from sensorium_core.hashes import file_sha256, text_sha256
from sensorium_core.kinematics import Kinematics
from sensorium_core.language import Command, LanguageEncoder
from sensorium_core.policy import Policy
from sensorium_core.policy_description import PolicyDescription
from sensorium_core.printable import printable
from sensorium_description import load_urdf
from sensorium_fusion.runner import Runner
from sensorium_fusion.step import Step
from sensorium_recording.bag_facts import urdf_in
from sensorium_recording.bag_reader import BagReader

from sensorium_cli.packages import BRINGUP, package_share
from sensorium_cli.recorded_steps import RecordedStep, StepReader

_SHOWN = 10


@dataclass(frozen=True)
class Mismatch:
    """One thing in which a step differs."""

    step: int
    t_ns: int
    where: str
    """A modality, `observation`, `state`, `action`, `commanded` or `proposal`."""
    what: str

    def __str__(self) -> str:
        return f"step {self.step} at {self.t_ns}: {self.where}: {self.what}"


@dataclass
class Report:
    """How a bag compares."""

    steps: int = 0
    acted: int = 0
    """Steps that proposed a trajectory."""
    unequal: int = 0
    early: int = 0
    """Steps at the start that used what was sent before the recording began: not compared."""
    fast_sha256: str = ""
    """Of the fast half that corrected between steps; empty: none did."""
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether there were steps and none differs."""
        return self.steps > 0 and self.unequal == 0


def verify(bag: Path, policy: Path | None = None, language: Path | None = None) -> Report:
    """Compare every step of a bag.

    Args:
        bag: a recording made while the policy ran.
        policy: its file; the shipped one if not named.
        language: the language encoder's file, likewise.

    Raises:
        BagError: the bag is damaged or holds no steps.
        PolicyFileError: the file is not the one that acted.
    """
    models = package_share(BRINGUP) / "models"
    loaded = Policy(policy or models / "tabletop")
    encoder = LanguageEncoder(language or models / "language" / "encoder.onnx")
    reader = StepReader(bag, loaded.contract)
    about = reader.description()
    urdf = urdf_in(BagReader(bag).metadata()) or load_urdf()
    _require_same(bag, about, loaded, encoder, urdf)
    runner = Runner(loaded, encoder, Kinematics(urdf), frozenset(about.drop))
    understand = lru_cache(maxsize=64)(encoder.encode)
    report = Report(fast_sha256=about.fast_sha256)
    for recorded in reader.steps():
        if recorded.early:
            report.early += 1
            continue
        told = recorded.before.told
        found = [
            Mismatch(recorded.number, recorded.t_ns, where, what)
            for where, what in _take_again(runner, recorded, understand(told) if told else None)
        ]
        report.steps += 1
        report.acted += bool(recorded.values["action"])
        report.unequal += bool(found)
        report.mismatches += found
    return report


def _require_same(
    bag: Path, about: PolicyDescription, policy: Policy, encoder: LanguageEncoder, urdf: str
) -> None:
    pairs = [
        (policy.path, about.policy_sha256, policy.sha256, "--policy"),
        (encoder.path, about.language_sha256, file_sha256(encoder.path), "--language"),
    ]
    for path, wanted, got, option in pairs:
        if wanted != got:
            raise PolicyFileError(
                path,
                f"has sha256 {got[:12]}, but the one that acted in {bag} has {wanted[:12]}",
                f"name that with {option}",
            )
    if text_sha256(urdf) != about.urdf_sha256:
        raise BagError(bag, "was made with another robot description", "use that version")


def _take_again(
    runner: Runner, recorded: RecordedStep, command: Command | None
) -> Iterator[tuple[str, str]]:
    """Where and how a step differs from the live one."""
    yield from recorded.problems
    before, camera = recorded.before, None
    if before.camera is not None:
        fx, fy, cx, cy, rows, cols = before.camera
        pose = recorded.description.camera_pose
        camera = Camera((fx, fy, cx, cy), (int(rows), int(cols)), pose)
    step = runner.take_again(
        recorded.t_ns, before, recorded.parts, recorded.commanded, command, camera
    )
    yield from _differences(step, recorded)


def _differences(step: Step, recorded: RecordedStep) -> Iterator[tuple[str, str]]:
    values = recorded.values
    action = step.trajectory.fingerprint() if step.trajectory is not None else ""
    pairs = [
        ("observation", values["digest"], step.observation.digest()),
        ("state", f"{values['state']}: {values['reason']}", f"{step.state.value}: {step.reason}"),
        ("action", values["action"], action),
    ]
    for where, live, offline in pairs:
        if live != offline:
            yield where, f"live {live or 'none'!r:.80}, offline {offline or 'none'!r:.80}"
    if values["action"] and recorded.proposed != values["action"]:
        got = recorded.proposed or "none"
        yield "proposal", f"the step proposed {values['action']}, the bag holds {got}"


def verify_command(bag: Path, policy: Path | None = None, language: Path | None = None) -> int:
    """Compare and tell; returns the exit code: 0 only when every step is equal."""
    console = Console()
    with Console(stderr=True).status(f"taking the steps of {bag} again"):
        report = verify(bag, policy, language)
    for mismatch in report.mismatches[:_SHOWN]:
        console.print(printable(str(mismatch)), style="red", markup=False, soft_wrap=True)
    if len(report.mismatches) > _SHOWN:
        console.print(f"... and {len(report.mismatches) - _SHOWN} more differences")
    words = f"{report.steps - report.unequal} of {report.steps} steps equal, bit for bit"
    if report.early:
        words += f", {report.early} before them used messages from before the recording"
    console.print(f"{bag}: {words} ({report.acted} proposed a motion)", markup=False)
    if report.fast_sha256:
        words = f"a fast half, {report.fast_sha256[:12]}, corrected between the steps"
        console.print(f"{words}: its proposals are in the bag, and not made again")
    return 0 if report.equal else 1
