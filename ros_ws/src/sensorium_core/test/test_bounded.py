"""YAML, JSON and files that others wrote: refused beyond their bounds, before memory is spent."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.bounded import (
    MAX_DEPTH,
    MAX_VALUES,
    YAML_BYTES,
    one_line,
    parse_json,
    parse_yaml,
    read_bytes,
    read_text,
    short_repr,
)
from sensorium_core.calibration import load_camera_calibration
from sensorium_core.contract import Contract, tabletop
from sensorium_core.errors import CalibrationError, ContractError

BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
)
"""A kilobyte that stands for ten thousand million values."""
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_data_comes_back(data):
    assert parse_yaml(yaml.safe_dump(data)) == data


@given(st.text(max_size=200))
def test_any_text_is_data_or_a_value_error(text):
    for parse in (parse_yaml, parse_json):
        with suppress(ValueError):
            parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "by the alias"),
        ("&a [*a]", "by the alias"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nests deeper"),
        ("[" * 10_000, "nests deeper"),
        ("[" + "1," * MAX_VALUES + "]", "holds more than"),
        ("x" * (YAML_BYTES + 1), "characters; at most"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
        ("a: 2024-13-45", "is not YAML"),
        ("a: !!bool maybe", "is not YAML"),
        ("? [a]\n: b", "is not YAML"),
        ("a: \x1b[2J", "is not YAML"),
    ],
)
def test_yaml_beyond_its_bounds_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse_yaml(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "x", ""])
def test_json_that_is_none_or_too_deep_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_json_longer_than_its_bound_is_not_parsed():
    with pytest.raises(ValueError, match="at most 10 are read"):
        parse_json("[" + " " * 20 + "]", 10)


def test_no_more_of_a_file_is_read_than_its_bound(tmp_path: Path):
    path = tmp_path / "long"
    path.write_bytes(b"x" * 11)
    assert read_bytes(path, 11) == b"x" * 11
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read_bytes(path, 10)


def test_an_endless_device_is_not_read():
    with pytest.raises(ValueError, match="not a regular file"):
        read_text(Path("/dev/zero"))


def test_a_message_is_one_line_that_steers_no_terminal():
    assert one_line(ValueError("a\n\x1b[2Jb\u202ec")) == "a \\x1b[2Jb\\u202ec"
    assert len(short_repr("x" * 10**7)) <= 80


def test_contract_and_calibration_files_refuse_a_bomb(tmp_path: Path):
    path = tmp_path / "bomb.yaml"
    path.write_text(BOMB)
    with pytest.raises(ContractError, match="by the alias"):
        Contract.load(path)
    with pytest.raises(CalibrationError, match="by the alias"):
        load_camera_calibration(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "x" * 300}, "at most 256 characters"),
        ({"required": ["joints"] * 65}, "at most 64 items"),
        ({"modalities": []}, "unknown senses"),
    ],
)
def test_a_contract_is_bounded(change, words):
    data = {**tabletop().model_dump(mode="json"), **change}
    with pytest.raises(ContractError, match=words):
        Contract.parse(data, "here")


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [1 << 20, 1 << 20]},
        {"shape": [0, 3]},
        {"shape": [-1]},
        {"shape": []},
        {"shape": [5]},
        {"shape": [1 << 40]},
        {"rate_hz": float("inf")},
        {"max_age_s": float("nan")},
        {"window_s": 1e9},
        {"topic": "x" * 1000},
    ],
)
def test_a_modality_is_bounded(change):
    data = tabletop().model_dump(mode="json")
    data["modalities"][0] |= change
    with pytest.raises(ContractError, match="modalities"):
        Contract.parse(data, "here")


def test_two_modalities_of_one_name_are_refused():
    data = tabletop().model_dump(mode="json")
    data["modalities"][1]["name"] = data["modalities"][0]["name"]
    with pytest.raises(ContractError, match="twice"):
        Contract.parse(data, "here")
