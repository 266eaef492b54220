"""`sensorium export-lerobot`: a LeRobotDataset v3.0 from a directory of bags."""

from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text
from sensorium_core.contract import load_contract
from sensorium_core.errors import ExportError
from sensorium_core.printable import printable

from sensorium_recording.lerobot.export import Exported, Settings, export
from sensorium_recording.lerobot.features import Images
from sensorium_recording.lerobot.sources import Choice, choose
from sensorium_recording.splits import SPLITS, Split


@click.command("export-lerobot")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--fps", type=click.IntRange(1, 1000), help="Frames/s.  [default: the depth camera's]"
)
@click.option(
    "--contract", "contract_file", type=click.Path(path_type=Path), help="What is sensed (YAML)."
)
@click.option("--images", type=click.Choice(["video", "image"]), default="video",
              show_default=True, help="MP4, or PNG within Parquet.")  # fmt: skip
@click.option("--cloud", is_flag=True, help="Export the coloured point cloud as well.")
@click.option(
    "--only", multiple=True, help="Export this modality; again for more.  [default: all]"
)
@click.option("--task", default="", help="Instruction for frames that have none.")
@click.option("--namespace", default="", help="Of the robot in the bags.")
@click.option("--split", type=click.Choice(SPLITS), default="all", show_default=True,
              help="Whose episodes.")  # fmt: skip
@click.option("--all", "failed_too", is_flag=True, help="Export failed episodes as well.")
def export_lerobot(
    directory: Path,
    out: Path,
    fps: int | None,
    contract_file: Path | None,
    images: str,
    cloud: bool,
    only: tuple[str, ...],
    task: str,
    namespace: str,
    split: Split,
    failed_too: bool,
) -> None:
    """Write the episodes of a directory of bags as a LeRobotDataset v3.0.

    DIRECTORY holds bags; OUT is the dataset's folder, which must not exist.
    """
    contract = load_contract(contract_file)
    kind: Images = "image" if images == "image" else "video"
    settings = Settings(contract, fps, kind, cloud, namespace, only)
    with Console(stderr=True).status(Text(f"looking into {directory}")) as status:
        chosen = choose(directory, failed_too, task, split)
        if not chosen.sources:
            reasons = ", ".join(_reasons(chosen.left_out)) or "there is no bag"
            raise ExportError(
                out, f"would be empty: {reasons}", f"see `sensorium bags {directory}`"
            )

        def tell(bag: object) -> None:
            status.update(Text(printable(f"exporting {bag}")))

        made = export(chosen.sources, out, settings, tell)
    click.echo(summary(made, chosen))


def _reasons(left_out: Counter[str]) -> list[str]:
    return [f"{count} {printable(why)}" for why, count in left_out.items() if count]


def summary(made: Exported, chosen: Choice) -> str:
    """What was exported and what was not."""
    left_out = Counter(chosen.left_out)
    left_out["without instruction or joints"] += made.empty
    reasons = _reasons(left_out)
    cut = f"; {made.cut} cut at a gap or a clock reset" if made.cut else ""
    tail = f"; left out: {', '.join(reasons)}" if reasons else ""
    return (
        f"{made.path}: {made.episodes} episodes, {made.frames} frames at {made.fps} Hz{cut}{tail}"
    )
