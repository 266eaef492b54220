"""What a run makes: senses that are there, how often they are dead, of how many demonstrations."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from sensorium_core.codebook import SLOTS
from sensorium_core.contract import tabletop, touch
from sensorium_core.errors import GateConfigError, LoaderError, UnknownNameError
from sensorium_core.memory import TOLD_BY
from sensorium_core.onnx_session import open_session
from sensorium_core.policy import Policy, unreadable_policy
from sensorium_recording.episode_table import LoadedEpisode
from sensorium_training.batches import SENSES, Augmentation, Batches
from sensorium_training.card import release
from sensorium_training.commands.recipe_options import recipe_options
from sensorium_training.commands.train import train
from sensorium_training.encoders import Coarse, NetConfig
from sensorium_training.export import example_inputs, export
from sensorium_training.network import PolicyNet
from sensorium_training.part import Part
from sensorium_training.recipe import Recipe
from sensorium_training.stages import as_facts, augmentation, network
from sensorium_training.touch_labels import TOUCH_LABELS
from sensorium_training.train import TrainConfig, Trainer, contract_of, load_network

ROWS = 64
OF = {**{name: (name,) for name in SENSES}, "pads": ("touch_left", "touch_right")}
TOUCH = network(Recipe("touch"))


class Rows:
    """Random rows of nine families, as the loader would give them."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        fields = {m.name: (m.shape, m.dtype) for m in touch().modalities}
        fields |= {"cloud": ((512, 7), "float32"), "tool": ((5,), "float32"), **TOUCH_LABELS}
        self.arrays = {}
        for name, (shape, dtype) in fields.items():
            values = rng.random((ROWS, *shape)) * (255 if dtype == "uint8" else 0.3)
            self.arrays[name] = values.astype(dtype)
        self.arrays["cloud"][..., 6] = 1.0
        self.arrays["valid"] = np.ones((ROWS, 6), dtype=np.float32)
        self.arrays["flags"][..., 0] = 1.0

    def __len__(self) -> int:
        return ROWS

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array[indices] for name, array in self.arrays.items()}

    def field(self, name: str, indices: np.ndarray) -> np.ndarray:
        return self.arrays[name][indices]


class Episodes:
    """A data set of 1,000 episodes of two rows each."""

    def __init__(self, count: int = 1000) -> None:
        self.episodes = [
            LoadedEpisode("bag", f"{i:064x}", 0, 2 * i, 2, "do", "success", "pick")
            for i in range(count)
        ]

    def __len__(self) -> int:
        return 2 * len(self.episodes)

    def episode_of(self, indices: np.ndarray) -> np.ndarray:
        return indices // 2

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        return {"row": indices}


def first_loss(tmp_path: Path, rows: Rows, **settings: object) -> dict[str, float]:
    config = TrainConfig(batch=16, threads=1, device="cpu", net=TOUCH, **settings)  # type: ignore[arg-type]
    return Trainer([rows], [], tmp_path, config)._one_step(0.0)


def test_the_plain_recipe_is_what_was_trained_before_there_was_one() -> None:
    assert network(Recipe()) == NetConfig()
    assert augmentation(Recipe()) == Augmentation() == TrainConfig().augmentation
    assert (Recipe().dead, TrainConfig().dead) == ((), ())
    assert NetConfig(version=2, text_channels=224, neighbours=32, head=640, fusion="film") == TOUCH


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"only": ("smell",)}, UnknownNameError, "smell.*wrench"),
        ({"drop": (("smell", 0.1),)}, UnknownNameError, "smell.*wrench"),
        ({"drop": (("wrench+smell", 0.1),)}, UnknownNameError, "smell.*wrench"),
        ({"drop": (("pads", 1.1),)}, GateConfigError, "drop pads.*from 0 to 1"),
        ({"corrupt": float("nan")}, GateConfigError, "corrupt.*from 0 to 1"),
        ({"share": 0.0}, GateConfigError, "share.*above 0 to 1"),
        ({"contract": "kitchen"}, UnknownNameError, "kitchen.*tabletop"),
    ],
)
def test_what_cannot_be_made_is_refused(settings, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words):
        Recipe(**settings)


