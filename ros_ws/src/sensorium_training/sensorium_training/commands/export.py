"""`sensorium export`: from trained weights to a self-describing policy file and its card."""

from pathlib import Path

import click


@click.command()
@click.argument(
    "run", default="runs/tabletop", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.argument("out", default="models/tabletop", type=click.Path(path_type=Path, file_okay=False))
def export(run: Path, out: Path) -> None:
    """Write OUT/policy.onnx, OUT/weights.safetensors and OUT/card.md from the weights in RUN.

    The file carries its contract and provenance; it is checked against torch over random inputs
    and not written when they differ by more than 1e-4.
    """
    from sensorium_training.card import release

    difference = release(run, out)
    file = out / "policy.onnx"
    size = file.stat().st_size / 1e6
    click.echo(f"{file}: {size:.1f} MB, largest difference from torch {difference:.1e}")
