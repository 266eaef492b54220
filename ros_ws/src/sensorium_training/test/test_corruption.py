"""Corruption does what it says, in units, and drops the flag only where one would know."""

from itertools import pairwise

import pytest
import torch
from sensorium_core.contract import tabletop, touch
from sensorium_core.errors import LoaderError, UnknownNameError
from sensorium_training.corruption.amounts import KINDS, LEVELS, Worst
from sensorium_training.corruption.corruptor import Corruptor, History, Inputs
from sensorium_training.corruption.sampling import corrupt_some
from sensorium_training.export import example_inputs
from torch import Tensor

SENSES = tabletop().senses
OF = {**{name: (name,) for name in SENSES}, "pads": ("touch_left", "touch_right")}
SIZE = 6
EVERY = [(sense, kind) for sense in SENSES for kind in KINDS]


def inputs(seed: int = 0, size: int = SIZE) -> Inputs:
    rows = [example_inputs(tabletop(), 100 * seed + i) for i in range(size)]
    tensors = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    return {**tensors, "valid": torch.ones(size, 6)}


def earlier(seconds: Tensor) -> Inputs:
    return inputs(1, len(seconds))


def spoilt(sense: str, kind: str, level: float | Tensor, worst: Worst | None = None) -> Inputs:
    rng = torch.Generator().manual_seed(4)
    return Corruptor(tabletop(), worst).apply(inputs(), sense, kind, level, rng, earlier)


def same(one: Inputs, other: Inputs, besides: tuple[str, ...] = ()) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one if name not in besides)


@pytest.mark.parametrize(("sense", "kind"), EVERY)
def test_level_0_changes_no_bit_and_level_1_is_blackout(sense: str, kind: str) -> None:
    assert same(spoilt(sense, kind, LEVELS[0]), inputs())
    dead = spoilt(sense, kind, LEVELS[-1])
    assert dead["valid"].sum(0).tolist() == [SIZE * (other != sense) for other in SENSES]
    assert all(int(dead[name].abs().sum()) == 0 for name in OF[sense])
    colours = ("cloud",) if sense == "scene_rgb" else ()
    assert same(dead, inputs(), (*OF[sense], *colours, "valid"))


@pytest.mark.parametrize(("sense", "kind"), EVERY)
def test_what_comes_out_is_finite_and_of_the_shapes_and_types_that_went_in(
    sense: str, kind: str
) -> None:
    before, level = inputs(), torch.linspace(0, 1, SIZE)
    copies = {name: tensor.clone() for name, tensor in before.items()}
    out = Corruptor(tabletop()).apply(
        before, sense, kind, level, torch.Generator().manual_seed(1), earlier
    )
    assert same(before, copies)
    for name, tensor in out.items():
        assert (tensor.shape, tensor.dtype) == (before[name].shape, before[name].dtype)
        assert bool(torch.isfinite(tensor.float()).all())
    assert torch.equal(out["cloud"][..., 6].sort(1, descending=True).values, out["cloud"][..., 6])


FURTHER = [
    (sense, kind)
    for sense in ("wrench", "pads", "joints", "cloud", "wrist_rgb")
    for kind in ("noisy", "biased", "saturated")
    if (sense, kind) != ("wrist_rgb", "biased")
]
"""How far a picture has shifted, its pixels' differences do not tell."""


@pytest.mark.parametrize(("sense", "kind"), FURTHER)
def test_a_higher_level_is_further_from_the_truth(sense: str, kind: str) -> None:
    truth, last = inputs(), -1.0
    for level in LEVELS[:-1]:
        now = spoilt(sense, kind, level)
        if sense == "cloud" and kind == "saturated":
            far = float((truth["cloud"][..., 6] - now["cloud"][..., 6]).sum())
        else:
            far = sum(float((now[n].float() - truth[n].float()).norm()) for n in OF[sense])
        assert far > last if kind != "saturated" else far >= last
        last = far
    assert last > 0


@pytest.mark.parametrize("kind", ["dropped", "stale", "frozen"])
@pytest.mark.parametrize("sense", SENSES)
def test_a_flag_that_fell_at_one_level_stays_down_at_the_higher_ones(
    sense: str, kind: str
) -> None:
    place, flags = SENSES.index(sense), []
    for level in LEVELS:
        flags.append(spoilt(sense, kind, level)["valid"][:, place])
    for lower, higher in pairwise(flags):
        assert bool((higher <= lower).all())


@pytest.mark.parametrize("sense", SENSES)
@pytest.mark.parametrize("kind", ["noisy", "biased", "saturated", "late"])
def test_nobody_knows_of_noise_bias_saturation_and_lateness(sense: str, kind: str) -> None:
    assert bool((spoilt(sense, kind, 0.6)["valid"] == 1).all())