def test_senses_not_named_are_dead_and_the_contract_still_requires_what_it_did() -> None:
    recipe = Recipe(only=("wrench", "joints"))
    assert recipe.dead == ("scene_rgb", "cloud", "wrist_rgb", "pads")
    assert contract_of(network(recipe)).required == tabletop().required


@pytest.mark.parametrize("augment", [None, Augmentation()])
@pytest.mark.parametrize("sense", SENSES)
def test_a_dead_sense_is_so_in_every_row_and_nothing_is_remembered_by_it(
    sense: str, augment: Augmentation | None
) -> None:
    others = tuple(other for other in SENSES if other != sense)
    inputs, _ = Batches(Rows(), 0, dead=others).draw(40, augment)
    gone = [SENSES.index(other) for other in others]
    assert int(inputs["valid"][:, gone].sum()) == 0
    if sense != "scene_rgb":
        assert bool((inputs["cloud"][..., 3:6] == 0.5).all())
    told = inputs["memory"]
    if sense != "cloud":
        assert float(told[:, :3].abs().max()) < 0.02
    assert int(told[:, 15:].abs().sum()) == 0
    assert bool((told[:, 5] != 0).any()) == (sense == "wrench")


@pytest.mark.parametrize("sense", ["wrench", "pads", "wrist_rgb"])
def test_what_a_dead_sense_would_have_said_changes_no_loss(sense: str, tmp_path: Path) -> None:
    loud = Rows()
    for name in OF[sense]:
        loud.arrays[name] = loud.arrays[name][::-1].copy()
    losses = [
        first_loss(tmp_path / f"{i}{len(dead)}", rows, dead=dead)
        for dead in ((sense,), ())
        for i, rows in enumerate((Rows(), loud))
    ]
    assert losses[0] == losses[1]
    assert losses[2] != losses[3]


def test_odds_of_one_sense_change_its_flags_and_leave_the_other_draws_as_they_were() -> None:
    usual, _ = Batches(Rows(), 3).draw(200, Augmentation())
    for odds in (0.0, 1.0):
        augment = Augmentation().dropping({"wrench": odds, "pads + wrench": 0.0})
        inputs, _ = Batches(Rows(), 3).draw(200, augment)
        flags = inputs["valid"][:, SENSES.index("wrench")]
        assert int(flags.sum()) == 200 * (1 - odds)
        for name in ("cloud", "text", "scene_rgb"):
            assert torch.equal(inputs[name], usual[name])
    more = Augmentation().dropping({"joints": 0.5})
    assert (*Augmentation().drop, ("joints", 0.5)) == more.drop
    inputs, _ = Batches(Rows(), 3).draw(200, more)
    assert 70 < int(inputs["valid"][:, SENSES.index("joints")].sum()) < 130


def test_senses_in_a_group_die_together_in_whatever_order_they_are_named() -> None:
    never = {sense: 0.0 for sense, _ in Augmentation().drop}
    augment = Augmentation().dropping({**never, "pads+wrench": 0.5})
    assert augment.drop[-1] == ("wrench+pads", 0.5)
    inputs, _ = Batches(Rows(), 3).draw(200, augment)
    flags = inputs["valid"]
    wrench, pads = (flags[:, SENSES.index(sense)] for sense in ("wrench", "pads"))
    assert torch.equal(wrench, pads)
    assert 70 < int(pads.sum()) < 130
    assert int(flags.sum()) == 200 * (len(SENSES) - 2) + 2 * int(pads.sum())


def test_what_died_with_another_is_forgotten_with_it() -> None:
    augment = Augmentation(drop=(("wrench+pads", 0.5),))
    inputs, _ = Batches(Rows(), 0).draw(400, augment)
    dead = inputs["valid"][:, SENSES.index("pads")] < 0.5
    told = [list(TOLD_BY[sense]) for sense in ("wrench", "pads")]
    by_wrench, by_pads = ((inputs["memory"][:, places] == 0).all(1) for places in told)
    assert torch.equal(by_wrench, by_pads)
    assert 0.35 < float(by_pads[dead].float().mean()) < 0.65


