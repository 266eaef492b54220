"""A launch file that cannot run says where and why, before anything starts."""

import pytest
from sensorium_core.errors import LaunchArgumentError, LaunchFileError

# What is wrong: (launch file, line, column of the caret, words of the message).
WRONG = {
    "unknown action": (
        "launch:\n- nod: {pkg: probe, exec: dump}", 2, 3, "did you mean 'node'?",
    ),
    "unknown key": (
        "launch:\n- node: {pkg: probe, exce: dump}", 2, 22, "did you mean 'exec'?",
    ),
    "key missing": ("launch:\n- node: {pkg: probe}", 2, 3, "lacks 'exec'"),
    "only in ROS": ("launch:\n- timer: {period: 1.0, children: []}", 2, 3, "ros2 launch"),
    "truth value for text": ("launch:\n- log: {message: yes}", 2, 18, "put it in quotes: 'true'"),
    "number for text": ("launch:\n- arg: {name: a, default: 5}", 2, 27, "in quotes: '5'"),
    "whole number for seconds": (
        "launch:\n- executable: {cmd: x, respawn_delay: 1}", 2, 39, "number with a point",
    ),
    "text for truth value": (
        "launch:\n- group: {scoped: 'no', children: []}", 2, 19, "true or false",
    ),
    "if and unless": ("launch:\n- log: {message: x, if: '1', unless: '1'}", 2, 3, "keep one"),
    "condition": ("launch:\n- log: {message: x, if: maybe}", 2, 25, "true, 1, false or 0"),
    "wrong in a group that is off": (
        "launch:\n- group:\n    if: 'false'\n    children:\n    - lgo: {message: x}",
        5, 7, "did you mean 'log'?",
    ),
    "unknown substitution": ("launch:\n- log: {message: 'a $(vra b)'}", 2, 21, "$(var ...)"),
    "substitution not closed": ("launch:\n- log: {message: '$(var b'}", 2, 26, "close it"),
    "substitution without a value": ("launch:\n- log: {message: $(var b)}", 2, 18, "named 'b'"),
    "too many arguments": ("launch:\n- log: {message: $(dirname x)}", 2, 18, "got 1 arguments"),
    "unknown package": ("launch:\n- node: {pkg: prob, exec: dump}", 2, 15, "probe"),
    "unknown executable": ("launch:\n- node: {pkg: probe, exec: dmp}", 2, 28, "it has: dump"),
    "node name": (
        "launch:\n- node: {pkg: probe, exec: dump, name: a-b}", 2, 40, "letters, digits and _",
    ),
    "argument not given": ("launch:\n- arg: {name: a}", 2, 3, "add `a:=value`"),
    "not among the choices": (
        "launch:\n- arg: {name: a, default: z, choice: [{value: x}, {value: y}]}",
        2, 3, "allowed: x, y",
    ),
    "key twice": ("launch:\n- log: {message: x, message: y}", 2, 21, "stands twice"),
    "not a list": ("launch:\n  log: {message: x}", 2, 3, "expected a list"),
    "two actions in one item": ("launch:\n- log: {message: x}\n  let: {}", 2, 3, "one action"),
    "other root": ("lunch:\n- log: {message: x}", 1, 1, "begin it with `launch:`"),
    "empty": ("", 1, 1, "empty"),
    "not YAML": ("launch:\n- log: {message: 'x}", 2, 21, "not YAML"),
    "include missing": ("launch:\n- include: {file: nowhere.yaml}", 2, 19, "no launch file"),
    "mixed list": (
        "launch:\n- node: {pkg: probe, exec: dump, param: [{name: a, value: [1, x]}]}",
        2, 59, "a list of one kind",
    ),
    "parameter without value": (
        "launch:\n- node: {pkg: probe, exec: dump, param: [{name: a}]}", 2, 42, "`value`",
    ),
    "parameter of another type": (
        "launch:\n- node: {pkg: probe, exec: dump, param: [{name: a, value: x, type: int}]}",
        2, 59, "not of type int",
    ),
    "parameter file missing": (
        "launch:\n- node: {pkg: probe, exec: dump, param: [{from: no.yaml}]}",
        2, 49, "no parameter file",
    ),
    "quote not closed": ("launch:\n- executable: {cmd: \"a 'b\"}", 2, 21, "close every quote"),
    "eval of a call": (
        "launch:\n- log: {message: \"$(eval '__import__(1)')\"}", 2, 19, "eval does not take",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_error_points_at_the_place_and_says_what_is_allowed(read, case):
    text, line, column, words = WRONG[case]
    with pytest.raises(LaunchFileError) as caught:
        read(text)
    message = str(caught.value)
    assert f"a.launch.yaml:{line}:{column}: " in message
    assert words in message
    caret = next(row for row in message.splitlines() if row.strip() == "^")
    assert caret.index("^") - 4 == column - 1


def test_unknown_argument_on_the_command_line_names_the_known_ones(read):
    with pytest.raises(LaunchArgumentError, match=r"unknown argument 'b'; its arguments: a"):
        read("launch:\n- arg: {name: a, default: ''}", b="1")


def test_files_that_include_each_other_are_an_error(read):
    with pytest.raises(LaunchFileError, match="include each other"):
        read("launch:\n- include: {file: $(filename)}")
