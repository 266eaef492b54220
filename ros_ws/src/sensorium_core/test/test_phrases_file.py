"""Files of test phrases: read whole, or refused with the line that is wrong."""

from pathlib import Path

import pytest
from sensorium_core.errors import PhrasesFileError
from sensorium_core.goal import TOUCH_FAMILIES, Goal
from sensorium_core.phrases_file import read_phrases

FREE = Path(__file__).parents[4] / "benchmarks/phrases_free.tsv"


def write(tmp_path, text):
    path = tmp_path / "phrases.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_family_is_read(tmp_path):
    path = write(
        tmp_path,
        "# a comment\n\npick\tred cube\tgrab it\npush\tleft blue cylinder\tshove\n"
        "press\tgreen\thit green\nnone\t-\tdon't\npick\tball\tthe round one\n"
        "insert\tround\tin with it\nhold\tred gently\tpress softly\n"
        "stack\tred cube blue ball\tup\nput\tred cube blue\tin\n",
    )
    phrases = read_phrases(path)
    assert [phrase.goal for phrase in phrases] == [
        Goal("pick", "red", "cube"),
        Goal("push", "blue", "cylinder", "left"),
        Goal("press", "green"),
        None,
        Goal("pick", None, "ball"),
        Goal("insert", quality="round"),
        Goal("hold", "red", manner="gently"),
        Goal("stack", "red", "cube", onto_colour="blue", onto_shape="ball"),
        Goal("put", "red", "cube", onto_colour="blue"),
    ]
    assert [phrase.line for phrase in phrases] == [3, 4, 5, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("pick red cube", r"phrases.tsv:2: 1 column"),
        ("lift\tred cube\tx", r":2: unknown family 'lift'.*pick, push, press, insert.*none"),
        ("insert\tsoft\tx", r":2: target 'soft' of insert; expected <quality>.*round, square"),
        ("hold\tred\tx", r":2: target 'red' of hold; expected <colour> <manner>"),
        ("stack\tred cube blue\tx", r":2: target 'red cube blue' of stack"),
        ("pick\tpink cube\tx", r":2: unknown target 'pink'.*red"),
        ("pick\tred blue\tx", r":2: target names two colours"),
        ("pick\tred cube left\tx", r":2: target 'red cube left' of pick"),
        ("push\tred cube\tx", r":2: target 'red cube' of push; expected a direction"),
        ("push\tleft\tx", r":2: target 'left' of push"),
        ("press\tcube\tx", r":2: target 'cube' of press; expected one colour"),
        ("pick\t\tx", r":2: target '' of pick"),
        ("pick\tred cube\t", r":2: no text"),
        ("none\tred\tx", r":2: target 'red' of none"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, problem):
    with pytest.raises(PhrasesFileError, match=problem):
        read_phrases(write(tmp_path, f"pick\tred\tok\n{line}\n"))


def test_missing_empty_and_binary_files_are_errors(tmp_path):
    with pytest.raises(PhrasesFileError, match="no such file"):
        read_phrases(tmp_path / "absent.tsv")
    with pytest.raises(PhrasesFileError, match="no phrases"):
        read_phrases(write(tmp_path, "# nothing\n"))
    (tmp_path / "latin.tsv").write_bytes(b"pick\tred\tcaf\xe9\n")
    with pytest.raises(PhrasesFileError, match="UTF-8"):
        read_phrases(tmp_path / "latin.tsv")


def test_the_shipped_file_is_well_formed():
    phrases = read_phrases(FREE)
    families = [phrase.goal.family if phrase.goal else "none" for phrase in phrases]
    assert len(phrases) >= 150
    assert min(families.count(name) for name in ("pick", "push", "press", "none")) >= 20
    assert min(families.count(name) for name in TOUCH_FAMILIES) >= 12