def test_a_bias_of_3_newtons_is_3_newtons_in_the_tensor_in_one_direction() -> None:
    worst = Worst(force_n=10.0, torque_nm=0.5, pad_n=5.0)
    offset = spoilt("wrench", "biased", 0.3, worst)["wrench"] - inputs()["wrench"]
    assert torch.allclose(offset[..., :3].norm(dim=-1), torch.tensor(3.0), atol=1e-4)
    assert torch.allclose(offset[..., 3:].norm(dim=-1), torch.tensor(0.15), atol=1e-5)
    assert torch.allclose(offset, offset[:, :1].expand_as(offset), atol=1e-4)
    pads = spoilt("pads", "biased", 0.4, worst)
    for name in OF["pads"]:
        assert torch.allclose((pads[name] - inputs()[name]).norm(dim=-1), torch.tensor(2.0))


def test_units_of_joints_cloud_and_pictures() -> None:
    worst = Worst(joint_rad=0.05, gripper_m=0.005, joint_rad_s=0.2, point_m=0.03)
    joints = (spoilt("joints", "biased", 0.5, worst)["joints"] - inputs()["joints"]).abs()
    expected = torch.tensor([0.025] * 6 + [0.0025] + [0.1] * 6 + [0.01])
    assert torch.allclose(joints, expected.expand_as(joints), atol=1e-6)
    moved = spoilt("cloud", "biased", 0.5, worst)["cloud"] - inputs()["cloud"]
    there = inputs()["cloud"][..., 6] > 0
    assert torch.allclose(moved[..., :3].norm(dim=-1)[there], torch.tensor(0.015), atol=1e-6)
    assert float(moved[..., :3][~there].abs().sum()) == 0


@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_a_knocked_camera_shifts_the_picture_by_so_many_pixels(level: float) -> None:
    square, worst = inputs(), Worst(shift_px=20.0)
    square["wrist_rgb"] = torch.zeros_like(square["wrist_rgb"])
    square["wrist_rgb"][:, 40:50, 60:70] = 255
    rng = torch.Generator().manual_seed(4)
    knocked = Corruptor(tabletop(), worst).apply(square, "wrist_rgb", "biased", level, rng)
    lit = knocked["wrist_rgb"][..., 0].float() / 255
    down = (lit.sum(2) * torch.arange(96)).sum(1) / 100 - 44.5
    right = (lit.sum(1) * torch.arange(128)).sum(1) / 100 - 64.5
    assert torch.allclose(torch.hypot(down, right), torch.tensor(20.0 * level), atol=0.75)


def test_noise_has_the_standard_deviation_told_and_a_saturated_sensor_ends_at_its_limit() -> None:
    worst = Worst(force_n=10.0, torque_nm=0.5, full_force_n=100.0, saturated_share=0.01)
    noise = spoilt("wrench", "noisy", 0.5, worst)["wrench"] - inputs()["wrench"]
    assert float(noise[..., :3].std()) == pytest.approx(5.0, rel=0.1)
    assert float(noise[..., 3:].std()) == pytest.approx(0.25, rel=0.1)
    strong = {**inputs(), "wrench": inputs()["wrench"] * 1000}
    rng = torch.Generator()
    out = Corruptor(tabletop(), worst).apply(strong, "wrench", "saturated", 0.5, rng)["wrench"]
    assert float(out[..., :3].max()) == pytest.approx(10.0)
    assert float(out[..., :3].min()) == pytest.approx(-10.0)


def test_a_late_window_is_the_window_of_then_and_too_late_is_known() -> None:
    truth, rng, worst = inputs(), torch.Generator(), Worst(late_s=0.2)
    corruptor = Corruptor(tabletop(), worst)
    late = corruptor.apply(truth, "wrench", "late", 0.25, rng)
    assert torch.equal(late["wrench"][:, 5:], truth["wrench"][:, :-5])
    assert torch.equal(late["wrench"][:, :5], truth["wrench"][:, :1].expand(-1, 5, -1))
    assert bool((late["valid"] == 1).all())
    stale = corruptor.apply(truth, "wrench", "stale", 0.25, rng)
    assert torch.equal(stale["wrench"][:, :-5], truth["wrench"][:, :-5])
    assert torch.equal(stale["wrench"][:, -5:], truth["wrench"][:, -6:-5].expand(-1, 5, -1))
    assert bool((stale["valid"] == 1).all())
    much = corruptor.apply(truth, "wrench", "late", 0.9, rng)
    assert torch.equal(much["wrench"][:, 18:], truth["wrench"][:, :-18])
    assert bool((much["valid"] == 1).all())
    too_late = corruptor.apply(truth, "wrench", "stale", 0.51, rng)
    assert too_late["valid"][:, SENSES.index("wrench")].sum() == 0
    held = Corruptor(tabletop(), Worst(frozen_s=1.0)).apply(truth, "wrench", "frozen", 0.1, rng)
    assert torch.equal(held["wrench"][:, :-10], truth["wrench"][:, :-10])
    assert torch.equal(held["wrench"][:, -10:], truth["wrench"][:, -11:-10].expand(-1, 10, -1))
    assert bool((held["valid"] == 1).all())
    stuck = Corruptor(tabletop(), Worst(frozen_s=1.0)).apply(truth, "wrench", "frozen", 0.2, rng)
    assert stuck["valid"][:, SENSES.index("wrench")].sum() == 0