def test_a_share_is_fixed_nested_and_about_as_large_as_told() -> None:
    data = Episodes()
    of = {share: {e.sha256 for e in Part(data, share).episodes} for share in (0.1, 0.3, 1.0)}
    assert of[0.1] < of[0.3] < of[1.0]
    assert of[1.0] == {e.sha256 for e in data.episodes}
    assert 70 < len(of[0.1]) < 130
    assert 260 < len(of[0.3]) < 340
    assert of[0.1] == {e.sha256 for e in Part(data, 0.1).episodes}


def test_the_rows_of_a_share_are_those_of_its_episodes_in_order() -> None:
    data = Episodes()
    part = Part(data, 0.2)
    rows = part.batch(np.arange(len(part)))["row"]
    expected = [i for i in range(len(data)) if data.episodes[i // 2] in part.episodes]
    assert rows.tolist() == expected
    assert Part(data, 1.0).batch(np.arange(2000))["row"].tolist() == list(range(2000))


def test_a_share_that_leaves_nothing_is_refused_and_so_is_none() -> None:
    with pytest.raises(LoaderError, match="none of 5 episodes"):
        Part(Episodes(5), 1e-6)
    with pytest.raises(GateConfigError, match="share"):
        Part(Episodes(5), 0.0)
    assert len(Part(Episodes(0), 0.5)) == 0


def asked(demos: Path, run: Path, *options: str) -> Result:
    common = [demos, "--run", run, "--cache", demos.parent / "rows", "--minutes", "0.01",
              "--batch", "8", "--workers", "1", "--device", "cpu"]  # fmt: skip
    return CliRunner().invoke(train, [*map(str, common), *options], catch_exceptions=False)


def test_a_run_notes_its_recipe_and_goes_on_with_no_other(demos: Path, tmp_path: Path) -> None:
    options = ("--dagger", "0", "--only", "scene_rgb, cloud,joints,wrench", "--corrupt", "0.5",
               "--drop", "wrench=0.3", "--share", "0.8", "--blur", "4")  # fmt: skip
    told = asked(demos, tmp_path, *options)
    assert told.exit_code == 0, told.output
    facts = json.loads((tmp_path / "facts.json").read_text())
    recipe = Recipe(
        blur=4.0, corrupt=0.5, drop=(("wrench", 0.3),), share=0.8,
        only=("scene_rgb", "cloud", "joints", "wrench"),
    )  # fmt: skip
    assert facts["recipe"] == as_facts(recipe)
    assert facts["recipe"]["drop"] == {**dict(Augmentation().drop), "wrench": 0.3}
    assert 0 < facts["episodes_learnt_from_demos"] <= facts["episodes_demos"]
    config = json.loads((tmp_path / "first" / "config.json").read_text())
    assert (config["corrupt"], config["dead"]) == (0.5, ["wrist_rgb", "pads"])
    assert config["blur"]["start_px"] == 4.0
    assert asked(demos, tmp_path, *options).exit_code == 0
    with pytest.raises(LoaderError, match=r"began with corrupt 0\.5, now it is 0\.1"):
        asked(demos, tmp_path, *options, "--corrupt", "0.1")
    assert release(tmp_path, tmp_path / "out") <= 1e-4
    card = (tmp_path / "out" / "card.md").read_text()
    assert "| hears these senses alone | scene_rgb, cloud, joints, wrench |" in card
    assert "| share of the demonstrations learnt from | 0.8 |" in card


def test_a_policy_does_not_hear_what_it_was_trained_without(tmp_path: Path) -> None:
    """Neither bytes nor flags of those senses, nor what a memory would hold by them."""
    torch.manual_seed(0)
    net, dead = PolicyNet(TOUCH), ("scene_rgb", "wrist_rgb", "wrench", "pads")
    assert export(net, touch(), tmp_path / "deaf.onnx", dead) <= 1e-4
    assert Policy(tmp_path / "deaf.onnx").unheard == set(dead)
    session = open_session(tmp_path / "deaf.onnx", unreadable_policy).session
    feed = {k: v.numpy() for k, v in example_inputs(touch(), 0, len(SLOTS)).items()}
    loud = {k: v.copy() for k, v in feed.items()}
    for name in (name for sense in dead for name in OF[sense]):
        loud[name] = loud[name][:, ::-1].copy()
    loud["cloud"][..., 3:6] = 0.1
    loud["memory"][:, 4:] += 0.2
    loud["valid"][:, [SENSES.index(sense) for sense in dead]] = 0.0
    here = {i.name for i in session.get_inputs()}
    ours, theirs = (session.run(None, {k: v for k, v in one.items() if k in here})
                    for one in (feed, loud))  # fmt: skip
    assert all(map(np.array_equal, ours, theirs))
    moved = {**loud, "joints": loud["joints"] + 0.1}
    other = session.run(None, {k: v for k, v in moved.items() if k in here})
    assert not all(map(np.array_equal, ours, other))


def test_a_run_from_before_recipes_goes_on_as_it_was_and_not_otherwise(
    demos: Path, tmp_path: Path
) -> None:
    """No senses were dropped together then."""
    as_it_was = ("--dagger", "0", "--drop", "wrench+pads=0", "--deaf", "0")
    assert asked(demos, tmp_path, *as_it_was).exit_code == 0
    facts = json.loads((tmp_path / "facts.json").read_text())
    del facts["recipe"]
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    with pytest.raises(LoaderError, match=r"began with share 1\.0, now it is 0\.8"):
        asked(demos, tmp_path, *as_it_was, "--share", "0.8")
    with pytest.raises(LoaderError, match=r"began with drop \{[^+]*\}, now it is .*wrench\+pads"):
        asked(demos, tmp_path, "--dagger", "0", "--deaf", "0")
    with pytest.raises(LoaderError, match=r"began with deaf 0\.0, now it is 0\.2"):
        asked(demos, tmp_path, *as_it_was[:-2])
    assert asked(demos, tmp_path, *as_it_was).exit_code == 0
    assert "recipe" in json.loads((tmp_path / "facts.json").read_text())


def test_how_often_something_felt_was_drawn_is_known_of_a_run_that_noted_it_in_no_recipe(
    demos: Path, tmp_path: Path
) -> None:
    files = [tmp_path / "facts.json", tmp_path / "first" / "config.json"]
    assert asked(demos, tmp_path, "--dagger", "0").exit_code == 0
    facts, config = (json.loads(file.read_text()) for file in files)
    del facts["recipe"]["felt"]
    for then in (config.pop("felt"), 0.0):
        files[0].write_text(json.dumps(facts))
        with pytest.raises(LoaderError, match=f"began with felt {then}, now it is 0.1"):
            asked(demos, tmp_path, "--dagger", "0", "--felt", "0.1")
        assert asked(demos, tmp_path, "--dagger", "0", "--felt", str(then)).exit_code == 0
        assert json.loads(files[0].read_text())["recipe"]["felt"] == then
        files[1].write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--drop", "wrench"), "SENSE=ODDS"),
        (("--drop", "wrench=often"), "SENSE=ODDS"),
        (("--share", "0"), "--share"),
        (("--corrupt", "2"), "--corrupt"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_done(
    options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    told = asked(tmp_path, tmp_path / "run", *options)
    assert told.exit_code == 2
    assert words in told.output
    assert not (tmp_path / "run").exists()


def test_every_field_of_a_recipe_is_an_option() -> None:
    command = recipe_options(lambda: None)
    names = {option.name for option in command.__click_params__}  # type: ignore[attr-defined]
    assert names == {field.name for field in fields(Recipe)}


def test_a_run_is_coarse_while_it_learns_and_exact_after(tmp_path: Path) -> None:
    rows = Rows()
    config = TrainConfig(
        batch=16, threads=1, device="cpu", net=TOUCH, precision="bfloat16", steps=2
    )
    trainer = Trainer([rows], [rows], tmp_path, config)
    eyes = [m for m in trainer.net.modules() if isinstance(m, Coarse)]
    assert len(eyes) == 3
    assert all(eye.is_coarse for eye in eyes)
    weights = trainer.run(lambda *_: None)
    net = load_network(weights)
    assert not any(m.is_coarse for m in net.modules() if isinstance(m, Coarse))
    assert all(p.dtype == torch.float32 for p in net.parameters())
