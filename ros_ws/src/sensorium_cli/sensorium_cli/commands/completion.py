"""`sensorium completion`: tab completion for the shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_HELP = {
    "bash": 'eval "$(sensorium completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(sensorium completion zsh)"    # in ~/.zshrc',
    "fish": "sensorium completion fish | source    # in ~/.config/fish/config.fish",
}


@click.command(epilog="\b\n" + "\n".join(_HELP.values()))
@click.argument("shell", type=click.Choice(list(_HELP)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes `sensorium` with the tab key in SHELL."""
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"no completion for {shell}")
    root = ctx.find_root().command
    click.echo(script(root, {}, "sensorium", "_SENSORIUM_COMPLETE").source())
