"""Masked autoencoding: whole events are hidden, and what is hidden stays hidden."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.errors import ShapeError
from sensorium_training.encoders import WindowEncoder
from sensorium_training.objectives import masking
from sensorium_training.objectives.interface import Batch, SenseShape, Shapes
from sensorium_training.objectives.masked import Masked, MaskedConfig
from torch import nn

SEEDS = st.integers(0, 10**6)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def strengths(seed, rows=6, steps=24):
    """Contacts of every length, some touching the ends of the window."""
    smooth = torch.randn(rows, steps + 4, generator=seeded(seed)).unfold(1, 5, 1).mean(-1)
    return smooth.abs() * 2


def contacts(above):
    """The runs of one row as (first, last), by the plainest loop there is."""
    found, start = [], None
    for i, on in enumerate([*above.tolist(), False]):
        if on and start is None:
            start = i
        if not on and start is not None:
            found.append((start, i - 1))
            start = None
    return found


# Strategies


@given(seed=SEEDS, most=st.sampled_from([0.3, 0.6, 1.0]))
def test_a_hidden_contact_is_hidden_as_a_whole_and_nothing_besides(seed, most):
    strength = strengths(seed)
    hidden = masking.mask_contact(strength, 0.5, most, seeded(seed))
    for row, above in zip(hidden, strength > 0.5, strict=True):
        eligible = [run for run in contacts(above) if run[1] - run[0] + 1 <= most * len(above)]
        assert contacts(row) in ([[run] for run in eligible] or [[]])


def test_every_contact_is_hidden_at_some_time_and_each_as_often():
    strength = torch.zeros(3000, 20)
    strength[:, 2:5] = strength[:, 8:9] = strength[:, 12:19] = 1.0
    hidden = masking.mask_contact(strength, 0.5, 0.6, seeded())
    shares = hidden[:, [3, 8, 15]].float().mean(0)
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), rtol=0, atol=0.03)
    assert torch.all(hidden.any(1))


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_without_a_whole_contact_no_contact_is_hidden(strength):
    assert not masking.mask_contact(torch.full((4, 9), strength), 0.5, 0.8, seeded()).any()


@given(seed=SEEDS, fingers=st.integers(1, 4), each=st.integers(1, 6))
def test_a_hidden_finger_is_hidden_as_a_whole_and_no_other_is(seed, fingers, each):
    hidden = masking.mask_finger(7, fingers * each, fingers, seeded(seed)).unflatten(1, (-1, each))
    assert torch.equal(hidden.all(2), hidden.any(2))
    assert torch.all(hidden.any(2).sum(1) == 1)


def test_every_finger_is_hidden_as_often():
    share = masking.mask_finger(3000, 9, 3, seeded()).float().mean(0)
    torch.testing.assert_close(share, torch.full((9,), 1 / 3), rtol=0, atol=0.03)


@given(seed=SEEDS, steps=st.integers(8, 64), bounds=st.sampled_from([(0.15, 0.6), (0.3, 0.3)]))
def test_a_hidden_span_is_one_run_within_its_bounds_and_never_a_single_sample(seed, steps, bounds):
    least, most = bounds
    for row in masking.mask_span(5, steps, least, most, seeded(seed)):
        ((first, last),) = contacts(row)
        length = last - first + 1
        assert max(2, round(least * steps)) <= length <= max(2, round(least * steps), most * steps)


@given(seed=SEEDS, share=st.floats(0.01, 0.99), patches=st.integers(2, 50))
def test_every_image_hides_the_same_number_of_patches_and_keeps_one(seed, share, patches):
    counts = masking.mask_patches(4, patches, share, seeded(seed)).sum(1)
    assert torch.all(counts == counts[0])
    assert 1 <= int(counts[0]) <= patches - 1
    assert abs(int(counts[0]) - share * patches) <= 1


@given(seed=SEEDS, fingers=st.sampled_from([1, 2]))
def test_a_window_hides_a_contact_a_finger_or_a_span_and_the_same_one_again(seed, fingers):
    window = torch.zeros(8, 24, 6)
    window[..., 2] = strengths(seed, 8)
    drawn = masking.mask_window(window, fingers, 0.5, 0.15, 0.6, seeded(seed))
    again = masking.mask_window(window, fingers, 0.5, 0.15, 0.6, seeded(seed))
    assert torch.equal(drawn.where, again.where)
    assert tuple(drawn.rows) == masking.EVENTS
    assert torch.equal(sum(flags.int() for flags in drawn.rows.values()), torch.ones(8).int())
    for i, row in enumerate(drawn.where):
        in_time = torch.equal(row.all(1), row.any(1)) and len(contacts(row.all(1))) == 1
        grouped = row.unflatten(1, (fingers, -1))
        of_finger = bool(
            (grouped.all(2).all(0).sum() == 1) & (grouped.sum() == row[:, :3].numel())
        )
        assert of_finger if drawn.rows["finger"][i] else in_time
        assert fingers == 2 or not drawn.rows["finger"][i]
        if drawn.rows["contact"][i]:
            assert contacts(row.all(1))[0] in contacts(window[i, :, 2].abs() > 0.5)
        assert 0 < float(row.float().mean()) <= 0.6


def test_all_three_kinds_of_event_are_drawn():
    window = torch.zeros(600, 24, 6)
    window[:, 5:8, 2] = 3.0
    drawn = masking.mask_window(window, 2, 0.5, 0.25, 0.5, seeded())
    hidden = drawn.where
    finger = hidden.all(1).any(1)
    contact = hidden.all(2).sum(1) == 3
    contact &= hidden[:, 5:8].all(2).all(1)
    for event, kind in zip(masking.EVENTS, (contact, finger, ~finger & ~contact), strict=True):
        assert torch.equal(drawn.rows[event], kind)
        assert 0.2 < float(kind.float().mean()) < 0.46


@pytest.mark.parametrize("steps", [16, 32])
def test_of_a_contact_that_lasts_longer_than_the_window_no_contact_is_hidden_and_it_is_told(steps):
    """Touch holds for seconds, and a window is 0.16 s or 0.32 s long."""
    objective, encoder = window_objective(steps)
    press = torch.full((600, steps, 6), 2.0)
    logs = objective(of(press, encoder), seeded()).logs
    assert float(logs["hidden_contact"]) == 0
    assert float(logs["hidden_finger"]) == pytest.approx(1 / 3, abs=0.06)
    press[:, : steps // 2] = 0.0
    logs = objective(of(press, encoder), seeded()).logs
    assert float(logs["hidden_contact"]) == pytest.approx(1 / 3, abs=0.06)
    shares = [float(logs[f"hidden_{event}"]) for event in masking.EVENTS]
    assert sum(shares) == pytest.approx(1)
    empty = of(press, encoder, torch.zeros(600, dtype=torch.bool))
    assert float(objective(empty, seeded()).logs["hidden_span"]) == 0


def test_of_an_image_no_event_is_told():
    objective, encoder = image_objective()
    images = samples_of(objective)
    batch = Batch(
        valid={"scene": torch.ones(5, dtype=torch.bool)}, samples={"scene": images},
        encoders={"scene": encoder},
    )  # fmt: skip
    assert set(objective(batch, seeded()).logs) == {"error", "error_of_zero", "hidden"}


# The objective


class Pixels(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(16 * 16 * 3, 8)

    def forward(self, image):
        return self.project(image.flatten(1) / 255)


def window_objective(steps=24):
    torch.manual_seed(0)
    config = MaskedConfig(sense="pads", fingers=2)
    shapes = Shapes({"pads": SenseShape(16, (steps, 6))})
    return Masked(config, shapes), WindowEncoder(6, 16, 20.0)


def of(pads, encoder, valid=None):
    """A batch of windows."""
    valid = torch.ones(len(pads), dtype=torch.bool) if valid is None else valid
    return Batch(valid={"pads": valid}, samples={"pads": pads}, encoders={"pads": encoder})


def image_objective():
    torch.manual_seed(0)
    config = MaskedConfig(sense="scene", patch=4)
    return Masked(config, Shapes({"scene": SenseShape(8, (16, 16, 3))})), Pixels()


def samples_of(objective, rows=5):
    draw = seeded(3)
    shape = (rows, *objective.sample)
    if objective.is_image:
        return torch.randint(0, 256, shape, generator=draw).to(torch.uint8)
    return torch.randn(shape, generator=draw)


BOTH = pytest.mark.parametrize("make", [window_objective, image_objective])


@BOTH
def test_hidden_bytes_cannot_reach_what_the_encoder_says(make):
    objective, encoder = make()
    sample = samples_of(objective).float()
    hidden = objective.mask(sample, seeded()).where
    said = encoder(objective.hide(sample, hidden))
    for value in (0.0, 1e6, float("nan")):
        other = torch.where(hidden, value, sample)
        assert torch.equal(encoder(objective.hide(other, hidden)), said)


@BOTH
def test_the_loss_looks_at_hidden_entries_only(make):
    """The error is that of the hidden entries, each counted once."""
    objective, encoder = make()
    sample = samples_of(objective)
    seen = {}

    def remember(shown):
        seen["latent"] = encoder(shown)
        return seen["latent"]

    name = objective.config.sense
    batch = Batch(
        valid={name: torch.ones(5, dtype=torch.bool)}, samples={name: sample},
        encoders={name: remember},
    )  # fmt: skip
    loss = objective(batch, seeded(4)).loss
    told = objective.decoder(seen["latent"])
    hidden = objective.mask(sample.float(), seeded(4)).where.expand(sample.shape)
    if objective.is_image:
        blocks = sample.float().unfold(1, 4, 4).unfold(2, 4, 4).permute(0, 1, 2, 4, 5, 3)
        blocks = blocks.reshape(5, 16, 48)
        spread = blocks.std(-1, unbiased=False, keepdim=True) + 4.0
        truth = (blocks - blocks.mean(-1, keepdim=True)) / spread
        hidden = hidden.unfold(1, 4, 4).unfold(2, 4, 4).permute(0, 1, 2, 4, 5, 3)
        hidden = hidden.reshape(5, 16, 48)
    else:
        truth = torch.asinh(sample / 2.0)
    expected = (told - truth)[hidden].square().mean()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    slope = torch.autograd.grad(loss, seen["latent"])[0]
    assert slope.any()


@BOTH
def test_every_hidden_entry_is_asked_for_and_no_other(make):
    """Gradients of the loss by what is told are zero exactly where nothing was hidden."""
    objective, encoder = make()
    name, sample = objective.config.sense, samples_of(objective)
    told = {}

    def keep(_module, _inputs, out):
        out.retain_grad()
        told["out"] = out

    objective.decoder.register_forward_hook(keep)
    batch = Batch(
        valid={name: torch.ones(5, dtype=torch.bool)}, samples={name: sample},
        encoders={name: encoder},
    )  # fmt: skip
    objective(batch, seeded(4)).loss.backward()
    hidden = objective.mask(sample.float(), seeded(4)).where.expand(sample.shape)
    asked = told["out"].grad != 0
    assert int(asked.sum()) == int(hidden.sum())
    if not objective.is_image:
        assert torch.equal(asked, hidden)


def test_what_was_hidden_is_told_from_the_rest():
    """A press on one finger tells how hard the other is pressed."""
    torch.manual_seed(0)
    config = MaskedConfig(sense="pads", fingers=2, threshold_n=0.1, scale_n=1.0)
    objective = Masked(config, Shapes({"pads": SenseShape(16, (24, 6))}))
    encoder = WindowEncoder(6, 16, 2.0)
    parameters = [*objective.parameters(), *encoder.parameters()]
    optimizer = torch.optim.Adam(parameters, 1e-2)

    def batch(seed):
        press = 4 * torch.rand(64, 1, 1, generator=seeded(seed)) - 2
        pads = press.expand(64, 24, 6).clone()
        return Batch(
            valid={"pads": torch.ones(64, dtype=torch.bool)}, samples={"pads": pads},
            encoders={"pads": encoder},
        )  # fmt: skip

    for step in range(150):
        optimizer.zero_grad()
        objective(batch(step), seeded(step)).loss.backward()
        optimizer.step()
    logs = objective(batch(10**6), seeded(10**6)).logs
    assert float(logs["error"]) < 0.2 * float(logs["error_of_zero"])


@pytest.mark.parametrize(
    ("sample", "fingers"), [((24, 6), 4), ((15, 16, 3), 1), ((16, 16, 1), 1), ((5,), 1)]
)
def test_a_sense_that_cannot_be_divided_is_refused(sample, fingers):
    with pytest.raises(ShapeError, match="masked autoencoding of it"):
        Masked(MaskedConfig(sense="it", fingers=fingers), Shapes({"it": SenseShape(8, sample)}))
