"""`$(...)`: how it is read, what it gives, what it refuses."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_cli.launch.expression import evaluate
from sensorium_cli.launch.functions import check_calls, perform
from sensorium_cli.launch.scope import Scope, join_namespace
from sensorium_cli.launch.substitution import parse_template
from sensorium_core.errors import SubstitutionError


def make(text: str, **variables: str) -> str:
    template = parse_template(text)
    check_calls(template)
    return perform(template, Scope(Path("/d/a.yaml"), dict(variables), {"HOME": "/h"}))


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("plain", "plain"),
        ("", ""),
        ("a $(var x) b", "a 1 b"),
        ("$(var x)$(var y)", "1two words"),
        ("$(var $(var name))", "1"),
        ("$(var none 'a default')", "a default"),
        ("$(var none $(var y))", "two words"),
        (r"\$(var x)", "$(var x)"),
        ("costs 5$ (net)", "costs 5$ (net)"),
        ("$(env HOME)", "/h"),
        ("$(env NONE '')", ""),
        ("$(dirname)/$(filename)", "/d//d/a.yaml"),
        ("$(not true)", "false"),
        ("$(and 1 $(or false yes))", "true"),
        ("$(equals 1.0 1)", "true"),
        ("$(equals a A)", "false"),
        ("$(not-equals $(var y) 'two words')", "false"),
        ("$(if $(equals $(var x) 1) 'it is' no)", "it is"),
        ("$(if false a)", ""),
        ("$(eval '$(var x) * 2 + 0.5')", "2.5"),
        ("$(eval \"'$(var y)' == 'two words'\")", "True"),
    ],
)
def test_text_is_made_as_ros_makes_it(text, made):
    assert make(text, x="1", y="two words", name="x") == made


@given(st.text(alphabet=st.characters(exclude_characters="$\\", exclude_categories=["Cs"])))
def test_text_without_dollar_and_backslash_stays_as_it_is(text):
    assert make(text) == text


@given(st.text())
def test_reading_ends_in_a_template_or_a_named_error(text):
    offset = 0
    try:
        check_calls(parse_template(text))
    except SubstitutionError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("7 // 2 - 7 % 2", "2"),
        ("-sqrt(16)", "-4.0"),
        ("math.floor(2.7)", "2"),
        ("'a' if 2 > 1 > 0 else 'b'", "a"),
        ("'x' in ['x', 'y'] and not 0", "True"),
        ("max(1, int('5'), 3)", "5"),
        ("'a' + str(1)", "a1"),
    ],
)
def test_eval_knows_arithmetic_and_choice(expression, value):
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os')", "().__class__", "open('/etc/passwd')", "[x for x in (1,)]",
        "(lambda: 1)()", "'x' * 10**9", "10 ** 9", "1 / 0", "1 +", "x", "f'{1}'",
        "'{0}'.format(1)",
        "exec('1')", "int(1, base=2)",
    ],
)  # fmt: skip
def test_eval_refuses_everything_else(expression):
    with pytest.raises(SubstitutionError, match="eval"):
        evaluate(expression)


@pytest.mark.parametrize(
    ("base", "relative", "joined"),
    [
        (None, None, None),
        (None, "a", "/a"),
        ("/a", None, "/a"),
        ("/a", "b", "/a/b"),
        ("/a", "/b", "/b"),
        ("/", "b/", "/b"),
        (None, "", "/"),
    ],
)
def test_namespaces_join_as_in_launch_ros(base, relative, joined):
    assert join_namespace(base, relative) == joined
