"""`sensorium demo`: tell the simulated arm what to do, and watch it act over real ROS 2."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from sensorium_core.errors import BagError, NodeUnavailableError
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.language import Command, LanguageEncoder
from sensorium_core.policy import Policy

from sensorium_cli.attempt import Attempt, End, judge_status, missing_senses, patience_s
from sensorium_cli.domain import free_domain
from sensorium_cli.launch.launcher import Launcher
from sensorium_cli.live_view import LiveView
from sensorium_cli.middleware import middleware_environment
from sensorium_cli.over_ros import Case
from sensorium_cli.packages import BRINGUP, package_share
from sensorium_cli.playable import cell_of, staged_goal

EXIT_FAILURE, EXIT_REFUSED, EXIT_INTERRUPTED = 1, 3, 130
_READY_S = 60.0
_POLL_S = 0.05
_AFTERMATH_S = 0.7
"""How long the recording goes on after the verdict."""
_MOVED_M = 0.002
_VIDEO_FPS = 15


@dataclass(frozen=True)
class Stage:
    """Everything that one demo needs to know before it starts."""

    text: str
    command: Command
    arguments: dict[str, str]
    folder: Path
    timeout_s: float | None


@click.command()
@click.argument("text", required=False)
@click.option("--say", "said", help="The same as TEXT.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="The scene is that of this seed, or of the next one that fits the words.",
)
@click.option(
    "--out",
    default=Path("out"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for each run is made here, with its bag, video and logs.",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="The policy file.  [default: models/tabletop/policy.onnx]",
)
@click.option(
    "--fast-policy",
    type=click.Path(path_type=Path),
    help="A fast half, such as models/fast, for a policy that says what to feel.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(1.0),
    help="Longest wait for a verdict [s].  [default: 30, or twice the task's time]",
)
@click.option(
    "--camera-rate",
    default=30.0,
    show_default=True,
    type=click.FloatRange(1.0, 100.0),
    help="Frames per second of each camera; less asks less of the machine.",
)
@click.option(
    "--camera-width",
    default=640,
    show_default=True,
    type=click.IntRange(128),
    help="Columns of every picture; 4:3.",
)
@click.option(
    "--drop", multiple=True, help="A sense to treat as dead, such as wrench; repeatable."
)
@click.option("--no-record", is_flag=True, help="Write neither bag nor video.")
@click.pass_context  # fmt: skip
def demo(
    ctx: click.Context,
    text: str | None,
    said: str | None,
    seed: int,
    out: Path,
    policy: Path | None,
    fast_policy: Path | None,
    timeout_s: float | None,
    camera_rate: float,
    camera_width: int,
    drop: tuple[str, ...],
    no_record: bool,
) -> None:
    """Tell the simulated arm TEXT, in plain words, and watch it act.

    Exit code 0: done, as the simulator judges by ground truth. 1: not done. 3: the arm held still
    because it would not do what was said, and says why. 130: interrupted.

    \b
    Examples:
        sensorium demo "push the blue cylinder to the left"
        sensorium demo "press the green button" --seed 7
    """
    words = text or said or "pick up the red cube"
    share = package_share(BRINGUP, os.environ)
    policy = policy or share / "models" / "tabletop" / "policy.onnx"
    acts = Policy(policy)
    if fast_policy is not None:
        FastPolicy(fast_policy)
    language = share / "models" / "language" / "encoder.onnx"
    command = LanguageEncoder(language).encode(words)
    folder = (out / datetime.now().strftime("%Y%m%d-%H%M%S")).resolve()
    arguments = {
        "policy": str(policy.resolve()),
        "language": str(language),
        "fast_policy": "" if fast_policy is None else str(fast_policy.resolve()),
        "seed": str(seed),
        "cell": cell_of(acts),
        "goal": Case(seed, staged_goal(command, acts, seed), words).goal_text,
        "drop": ",".join(drop),
        "camera_rate_hz": str(camera_rate),
        "camera_width": str(camera_width),
        "camera_height": str(camera_width * 3 // 4),
        "record": str(not no_record).lower(),
        "output": str(folder),
        "autostart": "false",
        "arm_on_start": "false",
    }
    ctx.exit(run(Stage(words, command, arguments, folder, timeout_s), Console()))


def run(stage: Stage, console: Console) -> int:
    """Launch, tell, watch, conclude; returns the exit code."""
    with _interruptible():
        try:
            end = _perform(stage, console)
            _conclude(stage, end, console)
        except KeyboardInterrupt:
            console.print("interrupted; every node has ended", style="yellow")
            return EXIT_INTERRUPTED
    if end.refused:
        return EXIT_REFUSED
    return 0 if end.success else EXIT_FAILURE


def _perform(stage: Stage, console: Console) -> End:
    domain = int(os.environ.get("ROS_DOMAIN_ID") or free_domain())
    environment = middleware_environment({**os.environ, "ROS_DOMAIN_ID": str(domain)})
    os.environ.update(environment)
    from sensorium_cli.nodes.cell_client import CellClient  # ROS reads the environment first.

    begun_s = time.monotonic()
    file = package_share(BRINGUP, environment) / "launch" / "sim.launch.yaml"
    with LiveView(console, stage.text) as view:
        launcher = Launcher(file, stage.arguments, environment, log_folder=stage.folder / "log")
        with launcher, CellClient(domain) as cell:
            performance = _Performance(stage, launcher, cell, view, begun_s)
            return performance.run()


class _Performance:
    """One run on a launched graph."""

    def __init__(self, stage: Stage, launcher: Launcher, cell, view: LiveView, begun_s: float):  # type: ignore[no-untyped-def]  # noqa: ANN001
        self._stage, self._launcher, self._cell, self._view = stage, launcher, cell, view
        self._begun_s = begun_s
        self._moved = False

    def run(self) -> End:
        """From waiting for the senses to a little after the verdict."""
        self._await_senses()
        if self._stage.arguments["record"] == "true":
            recording, why = self._cell.record()
            if not recording:
                raise BagError(self._stage.folder, f"is not recorded ({why})", "see the logs")
        armed, why = self._cell.arm(True)
        if not armed:
            return End(False, f"the gate does not arm: {why}")
        self._cell.say(self._stage.text)
        self._view.say(f"told after {time.monotonic() - self._begun_s:.1f} s")
        patience = self._stage.timeout_s or patience_s(self._cell.reports)
        attempt = Attempt(self._stage.text, time.monotonic(), patience)
        while (end := attempt.update(self._cell.reports, time.monotonic())) is None:
            self._spin()
            self._note_motion()
        verdict_s = time.monotonic()
        while time.monotonic() - verdict_s < _AFTERMATH_S:
            self._spin()
        self._view.say("ending the nodes")
        return end

    def _await_senses(self) -> None:
        dead = bool(self._stage.arguments["drop"])
        while True:
            reports = self._cell.reports
            missing = missing_senses(reports)
            silent = missing == ["policy/step"] or (missing and not dead)
            if not silent and judge_status(reports) and self._cell.is_heard:
                return
            self._view.say(f"waiting for {', '.join(missing) or 'the simulator'}")
            self._spin()
            if time.monotonic() - self._begun_s > _READY_S:
                raise NodeUnavailableError(", ".join(missing), _READY_S)

    def _note_motion(self) -> None:
        sim = self._cell.reports.get("sim")
        if not self._moved and sim and float(sim.values["tool_travel_m"]) > _MOVED_M:
            self._moved = True
            self._view.say(f"first motion after {time.monotonic() - self._begun_s:.1f} s")

    def _spin(self) -> None:
        self._cell.spin(_POLL_S)
        self._view.show(self._cell.reports)
        if self._launcher.poll() is not None:
            logs = self._launcher.log_folder
            raise NodeUnavailableError(f"a node that ended; its log is in {logs}", 0.0)


def _conclude(stage: Stage, end: End, console: Console) -> None:
    """Say how it ended and where the recording is."""
    if end.refused:
        reason = stage.command.reason or end.reason
        console.print(
            f"REFUSED: {reason}; the arm held still", style="bold yellow", soft_wrap=True
        )
    elif end.success:
        console.print(f"SUCCESS: {end.reason}", style="bold green", soft_wrap=True)
    else:
        console.print(f"FAILURE: {end.reason}", style="bold red", soft_wrap=True)
    if stage.arguments["record"] == "true":
        _film(stage.folder, console)
    console.print(f"logs   {stage.folder / 'log'}", highlight=False)


def _film(folder: Path, console: Console) -> None:
    from sensorium_recording.video import make_video  # Slow to import, and only wanted here.

    bag = folder / "episode"
    if not bag.exists():
        console.print(f"no bag in {folder}; see the recorder's log", style="yellow")
        return
    console.print(f"bag    {bag}", highlight=False)
    with console.status("making the video"):
        video = make_video(bag, folder / "episode.mp4", fps=_VIDEO_FPS)
    console.print(f"video  {video.path}", highlight=False)


@contextmanager
def _interruptible() -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the demo; more of them do not disturb the ending."""
    told = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise KeyboardInterrupt

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
