"""The fast head: its gate, its memory, its file, and that it learns what it is shown."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sensorium_core.errors import LoaderError, ParityError, WeightsError
from sensorium_core.fast_policy import OUTPUTS, FastPolicy
from sensorium_core.onnx_session import open_session
from sensorium_core.policy import unreadable_policy
from sensorium_training.fast import export as fast_export
from sensorium_training.fast.export import contact_sequence, export_fast, fast_parity
from sensorium_training.fast.network import FastNet, FastNetConfig, gru_cell
from sensorium_training.fast.runs import Run, batch_of
from sensorium_training.fast.train import (
    FastTrainConfig,
    FastTrainer,
    errors_m,
    imitation_loss,
    load_fast_net,
)

CONFIG = FastNetConfig(width=16, hidden=8)
RELEASED = Path(__file__).parents[4] / "models" / "fast" / "correction.onnx"


@pytest.fixture(scope="module")
def net() -> FastNet:
    torch.manual_seed(0)
    return FastNet(CONFIG).eval()


@pytest.fixture(scope="module")
def file(net: FastNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fast") / "correction.onnx"
    assert export_fast(net, path, {"seed": 0}) <= 1e-4
    return path


def contact(n: int, seed: int) -> Run:
    """A contact of `n` ticks whose labels are damping control on a soft spring."""
    rng = np.random.default_rng(seed)
    press = rng.uniform(2.0, 20.0) + np.cumsum(rng.normal(size=n)) * 0.3
    wrench = np.zeros((n, CONFIG.window, 6), np.float32)
    wrench[:, :, 2] = -press[:, None]
    wish = rng.uniform(0.0, 15.0)
    label = np.zeros((n, 3), np.float32)
    label[:, 2] = 2e-5 * (press - wish)
    intent = np.tile(np.float32([wish, 0.0]), (n, 1))
    return Run(wrench, intent, np.zeros((n, 3), np.float32), label)


def runs() -> list[Run]:
    return [contact(5 + 3 * i, i) for i in range(12)]


@given(st.integers(0, 1000), st.floats(0.0, 0.79), st.floats(-5, 30), st.floats(-1, 2))
@settings(max_examples=40)
def test_the_gate_is_in_the_graph(file, seed, most_n, press_n, yield_):
    """The bare session, whatever its memory, answers exactly 0 and forgets."""
    session = open_session(file, unreadable_policy).session
    rng = np.random.default_rng(seed)
    wrench = rng.uniform(-60.0, 60.0, (1, CONFIG.window, 6))
    wrench[:, -CONFIG.contact_samples :, :3] = rng.uniform(-most_n, most_n, (5, 3))
    feed = {
        "wrench": wrench.astype(np.float32),
        "intent": np.float32([[press_n, yield_]]),
        "state": rng.normal(size=(1, CONFIG.state)).astype(np.float32),
    }
    for answer in session.run(list(OUTPUTS), feed):
        assert (answer == 0.0).all()


@pytest.mark.parametrize("name", ["wrench", "intent", "state"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_the_graph_keeps_out_what_is_no_number(file, name, bad):
    session = open_session(file, unreadable_policy).session
    wrench = np.tile(np.float32([0, 0, -30, 0, 0, 0]), (1, CONFIG.window, 1))
    feed = {"wrench": wrench, "intent": np.float32([[8.0, 1.0]])}
    feed["state"] = np.zeros((1, CONFIG.state), np.float32)
    good, remembered = session.run(list(OUTPUTS), feed)
    assert good[0, 2] > 0.0
    assert remembered.any()
    feed[name].flat[1] = bad
    answer, kept = session.run(list(OUTPUTS), feed)
    if name == "state":
        np.testing.assert_array_equal(answer, good)
    else:
        assert (answer == 0.0).all()
        assert (kept == 0.0).all()


def test_the_file_computes_what_torch_computes_over_sequences(net, file):
    assert fast_parity(net, file) <= 1e-4
    windows, intents = contact_sequence(CONFIG, 0)
    with torch.no_grad():
        state, opened = torch.zeros(1, CONFIG.state), []
        for wrench, intent in zip(windows, intents, strict=True):
            step, state = net(torch.from_numpy(wrench), torch.from_numpy(intent), state)
            opened.append(bool(step.any()))
    assert 20 < sum(opened) < len(opened), "parity must see contact begin and end"


def test_a_file_that_differs_from_torch_is_not_written(net, tmp_path, monkeypatch):
    monkeypatch.setattr(fast_export, "fast_parity", lambda net, path: 2e-4)
    with pytest.raises(ParityError):
        export_fast(net, tmp_path / "a.onnx", {})
    assert list(tmp_path.iterdir()) == []


def test_the_gru_of_plain_operators_is_torch_s(net):
    rng = torch.Generator().manual_seed(1)
    seen = torch.randn(2, 9, CONFIG.width, generator=rng)
    hidden = torch.zeros(2, CONFIG.hidden)
    whole, _ = net.memory(seen)
    for tick in range(9):
        hidden = gru_cell(net.memory, seen[:, tick], hidden)
        torch.testing.assert_close(hidden, whole[:, tick])


def test_training_and_the_robot_see_one_network(net):
    """`unroll` over a contact is `forward` tick by tick, its own corrections being executed."""
    run = contact(30, 3)
    state, steps = torch.zeros(1, CONFIG.state), []
    for wrench, intent in zip(run.wrench, run.intent, strict=True):
        step, state = net(torch.from_numpy(wrench[None]), torch.from_numpy(intent[None]), state)
        steps.append(step)
    own = torch.cat([torch.zeros(1, 3), *steps[:-1]])[None]
    whole = net.unroll(torch.from_numpy(run.wrench)[None], torch.from_numpy(run.intent)[None], own)
    torch.testing.assert_close(whole[0], torch.cat(steps), atol=1e-9, rtol=1e-4)


def test_every_parameter_gets_a_gradient_and_changes(tmp_path):
    trainer = FastTrainer(runs(), tmp_path, FastTrainConfig(steps=1, net=CONFIG))
    before = {k: v.detach().clone() for k, v in trainer.net.named_parameters()}
    trainer.run(lambda *_: None)
    for name, parameter in trainer.net.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name
        assert not torch.equal(parameter, before[name]), name


def small(**changes: int) -> FastTrainConfig:
    return FastTrainConfig(
        **{"steps": 12, "batch": 6, "checkpoint_steps": 4, "net": CONFIG} | changes
    )


def test_it_learns_and_resumes_to_the_same_bytes(tmp_path):
    def stopping_at(last: int):
        def progress(step: int, steps: int, loss: float) -> None:
            if step == last:
                raise KeyboardInterrupt

        return progress

    whole = FastTrainer(runs(), tmp_path / "whole", small()).run(lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        FastTrainer(runs(), tmp_path / "cut", small()).run(stopping_at(9))
    resumed = FastTrainer(runs(), tmp_path / "cut", small())
    assert resumed.step == 8
    assert resumed.run(lambda *_: None).read_bytes() == whole.read_bytes()
    with pytest.raises(LoaderError, match="name another run"):
        FastTrainer(runs(), tmp_path / "cut", small(batch=7))


def test_weights_of_another_version_of_the_head_are_refused(tmp_path):
    run = FastTrainer(runs(), tmp_path / "run", small(steps=2))
    weights = run.run(lambda *_: None)
    names = load_file(weights)
    first = sorted(names)[0]
    told = {"config": json.dumps(run.config.net.to_dict())}
    save_file({k: v for k, v in names.items() if k != first}, weights, metadata=told)
    with pytest.raises(WeightsError, match=f"{first} is missing, here"):
        load_fast_net(weights)
    with pytest.raises(WeightsError, match=f"{first} is missing, here"):
        FastTrainer(runs(), tmp_path / "other", small()).begin_with(weights)


def test_it_learns_damping_control(tmp_path):
    losses: list[float] = []
    config = small(steps=150, batch=6)
    weights = FastTrainer(runs(), tmp_path, config).run(lambda *given: losses.append(given[2]))
    assert np.mean(losses[-10:]) < 0.25 * np.mean(losses[:10])
    errors = errors_m(load_fast_net(weights), runs())
    assert errors["down_m"] < 0.3 * errors["down_without_m"]


def test_what_is_padded_counts_for_nothing():
    batch = batch_of([contact(4, 0), contact(9, 1)], longest=8)
    assert batch.there.sum(1).tolist() == [4.0, 8.0]
    step = torch.zeros_like(batch.label)
    expected = imitation_loss(step, batch)
    step[0, 4:] = 7.0
    assert imitation_loss(step, batch) == expected


def test_a_longer_memory_of_nothing_changes_nothing(file):
    """Ticks without contact in between leave exactly what a fresh episode has."""
    policy = FastPolicy(file)
    windows, intents = contact_sequence(CONFIG, 4)

    class Given:
        def __init__(self, wrench: np.ndarray, intent: np.ndarray) -> None:
            self.wrench, self.touch, self.joints = wrench, np.zeros(0), np.zeros(0)
            self.intent = self
            self.press_n, self.yield_ = map(float, intent)

    given = [Given(w[0].astype(float), i[0]) for w, i in zip(windows, intents, strict=True)]
    steps = [policy(each) for each in given]
    shut = [i for i, step in enumerate(steps) if not step.any()]
    gaps = [i for i, j in itertools.pairwise(shut) if j != i + 1]
    assert gaps
    policy.reset()
    for i in range(gaps[0] + 1, len(given)):
        np.testing.assert_array_equal(policy(given[i]), steps[i])
