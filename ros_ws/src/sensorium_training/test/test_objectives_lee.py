"""Lee et al.'s tasks: negatives near in time, contact and motion ahead, flow without labels."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.errors import GateConfigError, ShapeError
from sensorium_training.objectives.compose import Composition, parse
from sensorium_training.objectives.interface import Batch, Future, SenseShape, Shapes
from sensorium_training.objectives.latent_flow import FlowConfig, LatentFlow, photometric, warp
from sensorium_training.objectives.lee import (
    Alignment,
    AlignmentConfig,
    ContactConfig,
    Fusion,
    MotionConfig,
    NextContact,
    NextMotion,
    near_in_time,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def fit(objective, draw_batch, steps, rate=5e-3):
    """Train on fresh batches; the terms of one more that was never trained on."""
    optimizer = torch.optim.Adam(objective.parameters(), rate)
    for step in range(steps):
        optimizer.zero_grad()
        objective(draw_batch(step), seeded(step)).loss.backward()
        optimizer.step()
    with torch.no_grad():
        return objective(draw_batch(10**6), seeded())


# Negatives near in time


@given(
    rows=st.integers(1, 30), episodes=st.integers(1, 4), seed=st.integers(0, 10**6),
    far=st.sampled_from([0.0, 0.3, 1.0]),
)  # fmt: skip
def test_a_negative_is_near_in_time_or_of_another_episode_and_never_the_same_moment(
    rows, episodes, seed, far
):
    draw = seeded(seed)
    episode = torch.randint(episodes, (rows,), generator=draw)
    time_s = 4 * torch.rand(rows, generator=draw)
    other, has, near = near_in_time(episode, time_s, 0.3, 1.5, far, draw)
    apart = (time_s[other] - time_s).abs()
    same = episode[other] == episode
    of_near = has & near
    assert torch.all(same[of_near] & (apart[of_near] >= 0.3) & (apart[of_near] <= 1.5))
    assert not same[has & ~near].any()
    alone = (episode == episode.unsqueeze(1)).all(1)
    gap = (time_s - time_s.unsqueeze(1)).abs()
    lonely = ~((episode == episode.unsqueeze(1)) & (gap >= 0.3) & (gap <= 1.5)).any(1)
    assert torch.equal(~has, alone & lonely)


def test_negatives_near_in_time_are_preferred_unless_far_ones_are_asked_for():
    episode, time_s = torch.arange(200) // 20, torch.arange(200) % 20 * 0.4
    share = [
        float(near_in_time(episode, time_s, 0.3, 2.0, far, seeded())[2].float().mean())
        for far in (0.0, 0.25, 1.0)
    ]
    assert share[0] == 1
    assert share[1] == pytest.approx(0.75, abs=0.1)
    assert share[2] == 0


def aligned_batch(seed):
    """Sight knows the episode and the phase; touch knows the phase alone."""
    draw = seeded(seed)
    episode = torch.arange(64) // 16
    time_s = 8 * torch.rand(64, generator=draw)
    phase = torch.stack([torch.sin(time_s), torch.cos(time_s)], 1)
    place = torch.randn(64, 2, generator=draw)[episode]
    embeddings = {"sight": torch.cat([phase, place], 1), "touch": phase}
    valid = {s: torch.ones(64, dtype=torch.bool) for s in embeddings}
    return Batch(embeddings=embeddings, valid=valid, episode=episode, time_s=time_s)


def test_alignment_learns_to_tell_moments_of_one_episode_apart():
    torch.manual_seed(0)
    shapes = Shapes({"sight": SenseShape(4), "touch": SenseShape(2)})
    config = AlignmentConfig(pair=("sight", "touch"), least_s=1.0, most_s=5.0, width=32)
    objective = Alignment(config, shapes)
    logs = fit(objective, aligned_batch, 150).logs
    assert float(logs["near"]) > 0.6
    assert float(logs["accuracy_near"]) > 0.8
    assert float(logs["accuracy_same"]) > 0.8
    data = aligned_batch(7)
    late = {**data.embeddings, "touch": -data.embeddings["touch"]}  # half a turn late
    late_logs = objective(replace(data, embeddings=late), seeded()).logs
    assert float(late_logs["accuracy_same"]) < 0.3


# Contact and motion ahead


def step_batch(seed, rows=128):
    """A tool at a height that both senses know; the action moves it; below 0 it is blocked."""
    draw = seeded(seed)
    height = torch.rand(rows, 1, generator=draw)
    action = 1.2 * torch.rand(rows, 1, generator=draw) - 1.0
    after = (height + action).clamp(min=0)
    touching = (height + action < 0).float()
    newest = torch.arange(8).reshape(1, 8, 1) >= 4
    force = torch.zeros(rows, 8, 6)
    force[..., 2:3] = -5 * touching.unsqueeze(1) * newest
    embeddings = {"sight": torch.cat([height, height**2], 1), "touch": height}
    valid = {
        "sight": torch.rand(rows, generator=draw) > 0.2,
        "touch": torch.ones(rows, dtype=torch.bool),
    }
    here = torch.ones(rows, dtype=torch.bool)
    future = Future(here, action, after - height, {"touch": force}, {"touch": here})
    return Batch(embeddings, valid, samples={"touch": torch.zeros(rows, 8, 6)}, future=future)


SHAPES = Shapes({"sight": SenseShape(2), "touch": SenseShape(1)}, action=1, motion=1)


def test_a_sense_that_is_missing_is_not_a_sense_that_says_zero():
    torch.manual_seed(0)
    fusion, data, rows = Fusion(("sight", "touch"), SHAPES, 8), step_batch(0, 4), torch.arange(4)
    zero = {**data.embeddings, "sight": torch.zeros(4, 2)}
    latents = [
        fusion(Batch(zero, {**data.valid, "sight": flag}), rows, data.future.action)
        for flag in (torch.ones(4) > 0, torch.zeros(4) > 0)
    ]
    assert float((latents[0] - latents[1]).detach().abs().amax(1).min()) > 1e-3


def test_next_contact_is_told_from_the_action_better_than_by_persistence():
    torch.manual_seed(0)
    config = ContactConfig(senses=("sight", "touch"), touch="touch", newest=4, width=32)
    logs = fit(NextContact(config, SHAPES), step_batch, 150).logs
    assert 0.2 < float(logs["contact"]) < 0.8
    assert float(logs["accuracy"]) > 0.9
    share = float(logs["contact"])
    assert float(logs["accuracy_of_persistence"]) == pytest.approx(1 - share)


def test_contact_is_read_from_the_newest_samples_of_any_finger():
    config = ContactConfig(senses=("touch",), touch="touch", fingers=2, newest=4, threshold_n=0.5)
    force = torch.zeros(3, 8, 6)
    force[1, 2] = 9.0  # long ago
    force[2, 6, 5] = 0.6  # the second finger, just now
    data = step_batch(0, rows=3)
    future = Future(
        data.future.there, data.future.action, data.future.motion, {"touch": force},
        data.future.valid,
    )  # fmt: skip
    data = Batch(data.embeddings, data.valid, samples=data.samples, future=future)
    torch.manual_seed(0)
    logs = NextContact(config, SHAPES)(data, seeded()).logs
    assert float(logs["contact"]) == pytest.approx(1 / 3)


def test_next_motion_is_told_better_than_by_stillness():
    torch.manual_seed(0)
    config = MotionConfig(senses=("sight", "touch"), scale=(0.1,), width=32)
    logs = fit(NextMotion(config, SHAPES), step_batch, 200).logs
    assert float(logs["error"]) < 0.1 * float(logs["error_of_stillness"])


@pytest.mark.parametrize("scale", [[0.01], [0.01] * 3, [0.01] * 5])
def test_a_motion_of_four_numbers_has_four_scales(scale):
    config = {"m": {"objective": "motion", "senses": ["sight"], "scale": scale}}
    shapes = Shapes(SHAPES.senses, action=1, motion=4)
    with pytest.raises(GateConfigError, match=rf"scale = \({scale[0]}.*4 numbers above 0"):
        Composition(config, shapes)
    objective = Composition({"m": {**config["m"], "scale": [0.01] * 4}}, shapes).parts[0]
    assert objective.tell.out_features == 4


@pytest.mark.parametrize("odd", [0.0, -0.1, float("inf"), float("nan")])
def test_a_scale_is_finite_and_above_0(odd):
    config = {"objective": "motion", "senses": ["sight"], "scale": [0.1, odd]}
    with pytest.raises(GateConfigError, match=r"'m' \(motion\) setting scale\.1 = .*expected"):
        parse({"m": config})


def test_the_end_of_an_episode_teaches_nothing():
    torch.manual_seed(0)
    data = step_batch(0)
    future = data.future
    over = Future(
        torch.zeros_like(future.there), future.action, future.motion, future.samples, future.valid
    )
    data = Batch(data.embeddings, data.valid, samples=data.samples, future=over)
    for objective in (
        NextContact(ContactConfig(senses=("sight",), touch="touch"), SHAPES),
        NextMotion(MotionConfig(senses=("sight",), scale=(1.0,)), SHAPES),
    ):
        terms = objective(data, seeded())
        assert float(terms.loss.detach()) == float(terms.logs["rows"]) == 0


def test_an_objective_that_needs_the_next_step_says_so():
    objective = NextMotion(MotionConfig(senses=("sight",), scale=(1.0,)), SHAPES)
    data = step_batch(0)
    with pytest.raises(ShapeError, match="future"):
        objective(Batch(data.embeddings, data.valid), seeded())


# Flow


def texture(rows, seed, edge=32):
    """Smooth random images `(rows, 3, edge, edge)` in 0..1."""
    noise = torch.rand(rows, 3, edge // 4 + 2, edge // 4 + 2, generator=seeded(seed))
    return torch.nn.functional.interpolate(noise, (edge, edge), mode="bicubic").clamp(0, 1)


def test_no_flow_is_the_identity():
    image = texture(2, 0)
    moved, inside = warp(image, torch.zeros(2, 2, 32, 32))
    torch.testing.assert_close(moved, image, rtol=0, atol=1e-5)
    assert inside.all()


@given(dx=st.integers(-5, 5), dy=st.integers(-5, 5))
def test_a_flow_of_whole_pixels_moves_the_image_and_knows_its_border(dx, dy):
    image = texture(1, 1)
    flow = torch.tensor([float(dx), float(dy)]).reshape(1, 2, 1, 1).expand(1, 2, 32, 32)
    moved, inside = warp(image, flow)
    expected = image.roll((-dy, -dx), (2, 3))
    assert int(inside.sum()) == (32 - abs(dx)) * (32 - abs(dy))
    gap = (moved - expected).abs() * inside
    assert float(gap.max()) < 1e-4


def test_the_true_flow_costs_nothing_and_any_other_something():
    now = texture(2, 2)
    later = now.roll((-2, 3), (2, 3))
    flow = torch.tensor([-3.0, 2.0]).reshape(1, 2, 1, 1).expand(2, 2, 32, 32)
    assert float(photometric(now, later, flow).max()) < 1e-4
    assert float(photometric(now, later, flow + 1).min()) > 0.005
    assert float(photometric(now, later, torch.zeros_like(flow)).min()) > 0.005


def test_gradients_of_the_photometric_error_agree_with_finite_differences():
    now, later = texture(1, 3, 8).double(), texture(1, 4, 8).double()
    flow = (0.3 + 0.1 * torch.rand(1, 2, 8, 8, generator=seeded())).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda f: photometric(now, later, f), (flow,))


def moving_batch(seed, rows=24):
    """A camera that the action pans by up to two compared pixels, over textures."""
    draw = seeded(seed)
    pan = torch.randint(-2, 3, (rows,), generator=draw)
    wide = texture(rows, seed, 32)
    now = 255 * wide.permute(0, 2, 3, 1)
    later = torch.stack([image.roll(int(-dx), 1) for image, dx in zip(now, pan, strict=True)])
    here = torch.ones(rows, dtype=torch.bool)
    future = Future(
        here, pan.unsqueeze(1) / 2, torch.zeros(rows, 1), {"scene": later}, {"scene": here}
    )
    return Batch(
        {"scene": torch.zeros(rows, 2)}, {"scene": here}, samples={"scene": now}, future=future
    )


def test_flow_learns_which_way_the_action_moves_the_image_without_labels():
    torch.manual_seed(0)
    shapes = Shapes({"scene": SenseShape(2, (32, 32, 3))}, action=1)
    config = FlowConfig(image="scene", senses=("scene",), stride=1, cell=8, reach_px=4.0)
    objective = LatentFlow(config, shapes)
    logs = fit(objective, moving_batch, 120).logs
    assert float(logs["error"]) < 0.5 * float(logs["error_of_stillness"])
    action = torch.tensor([[-1.0], [0.0], [1.0]])
    with torch.no_grad():
        flow = objective.coarse_flow(moving_batch(5), torch.arange(3), action).mean((2, 3))
    torch.testing.assert_close(flow[:, 0], torch.tensor([-2.0, 0.0, 2.0]), rtol=0, atol=0.5)
    torch.testing.assert_close(flow[:, 1], torch.zeros(3), rtol=0, atol=0.5)


def test_an_image_that_does_not_divide_into_cells_is_refused():
    shapes = Shapes({"scene": SenseShape(2, (30, 32, 3))}, action=1)
    with pytest.raises(ShapeError, match="multiples of stride x cell = 16"):
        LatentFlow(FlowConfig(image="scene", senses=("scene",)), shapes)
