"""The options of `sensorium train` that say what is made: those of a `Recipe`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from sensorium_training.fusion.names import DEFAULT_FUSION, FUSIONS
from sensorium_training.imputation.names import IMPUTATIONS
from sensorium_training.recipe import CONTRACTS, PRECISIONS, Recipe

Command = TypeVar("Command", bound=Callable[..., Any])
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--contract", default=CONTRACTS[0], show_default=True, type=click.Choice(CONTRACTS),
        help="What the policy senses and remembers; touch is for all nine families.",
    ),
    click.option(
        "--fusion", default=None, type=click.Choice(FUSIONS),
        help="How the senses' tokens become one.  [default: that of --weights, or "
        f"{DEFAULT_FUSION[2]} of --contract touch, {DEFAULT_FUSION[1]} of tabletop]",
    ),
    click.option(
        "--imputation", default=None, type=click.Choice(IMPUTATIONS),
        help="What stands in for a missing sense: a learned token, or a guess from those there.  "
        f"[default: that of --weights, or {IMPUTATIONS[0]}]",
    ),
    click.option(
        "--head", default=None, type=click.IntRange(1),
        help="Units of each layer of the head.  [default: those of --weights, or 640 of "
        "--contract touch, 320 of tabletop]",
    ),
    click.option(
        "--blur", default=0.0, show_default=True, type=click.FloatRange(0.0),
        help="Blur of vision at the start [pixels], gone by half of the first training.",
    ),
    click.option(
        "--corrupt", default=0.0, show_default=True, metavar="SHARE", type=click.FloatRange(0, 1),
        help="Rows in which one sense goes wrong: noisy, biased, late … up to dead.",
    ),
    click.option(
        "--drop", multiple=True, metavar="SENSE=ODDS",
        help="How often a sense is dead in a row, or several together (wrench+pads=0.06), instead "
        "of the default; 0: never. Repeatable.",
    ),
    click.option(
        "--only", default="", metavar="SENSE,...",
        help="Senses to train on; all others are dead in every row, and for the policy. "
        "Default: all.",
    ),
    click.option(
        "--share", default=1.0, show_default=True,
        type=click.FloatRange(0.0, 1.0, min_open=True),
        help="Of the demonstrations to learn from: the same ones in every run.",
    ),
    click.option(
        "--deaf", default=0.2, show_default=True, type=click.FloatRange(0.0, 1.0),
        help="Share of the --dagger episodes, but where force decides, in which it is dead.",
    ),
    click.option(
        "--felt", default=0.2, show_default=True, type=click.FloatRange(0.0, 1.0),
        help="Share of each batch drawn where an expert says what to feel; of --contract touch.",
    ),
    click.option(
        "--precision", default=PRECISIONS[0], show_default=True, type=click.Choice(PRECISIONS),
        help="bfloat16: mixed, features of pixels and points alone; a third less time a step on "
        "a CPU that has it (avx512_bf16).",
    ),
    click.option(
        "--steps", default=0, type=click.IntRange(0),
        help="Of training on the demonstrations, instead of --minutes: for runs to be compared.",
    ),
)  # fmt: skip


def recipe_options(command: Command) -> Command:
    """Give a command the options of a recipe; it gets them as keywords, for `recipe_of`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def recipe_of(given: dict[str, Any]) -> Recipe:
    """What was asked for; what was not is as in a plain `Recipe`.

    Raises `click.BadParameter` and the errors of `Recipe`.
    """
    given = {name: value for name, value in given.items() if value is not None}
    only = tuple(sense.strip() for sense in given["only"].split(",")) if given["only"] else ()
    return Recipe(**{**given, "only": only, "drop": tuple(map(_odds, given["drop"]))})


def _odds(text: str) -> tuple[str, float]:
    """A sense and how often it is dead, from `SENSE=ODDS`."""
    sense, _, odds = text.partition("=")
    try:
        return sense, float(odds)
    except ValueError:
        wrong = f"expected SENSE=ODDS, odds from 0 to 1, got {text!r}"
        raise click.BadParameter(wrong, param_hint="--drop") from None
