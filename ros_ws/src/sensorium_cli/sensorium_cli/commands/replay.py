"""`sensorium replay`: plays a bag as it was recorded, or checks the policy against it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.play_list import PlayerConfig, choose_topics
from sensorium_recording.player import Player

from sensorium_cli.keyboard import Keyboard
from sensorium_cli.middleware import middleware_environment


@click.command()
@click.argument("bag", type=click.Path(path_type=Path))
@click.option(
    "--rate", "-r", default=1.0, show_default=True, type=click.FloatRange(0.001, 1000.0),
    help="Speed; 1 is as recorded.",
)  # fmt: skip
@click.option(
    "--start", "start_s", default=0.0, show_default=True, type=click.FloatRange(0.0),
    help="Where to begin [s]; what is latched before it is published first.",
)  # fmt: skip
@click.option("--loop", "-l", is_flag=True, help="Begin again at the end; /clock jumps back.")
@click.option("--topics", default="", help="Play these only: a,b,...; `*` stands for any text.")
@click.option("--exclude", default="", help="Leave these out: a,b,...")
@click.option("--paused", is_flag=True, help="Begin paused.")
@click.option("--realtime", is_flag=True, help="Real-time priority, for a busy machine.")
@click.option("--force", is_flag=True, help="Play topics that another node publishes too.")
@click.option("--verify", is_flag=True, help="Play nothing: compare the policy with the bag.")
@click.option(
    "--policy", type=click.Path(path_type=Path), help="For --verify.  [default: the bag's]"
)
@click.option(
    "--language", type=click.Path(path_type=Path), help="For --verify.  [default: the released]"
)
@click.pass_context
def replay(
    ctx: click.Context,
    bag: Path,
    rate: float,
    start_s: float,
    loop: bool,
    topics: str,
    exclude: str,
    paused: bool,
    realtime: bool,
    force: bool,
    verify: bool,
    policy: Path | None,
    language: Path | None,
) -> None:
    """Play BAG: every message byte for byte, when it was recorded, with /clock.

    In a terminal, space pauses and goes on, s steps by a frame while paused, q ends.

    \b
    Examples:
        sensorium replay out/episode
        sensorium replay out/episode --rate 0.5 --start 3 --topics "camera/*,wrench"
        sensorium replay out/episode --verify
    """
    if verify:
        from sensorium_cli.parity import verify_command  # It loads the policy's libraries.

        ctx.exit(verify_command(bag, policy, language))
    config = PlayerConfig(
        bag=str(bag), rate=rate, start_s=start_s, loop=loop, topics=topics, exclude=exclude,
        paused=paused, realtime=realtime, force=force,
    )  # fmt: skip
    choose_topics(BagReader(bag).channels(), topics, exclude, strict=True)  # Before ROS starts.
    os.environ.update(middleware_environment(os.environ))
    from sensorium_recording.nodes.player_node import play  # ROS must see the environment.

    with Keyboard(sys.stdin) as keyboard:
        play(config, [], lambda player: _attend(keyboard, player))


def _attend(keyboard: Keyboard, player: Player) -> None:
    _obey(keyboard, player)
    if sys.stdout.isatty():
        moment = player.moment()
        word = "paused" if moment.paused else f"x{moment.rate:g}"
        click.echo(f"\r{moment.position_s:9.1f} s  {word:<8}", nl=False)


def _obey(keyboard: Keyboard, player: Player) -> None:
    for key in keyboard.pressed():
        if key == " ":
            player.pause(not player.paused)
        elif key == "s":
            player.step()
        elif key == "q":
            player.stop()
