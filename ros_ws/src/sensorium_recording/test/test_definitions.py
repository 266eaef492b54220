"""Definitions that a foreign bag carries are read as data: none of their text becomes code."""

import pytest
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.typesys import store
from sensorium_recording.definitions import definition_of
from sensorium_recording.typestore import schema_text

MSG, IDL = MessageDefinitionFormat.MSG, MessageDefinitionFormat.IDL
IDL_TEXT = """module a { module msg { struct B { double x; sequence<float> y; }; }; };"""


@pytest.fixture(autouse=True)
def nothing_is_executed(monkeypatch):
    """The `exec` of `rosbags` raises."""

    def refuse(*_: object) -> None:
        raise PermissionError("a bag's text was about to be executed")

    monkeypatch.setattr(store, "exec", refuse, raising=False)


@pytest.mark.parametrize("name", ["sensor_msgs/msg/JointState", "geometry_msgs/msg/WrenchStamped"])
def test_jazzys_own_text_is_recognised(name):
    assert definition_of(name, MessageDefinition(MSG, schema_text(name))) == (None, "", "")


@pytest.mark.parametrize(
    ("name", "carried"),
    [
        ("a/msg/B", MessageDefinition(MSG, "float64 x\nfloat32[] y\n")),
        ("a/msg/B", MessageDefinition(IDL, IDL_TEXT)),
        ("0sensor_msgs/msg/B", MessageDefinition(MSG, "float64 x\n")),
        ("a/msg/class", MessageDefinition(MSG, "string import\nuint8 A=1\n")),
        ("a/msg/B", MessageDefinition(MSG, 'string x "\'); raise SystemExit #"\n')),
    ],
)
def test_types_of_others_are_kept_whatever_python_would_make_of_their_names(name, carried):
    found = definition_of(name, carried)
    assert found.schema
    assert not found.problem


def test_two_definitions_of_one_type_are_a_problem():
    line = "=" * 80 + "\n"
    both = [IDL_TEXT, IDL_TEXT.replace("double", "float")]
    twice = "".join(f"{line}IDL: a/msg/B\n{text}\n" for text in both)
    found = definition_of("a/msg/B", MessageDefinition(IDL, twice))
    assert found.schema is None
    assert "defined twice" in found.problem