def test_a_late_picture_is_that_of_then_and_rows_alone_do_not_have_it() -> None:
    asked = []

    def then(seconds: Tensor) -> Inputs:
        asked.append(seconds)
        return earlier(seconds)

    corruptor, rng = Corruptor(tabletop(), Worst(late_s=0.5)), torch.Generator()
    for kind, level in (("stale", 0.3), ("late", 0.8)):
        late = corruptor.apply(inputs(), "wrist_rgb", kind, level, rng, then)
        assert torch.equal(late["wrist_rgb"], earlier(torch.ones(SIZE))["wrist_rgb"])
        assert torch.allclose(asked.pop(), torch.full((SIZE,), 0.5 * level))
    for sense in ("wrist_rgb", "cloud", "joints"):
        for kind in ("stale", "late", "frozen"):
            with pytest.raises(LoaderError, match="earlier"):
                Corruptor(tabletop()).apply(inputs(), sense, kind, 0.3, torch.Generator())


def test_rows_of_training_are_late_where_windows_allow() -> None:
    late = [
        {sense for sense, kind in Corruptor(contract).of_rows if kind == "late"}
        for contract in (tabletop(), touch())
    ]
    assert late == [{"wrench", "pads"}, {"wrench", "pads", "joints"}]


def test_a_history_gives_the_step_that_was_then() -> None:
    history = History(1.0)
    steps = [inputs(i, 1) for i in range(5)]
    for i, step in enumerate(steps):
        history.push(0.1 * i, step)
    for seconds, i in ((0.0, 4), (0.1, 3), (0.14, 2), (0.3, 1), (9.0, 0)):
        assert history.earlier(torch.tensor([seconds])) is steps[i]
    history.push(0.0, steps[2])
    assert history.earlier(torch.tensor([0.3])) is steps[2]
    with pytest.raises(LoaderError, match="without steps"):
        History().earlier(torch.tensor([0.1]))


def test_an_invalid_sense_stays_as_it_is_and_a_white_picture_is_known() -> None:
    tensors, rng = inputs(), torch.Generator()
    tensors["valid"][:, SENSES.index("wrench")] = 0.0
    assert same(Corruptor(tabletop()).apply(tensors, "wrench", "noisy", 0.5, rng), tensors)
    tensors["wrist_rgb"] = tensors["wrist_rgb"].clamp(min=100)
    bright = Corruptor(tabletop()).apply(tensors, "wrist_rgb", "saturated", 0.6, rng)
    assert int(bright["valid"][:, SENSES.index("wrist_rgb")].sum()) == 0


def test_without_the_scene_picture_the_cloud_is_grey_as_the_lifter_gives_it() -> None:
    cloud = spoilt("scene_rgb", "dropped", 1.0)["cloud"]
    assert torch.equal(cloud[..., 3:6], 0.5 * cloud[..., 6:].expand(-1, -1, 3))
    assert torch.equal(cloud[..., :3], inputs()["cloud"][..., :3])


@pytest.mark.parametrize(
    ("sense", "kind", "level", "error"),
    [("smell", "noisy", 0.1, UnknownNameError), ("pads", "loud", 0.1, UnknownNameError),
     ("pads", "noisy", 1.1, LoaderError), ("pads", "noisy", float("nan"), LoaderError)],
)  # fmt: skip
def test_what_is_not_there_is_refused(
    sense: str, kind: str, level: float, error: type[Exception]
) -> None:
    with pytest.raises(error):
        spoilt(sense, kind, level)


def test_a_training_batch_is_corrupted_in_its_share_of_rows_one_sense_at_a_time() -> None:
    truth, rng, touched = inputs(0, 32), torch.Generator().manual_seed(0), set()
    for _ in range(12):
        out = corrupt_some(truth, 0.25, Corruptor(tabletop()), rng)
        changed = {name for name in truth if not torch.equal(out[name], truth[name])}
        rows = torch.zeros(32, dtype=torch.bool)
        for name in changed:
            rows |= (out[name] != truth[name]).flatten(1).any(1)
        assert int(rows.sum()) < 20
        touched |= changed
    assert len(touched) > 4
    assert same(corrupt_some(truth, 0.0, Corruptor(tabletop()), rng), truth)
