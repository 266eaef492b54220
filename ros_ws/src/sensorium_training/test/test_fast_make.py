"""One command from nothing to the file."""

from pathlib import Path

from sensorium_core.fast_policy import FastPolicy
from sensorium_training.commands.progress import progress_bar
from sensorium_training.fast.make import Plan, make
from sensorium_training.fast.network import FastNetConfig
from sensorium_training.fast.train import FastTrainConfig


def test_the_command_makes_a_file_and_its_card(tmp_path: Path) -> None:
    config = FastTrainConfig(steps=3, batch=4, net=FastNetConfig(width=8, hidden=4))
    run, out, plan = tmp_path / "run", tmp_path / "out", Plan(episodes=1, aside=1, rounds=1)
    with progress_bar(shown=False) as bar:
        assert make(run, out, plan, config, bar) <= 1e-4
    assert sorted(path.parent.parent.name for path in run.glob("*/0/*.npz")) == ["aside", "rows"]
    facts = FastPolicy(out).contract.provenance
    assert facts["episodes"] == 1
    assert facts["aside"]["down_without_m"] > 0.0
    assert f"{facts['parameters']:,}" in (out / "card.md").read_text(encoding="utf-8")
