"""The `sensorium` command: finds the subcommands that the installed packages bring.

A subcommand is an entry point of the group `sensorium.commands`; it is imported when it is called,
and only then, so that `sensorium --help` and tab completion stay quick.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
from importlib import metadata
from pathlib import Path
from typing import IO, Any, NoReturn

import click
from click.shell_completion import CompletionItem
from sensorium_core.errors import CommandUnavailableError, SensoriumError
from sensorium_core.printable import printable

GROUP = "sensorium.commands"
_HELP = """Every sense of the arm, aligned by capture time, in one policy, on a CPU, in ROS 2.

    sensorium demo "push the blue cylinder to the left"

`sensorium COMMAND --help` tells what a command takes.
"""


class Failure(click.ClickException):
    """A deliberate error, shown without a traceback."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to the error stream."""
        words = "\n".join(printable(line) for line in self.message.splitlines())
        click.echo(f"{click.style('error:', fg='red', bold=True)} {words}", file, err=True)


class CommandGroup(click.Group):
    """A group whose members are entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all subcommands, in alphabetical order."""
        return sorted(_entry_points())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand; None when there is none of this name."""
        point = _entry_points().get(cmd_name)
        if point is None:
            return None
        try:
            command = point.load()
        except ModuleNotFoundError as error:
            raise Failure(str(CommandUnavailableError(cmd_name, error.name or ""))) from error
        if not isinstance(command, click.Command):
            raise TypeError(f"{point.value} is not a click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; an unknown one gets the nearest names."""
        if args and args[0] not in _entry_points() and not args[0].startswith("-"):
            _fail_unknown(args[0])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run a subcommand; a deliberate error ends it with its message."""
        try:
            return super().invoke(ctx)
        except SensoriumError as error:
            raise Failure(str(error)) from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete subcommand names and options, without importing a subcommand."""
        names = [
            CompletionItem(name, help=_summary(point))
            for name, point in sorted(_entry_points().items())
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands, without importing them."""
        rows = [(name, _summary(point)) for name, point in sorted(_entry_points().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def _fail_unknown(name: str) -> NoReturn:
    known = sorted(_entry_points())
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean `sensorium {near[0]}`? " if near else ""
    raise Failure(f"no command {name!r}. {hint}Commands: {', '.join(known)}")


def _summary(point: metadata.EntryPoint) -> str:
    """First line of a command's docstring, read from its source."""
    try:
        spec = importlib.util.find_spec(point.module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        return "(not installed)"
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    named = (node for node in functions if node.name in (point.attr, f"{point.attr}_command"))
    text = next((ast.get_docstring(node) for node in named), None) or ast.get_docstring(tree) or ""
    return text.partition("\n")[0].rstrip(".")


@click.group(
    cls=CommandGroup, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="sensorium_cli", prog_name="sensorium")
def cli() -> None:
    """Root of all subcommands."""


def main() -> None:
    """Entry point of the `sensorium` script."""
    cli.main(prog_name="sensorium")


if __name__ == "__main__":
    main()
