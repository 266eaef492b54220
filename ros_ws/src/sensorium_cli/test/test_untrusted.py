"""Launch files, words and other nodes' output: bounded, and unable to steer the terminal."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from sensorium_cli.commands.say import say
from sensorium_cli.console import Console
from sensorium_cli.launch.expression import evaluate
from sensorium_cli.launch.interpreter import interpret
from sensorium_cli.launch.output import Line, Output
from sensorium_core.errors import InstructionError, LaunchFileError, SubstitutionError


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "a.launch.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LaunchFileError) as caught:
        interpret(path, {}, {})
    return str(caught.value)


def test_a_bomb_of_aliases_is_refused(tmp_path):
    assert "alias" in refusal(tmp_path, "launch: &a\n- group: {children: *a}\n")


def test_a_text_that_doubles_is_refused(tmp_path):
    lets = ["- let: {name: a, value: xxxxxxxx}"]
    lets += ["- let: {name: a, value: $(var a)$(var a)}"] * 64
    assert "gives" in refusal(tmp_path, "launch:\n" + "\n".join(lets))


def test_files_that_include_more_and_more_are_refused(tmp_path):
    for at in range(12):
        body = f"- include: {{file: $(dirname)/f{at + 1}.yaml}}\n" * 3
        (tmp_path / f"f{at}.yaml").write_text("launch:\n" + body)
    (tmp_path / "f12.yaml").write_text("launch:\n- log: {message: here}\n")
    assert "files included" in refusal(tmp_path, "launch:\n- include: {file: $(dirname)/f0.yaml}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("- log: {message: " + "$(var " * 40 + "a" + ")" * 40 + "}", "nested deeper"),
        ("- log: {message: '" + "x" * 9000 + "'}", "a text of 9000"),
        ("- log: {message: !!timestamp x}", "no YAML value"),
        ("- log: {message: \x1b[2J}", "not YAML"),
        ("- log: " + "{a: " * 60 + "1" + "}" * 60, "nests deeper"),
        ("- log: {message: a}\n" * 5000, "more than"),
    ],
)
def test_what_goes_beyond_a_bound_is_refused_with_its_place(tmp_path, body, words):
    assert words in refusal(tmp_path, "launch:\n" + body)


@pytest.mark.parametrize(
    "text", ["(" * 400 + ")" * 400, "1+" * 2000 + "1", "'a' * 9", "9**9**9", "[]()"]
)
def test_an_expression_beyond_its_bounds_is_refused(text):
    with pytest.raises(SubstitutionError):
        evaluate(text)


def test_the_output_of_a_process_may_colour_itself_and_nothing_else(capsys):
    Console().show(Line("node", "\x1b[31mred\x1b[2J\x07 \u202eback\t.", is_error=False))
    shown = capsys.readouterr().out
    assert "\\x1b[2J\\x07 \\u202eback" in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a" * 10_000_000, "10000000 characters"),
        ("a\x1b]0;b\x07", "U+001B"),
        ("\u202ea", "U+202E"),
    ],
)
def test_words_that_cannot_be_an_instruction_are_not_said(text, words):
    result = CliRunner().invoke(say, ["--", text])
    assert isinstance(result.exception, InstructionError)
    assert words in str(result.exception)
    assert result.output == ""


def test_a_line_without_end_is_shown_in_pieces_and_not_kept_whole(tmp_path):
    lines: list[Line] = []
    output = Output(tmp_path, lines.append)
    endless = [sys.executable, "-c", "print('x' * 5_000_000, end='')"]
    process = subprocess.Popen(endless, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output.add("node", "screen", (process.stdout, process.stderr))
    process.wait(timeout=60)
    output.close()
    assert sum(len(line.text) for line in lines) == 5_000_000
    assert max(len(line.text) for line in lines) <= 1 << 18
