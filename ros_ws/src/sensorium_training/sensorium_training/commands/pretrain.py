"""`sensorium pretrain`: encoders of all senses from bags, without labels."""

from pathlib import Path

import click

from sensorium_training.commands.progress import progress_bar
from sensorium_training.recipe import CONTRACTS, contract_named

_LANGUAGE = "models/language/encoder.onnx"


@click.command()
@click.argument(
    "demos", default="data/demos", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option(
    "--config", default=None, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML file of objectives; the shipped one by default.",
)  # fmt: skip
@click.option(
    "--run", "run_dir", default="runs/pretraining", show_default=True,
    type=click.Path(path_type=Path, file_okay=False), help="Checkpoints, log and encoders.",
)  # fmt: skip
@click.option(
    "--cache", default="data/cache", show_default=True,
    type=click.Path(path_type=Path, file_okay=False), help="Rows of the bags.",
)  # fmt: skip
@click.option(
    "--resume", default=None, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Checkpoint to go on from; the run's newest by default.",
)  # fmt: skip
@click.option(
    "--contract", default=CONTRACTS[0], show_default=True, type=click.Choice(CONTRACTS),
    help="Of the policy whose encoders these are: its windows of force are what they learn from.",
)  # fmt: skip
@click.option("--steps", default=4000, show_default=True, type=click.IntRange(1))
@click.option(
    "--batch", default=192, show_default=True, type=click.IntRange(2),
    help="Rows of a step, over all processes.",
)  # fmt: skip
@click.option(
    "--rows-per-episode", default=4, show_default=True, type=click.IntRange(1),
    help="Rows of a batch that one episode gives: near-in-time negatives.",
)  # fmt: skip
@click.option("--learning-rate", default=1e-3, show_default=True, type=click.FloatRange(0.0))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--precision", default="float32", show_default=True,
    type=click.Choice(("float32", "bfloat16", "float64")),
    help="bfloat16: mixed, losses in float32; float64: to compare runs.",
)  # fmt: skip
@click.option(
    "--checkpoint-steps", default=500, show_default=True, type=click.IntRange(1),
    help="Validate and write a checkpoint every so many steps.",
)  # fmt: skip
@click.option("--log-steps", default=10, show_default=True, type=click.IntRange(1))
@click.option(
    "--workers", default=2, show_default=True, type=click.IntRange(1),
    help="Processes that make rows of new bags.",
)  # fmt: skip
@click.option(
    "--threads", default=2, show_default=True, type=click.IntRange(1),
    help="Threads of training, in each process.",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto.")
@click.option(
    "--language", default=_LANGUAGE, show_default=True, type=click.Path(path_type=Path),
    help="Encoder of instructions, where an objective wants words.",
)  # fmt: skip
def pretrain(
    demos: Path,
    config: Path | None,
    run_dir: Path,
    cache: Path,
    resume: Path | None,
    workers: int,
    threads: int,
    device: str,
    language: Path,
    contract: str,
    steps: int,
    batch: int,
    rows_per_episode: int,
    learning_rate: float,
    seed: int,
    precision: str,
    checkpoint_steps: int,
    log_steps: int,
) -> None:
    """Train the policy's sense encoders on the bags in DEMOS, without labels.

    The same command goes on from the run's last checkpoint. On several processes:
    `torchrun --nproc-per-node 2 --no-python -- sensorium pretrain ...`. Then:
    `sensorium train --encoders RUN/encoders.safetensors`, with the same --contract.
    """
    import torch

    from sensorium_training.encoders import NetConfig
    from sensorium_training.pretraining.config import DEFAULT, PretrainConfig, load_objectives
    from sensorium_training.pretraining.processes import processes
    from sensorium_training.pretraining.session import Session

    torch.set_num_threads(threads)
    asked = PretrainConfig(
        load_objectives(config or DEFAULT), steps, batch, rows_per_episode, learning_rate,
        seed=seed, precision=precision, log_steps=log_steps, checkpoint_steps=checkpoint_steps,
        net=NetConfig.for_contract(contract_named(contract)),
    )  # fmt: skip
    with processes(device) as here, progress_bar(here.writes) as bar:
        session = Session(demos, run_dir, cache, workers, language, asked, here, bar)
        encoders = session.run(resume)
    if here.writes:
        then = f"sensorium train --contract {contract} --encoders {encoders}"
        click.echo(f"encoders in {encoders}; next: {then}")


if __name__ == "__main__":
    pretrain()
