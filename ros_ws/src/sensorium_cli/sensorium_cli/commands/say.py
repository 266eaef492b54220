"""`sensorium say`: tells the arm what to do."""

from __future__ import annotations

import os
import time

import click
from sensorium_core.instruction import parse_instruction
from sensorium_core.printable import printable

from sensorium_cli.middleware import middleware_environment
from sensorium_cli.verdict import OUTCOME_TOPIC, STATE_TOPICS, Verdict


@click.command()
@click.argument("text")
@click.option("--namespace", "-n", default="", help="Of the robot, such as /left.")
@click.option(
    "--timeout", "timeout_s", default=10.0, show_default=True, type=click.FloatRange(0.1),
    help="How long to wait for a node that listens [s].",
)  # fmt: skip
@click.option(
    "--wait", "wait_s", default=0.0, type=click.FloatRange(0.0),
    help="Follow what becomes of it for up to this many seconds; exit code 0 only on success.",
)  # fmt: skip
@click.pass_context
def say(ctx: click.Context, text: str, namespace: str, timeout_s: float, wait_s: float) -> None:
    """Tell the arm TEXT, in plain words; an empty TEXT stops it.

    \b
    Examples:
        sensorium say "push the blue cylinder to the left"
        sensorium say "press the green button" --wait 30
        sensorium say ""
    """
    text = parse_instruction(text)
    os.environ.update(middleware_environment(os.environ))
    from sensorium_cli.nodes.speaker import Speaker  # ROS must see the environment set above.

    verdict = Verdict(text)
    with Speaker(namespace) as speaker:
        if wait_s > 0.0:
            for topic in (OUTCOME_TOPIC, *STATE_TOPICS):
                speaker.listen(topic, lambda report: _show(verdict.update(report)))
        taken = speaker.say(text, timeout_s)
        click.echo(f"said: {text}" if text else "said: stop")
        if not taken:
            click.secho(f"the policy did not take it within {timeout_s:g} s", fg="red", err=True)
            ctx.exit(1)
        end_s = time.monotonic() + wait_s
        while verdict.success is None and time.monotonic() < end_s:
            speaker.spin(0.1)
    if wait_s > 0.0:
        ctx.exit(_conclude(verdict, wait_s))


def _show(line: str | None) -> None:
    if line is not None:
        click.echo(f"  {printable(line)}")


def _conclude(verdict: Verdict, wait_s: float) -> int:
    if verdict.success is None:
        click.secho(f"no verdict within {wait_s:g} s", fg="yellow", err=True)
        return 1
    word, colour = ("success", "green") if verdict.success else ("failure", "red")
    said = verdict.reason if verdict.reason.startswith(word) else f"{word}: {verdict.reason}"
    click.secho(printable(said), fg=colour)
    return 0 if verdict.success else 1
