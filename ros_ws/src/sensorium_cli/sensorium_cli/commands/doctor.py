"""`sensorium doctor`: checks this machine and says how to mend what is wrong."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from sensorium_cli.doctor import machine, software, transport
from sensorium_cli.doctor.finding import FAIL, OK, WARN, Finding
from sensorium_cli.shared_memory import remove_stale_segments

_COLOURS = {OK: "green", WARN: "yellow", FAIL: "red"}
CHECKS: tuple[tuple[str, Callable[[], Finding]], ...] = (
    ("python", machine.check_python),
    ("processors", machine.check_processors),
    ("disk", lambda: machine.check_disk(Path.cwd())),
    ("libraries", software.check_libraries),
    ("system libraries", software.check_system_libraries),
    ("rendering", software.check_rendering),
    ("shared memory", machine.check_shared_memory),
    ("stale files", machine.check_stale_files),
    ("ROS", lambda: transport.check_ros(os.environ)),
    ("DDS profile", lambda: transport.check_profile(os.environ)),
    ("images over DDS", lambda: transport.check_images(os.environ)),
    ("policy", software.check_policy),
)


@click.command()
@click.option("--clean", is_flag=True, help="First remove what killed processes left in /dev/shm.")
@click.option("--json", "as_json", is_flag=True, help="Write the findings as JSON.")
@click.pass_context
def doctor(ctx: click.Context, clean: bool, as_json: bool) -> None:
    """Check this machine and say how to mend what is wrong.

    Exit code 1 when something fails; warnings do not count.
    """
    if clean:
        removed = remove_stale_segments()
        click.echo(f"removed {len(removed)} shared-memory files of killed processes", err=True)
    findings = []
    console = Console(stderr=True)
    for name, check in CHECKS:
        with console.status(f"checking {name}"):
            findings.append(check())
        if not as_json:
            _show(findings[-1])
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        _conclude(findings)
    ctx.exit(int(any(finding.status == FAIL for finding in findings)))


def _show(finding: Finding) -> None:
    status = click.style(f"{finding.status:<5}", fg=_COLOURS[finding.status], bold=True)
    click.echo(f"{status} {finding.name:<17} {finding.detail}")
    if finding.remedy:
        click.echo(f"      mend with:        {click.style(finding.remedy, bold=True)}")


def _conclude(findings: list[Finding]) -> None:
    counts = {status: sum(f.status == status for f in findings) for status in (WARN, FAIL)}
    if not any(counts.values()):
        click.secho("all is well", fg="green")
    else:
        click.echo(f"{counts[FAIL]} failed, {counts[WARN]} to look at")
