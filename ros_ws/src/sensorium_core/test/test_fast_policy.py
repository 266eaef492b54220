"""The fast half on the robot: silent without contact, bounded, and not taken on trust."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from sensorium_core.errors import ContractError, PolicyFileError, ShapeError
from sensorium_core.fast_contract import FastContract
from sensorium_core.fast_policy import FAST_BYTES, FAST_METADATA_KEY, FastPolicy

MODELS = Path(__file__).parents[4] / "models"
RELEASED = MODELS / "fast" / "correction.onnx"


@dataclass(frozen=True)
class Wish:
    press_n: float = 8.0
    yield_: float = 1.0


@dataclass(frozen=True)
class Given:
    wrench: np.ndarray
    intent: Wish = Wish()
    touch: np.ndarray = field(default_factory=lambda: np.zeros((32, 2, 3)))
    joints: np.ndarray = field(default_factory=lambda: np.zeros((32, 14)))


def pressed(force: tuple[float, float, float], wish: Wish | None = None) -> Given:
    """The same force, in the tool frame, in all readings."""
    return Given(np.tile([*force, 0.0, 0.0, 0.0], (32, 1)), wish or Wish())


@pytest.fixture(scope="module")
def policy() -> FastPolicy:
    return FastPolicy(RELEASED)


@given(st.integers(0, 10_000), st.floats(0, 0.25), st.floats(0, 20), st.floats(0, 1))
def test_noise_in_free_space_moves_nothing_at_all(policy, seed, sigma_n, press_n, yield_):
    policy.reset()
    rng = np.random.default_rng(seed)
    for _ in range(5):
        noise = np.clip(sigma_n * rng.normal(size=(32, 6)), -0.79, 0.79)
        assert (policy(Given(noise, Wish(press_n, yield_))) == 0.0).all()


def test_what_was_felt_before_contact_is_forgotten(policy):
    rng = np.random.default_rng(1)
    push = pressed((2.0, 1.0, -5.0))
    policy.reset()
    first = policy(push)
    for _ in range(50):
        policy(pressed((1.0, 0.0, -9.0)))
    policy(Given(0.3 * rng.normal(size=(32, 6))))
    np.testing.assert_array_equal(policy(push), first)


def test_it_reacts_in_the_very_tick_that_feels_contact(policy):
    policy.reset()
    assert (policy(pressed((0.0, 0.0, 0.0))) == 0.0).all()
    wrench = np.zeros((32, 6))
    wrench[-5:, 2] = -30.0
    assert policy(Given(wrench, Wish(8.0)))[2] > 1e-5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, -2e4])
@pytest.mark.parametrize("row", [20, 31])
def test_readings_that_are_no_numbers_move_nothing_and_are_counted(policy, bad, row):
    policy.reset()
    first = policy(pressed((0.0, 0.0, -20.0)))
    wrench = np.tile([0.0, 0.0, -20.0, 0.0, 0.0, 0.0], (32, 1))
    wrench[row, 4] = bad
    before = policy.rejected
    assert (policy(Given(wrench)) == 0.0).all()
    assert (policy(pressed((0.0, 0.0, -20.0), Wish(bad))) == 0.0).all()
    assert policy.rejected == before + 2
    np.testing.assert_array_equal(policy(pressed((0.0, 0.0, -20.0))), first)


@given(
    st.lists(st.tuples(*[st.floats(-900, 900)] * 3), min_size=1, max_size=6),
    st.floats(-100, 100),
    st.floats(-2, 2),
)
def test_it_goes_no_further_than_stated_and_never_the_wrong_way(policy, forces, press_n, yield_):
    policy.reset()
    for force in forces:
        step = policy(pressed(force, Wish(press_n, yield_)))
        assert np.abs(step).max() <= policy.contract.largest_m
        wanted = min(max(press_n, 0.0), policy.contract.largest_press_n)
        assert step[2] * (-force[2] - wanted) >= -1e-15
        assert step[0] * force[0] >= 0.0 >= step[1] * force[1]
        if yield_ <= 0.0:
            assert (step[:2] == 0.0).all()


def test_it_remembers_the_contact(policy):
    def steps() -> list[np.ndarray]:
        policy.reset()
        return [policy(pressed((0.0, 0.0, -3.0 - 0.2 * i))) for i in range(20)]

    first = steps()
    np.testing.assert_array_equal(steps(), first)
    policy.reset()
    alone = policy(pressed((0.0, 0.0, -3.0 - 0.2 * 19)))
    assert abs(alone[2] - first[-1][2]) > 1e-8


def test_fewer_readings_than_agreed_are_an_error(policy):
    with pytest.raises(ShapeError, match=r"wrench: got \(3, 6\), expected \(16, 6\)"):
        policy(Given(np.ones((3, 6))))


def test_the_released_file_is_small_and_says_what_it_is(policy):
    contract = policy.contract
    assert RELEASED.stat().st_size < 200_000
    assert (contract.rate_hz, contract.frame, contract.unit) == (100.0, "tool_yaw", "m")
    assert contract.sense("wrench").period_s == pytest.approx(0.002)
    assert contract.provenance["data_hash"]
    assert contract.provenance["git_commit"]
    assert FastContract.from_json(contract.to_json()) == contract


def contract_json(**changes: object) -> str:
    data = json.loads(FastPolicy(RELEASED).contract.to_json())
    return json.dumps({**data, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"largest_m": 0.5}, {"contact_n": 0.0}, {"contact_samples": 17}, {"rate_hz": float("inf")},
        {"state": 1 << 30}, {"senses": []}, {"frame": "world"}, {"unit": "mm"}, {"more": 1},
    ],
)  # fmt: skip
def test_contracts_beyond_bounds_are_refused_in_words(changes):
    with pytest.raises(ContractError, match="legal top-level keys"):
        FastContract.from_json(contract_json(**changes))


@pytest.mark.parametrize("change", [{"name": "smell"}, {"shape": [16, 7]}, {"shape": [99, 6]}])
def test_senses_that_there_are_not_are_refused(change):
    senses = [{**json.loads(contract_json())["senses"][0], **change}]
    with pytest.raises(ContractError, match=r"wanted|less than"):
        FastContract.from_json(contract_json(senses=senses))


def made(path: Path, correction: np.ndarray, gate: bool, **changes: object) -> Path:
    """A file that answers a constant in contact, or always."""
    n = json.loads(contract_json(**changes))["state"]
    floats = TensorProto.FLOAT
    inputs = [
        helper.make_tensor_value_info(name, floats, shape)
        for name, shape in (("wrench", [1, 16, 6]), ("intent", [1, 2]), ("state", [1, n]))
    ]
    outputs = [
        helper.make_tensor_value_info("correction", floats, list(correction.shape)),
        helper.make_tensor_value_info("next_state", floats, [1, n]),
    ]
    constants = {
        "answer": correction.astype(np.float32), "least": np.float32(1.0), "none": np.float32(0.0)
    }  # fmt: skip
    nodes = [
        helper.make_node("Abs", ["wrench"], ["size"]),
        helper.make_node("ReduceMax", ["size"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "least"], ["open"]),
        helper.make_node("Where", ["open", "answer", "none"], ["correction"])
        if gate
        else helper.make_node("Identity", ["answer"], ["correction"]),
        helper.make_node("Mul", ["state", "none"], ["next_state"]),
    ]
    values = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    entry = model.metadata_props.add()
    entry.key, entry.value = FAST_METADATA_KEY, contract_json(**changes)
    onnx.save(model, path)
    return path


STEP = np.full((1, 3), 1e-4)


def test_an_honest_file_of_others_runs(tmp_path):
    policy = FastPolicy(made(tmp_path / "a.onnx", STEP, gate=True))
    np.testing.assert_allclose(policy(pressed((0.0, 0.0, -5.0))), 1e-4, rtol=1e-6)
    assert (policy(pressed((0.0, 0.0, -0.5))) == 0.0).all()


@pytest.mark.parametrize(
    ("correction", "gate", "words"),
    [
        (STEP, False, "the gate must be in its graph"),
        (STEP * np.nan, False, "the gate must be in its graph|moves by"),
        (10 * STEP, True, r"its contract says at most 0\.0004"),
        (STEP * np.nan, True, r"its contract says at most 0\.0004"),
        (np.full((1, 4), 1e-4), True, r"its contract says tensor\(float\) \[1, 3\]"),
    ],
)
def test_files_that_do_not_keep_their_word_are_refused(tmp_path, correction, gate, words):
    with pytest.raises(PolicyFileError, match=words):
        FastPolicy(made(tmp_path / "a.onnx", correction, gate))


def test_a_state_of_another_size_is_refused(tmp_path):
    path = made(tmp_path / "a.onnx", STEP, gate=True)
    model = onnx.load(path)
    model.metadata_props[0].value = contract_json(state=7)
    onnx.save(model, path)
    with pytest.raises(PolicyFileError, match=r"has (next_)?state of tensor\(float\)"):
        FastPolicy(path)


def test_other_files_are_refused_in_words(tmp_path):
    with pytest.raises(PolicyFileError, match="does not exist"):
        FastPolicy(tmp_path)
    with pytest.raises(PolicyFileError, match="carries no contract of a fast correction"):
        FastPolicy(MODELS / "tabletop" / "policy.onnx")
    (tmp_path / "big.onnx").write_bytes(b"\0" * (FAST_BYTES + 1))
    with pytest.raises(PolicyFileError, match="at most"):
        FastPolicy(tmp_path / "big.onnx")
    for share in (0.0, 0.4, 0.95):
        data = RELEASED.read_bytes()
        (tmp_path / "cut.onnx").write_bytes(data[: int(share * len(data))])
        with pytest.raises(PolicyFileError, match="not a readable ONNX file"):
            FastPolicy(tmp_path / "cut.onnx")


def test_another_hash_than_the_pinned_one_is_refused(tmp_path):
    shutil.copy(RELEASED, tmp_path / "correction.onnx")
    assert FastPolicy(tmp_path, FastPolicy(RELEASED).sha256).contract.state
    with pytest.raises(PolicyFileError, match="pinned is '0000"):
        FastPolicy(tmp_path, "0" * 64)
