"""Lines as they come: nothing blocks, nothing is lost, nothing grows without bound."""

import os

import pytest
from sensorium_drivers.lines import LineReader


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def test_whole_lines_come_and_the_rest_waits(pipe):
    reader = LineReader(pipe[0])
    assert reader.take() == []
    os.write(pipe[1], "pick\n\nprés".encode())
    assert reader.take() == ["pick", ""]
    os.write(pipe[1], b"s\n")
    assert reader.take() == ["préss"]


def test_the_last_line_needs_no_end(pipe):
    reader = LineReader(pipe[0])
    os.write(pipe[1], b"stop")
    os.close(pipe[1])
    assert reader.take() == ["stop"]
    assert reader.ended
    assert reader.take() == []


def test_a_line_without_end_is_cut_and_what_is_no_text_is_marked(tmp_path):
    (tmp_path / "flood").write_bytes(b"\xff" * 1_000_000 + b"\nend\n")
    with (tmp_path / "flood").open("rb", buffering=0) as file:
        reader, longest, lines = LineReader(file.fileno()), 0, []
        while not reader.ended:
            taken = reader.take()
            longest = max([longest, *map(len, taken)])
            lines += taken
    assert longest < 200_000
    assert lines[-1] == "end"
    assert set(lines[0]) == {"\ufffd"}
