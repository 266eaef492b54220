"""From log times that jump to play times that never go back."""

import pytest
from sensorium_recording.bag_reader import RawMessage
from sensorium_recording.messages import STRING
from sensorium_recording.timeline import Timeline

MS = 1_000_000
S = 1000 * MS
EPOCH = 1_700_000_000 * S


def raw(*log_ms, topic="/a"):
    return [
        RawMessage(topic, STRING, EPOCH + round(t * MS), str(i).encode())
        for i, t in enumerate(log_ms)
    ]


def placed(messages, **options):
    return list(Timeline(**options).place(messages))


def test_log_times_that_go_back_a_little_are_sorted():
    found = placed(raw(0, 20, 10, 30, 95, 40, 200))
    assert [i.play_ns // MS for i in found] == [0, 10, 20, 30, 40, 95, 200]
    assert {i.shift_ns for i in found} == {-EPOCH}


def test_equal_log_times_keep_the_order_of_the_bag():
    found = placed(raw(0, 5, 5, 5, 5, 6))
    assert [i.payload for i in found] == [b"0", b"1", b"2", b"3", b"4", b"5"]


def test_a_clock_set_back_plays_on_at_once():
    told = []
    found = placed(raw(0, 10, 20, -5000, -4990, -4980), on_jump=told.append)
    assert [i.play_ns // MS for i in found] == [0, 10, 20, 20, 30, 40]
    assert [i.play_ns - i.shift_ns for i in found[3:]] == [
        EPOCH - 5000 * MS, EPOCH - 4990 * MS, EPOCH - 4980 * MS
    ]  # fmt: skip
    assert told == [-5020 * MS]


def test_a_clock_set_back_and_right_again_is_not_waited_for():
    found = placed(raw(0, 10, -9000, -8990, -8980, 40, 50))
    assert [i.play_ns // MS for i in found] == [0, 10, 10, 20, 30, 40, 50]


@pytest.mark.parametrize("wrong", [-5000, 3.6e6 * 24 * 365, 9000])
def test_one_wrong_log_time_moves_nothing(wrong):
    told = []
    found = placed(raw(0, 10, 20, wrong, 30, 40), on_jump=told.append)
    assert [i.play_ns // MS for i in found] == [0, 10, 20, 20, 30, 40]
    assert len({i.shift_ns for i in found}) == 1
    assert told == []


def test_a_silence_is_kept_but_not_one_of_years():
    assert [i.play_ns // MS for i in placed(raw(0, 10, 8000, 8010))] == [0, 10, 8000, 8010]
    year = 3.6e6 * 24 * 365
    assert [i.play_ns // MS for i in placed(raw(0, 10, year, year + 10))] == [0, 10, 10, 20]


def test_old_latched_messages_come_first_and_do_not_move_the_time():
    old = raw(-3.6e6, -100, topic="/info")
    found = placed([*old, *raw(0, 10), *raw(-3.6e6, topic="/info"), *raw(20)], latched={"/info"})
    assert [(i.topic, i.play_ns // MS) for i in found] == [
        ("/info", 0), ("/info", 0), ("/a", 100), ("/a", 110), ("/info", 110), ("/a", 120),
    ]  # fmt: skip


def test_a_bag_without_times_is_sorted_in_bounded_memory():
    timeline = Timeline()
    big = RawMessage("/a", STRING, EPOCH, bytes(1 << 20))
    most = 0
    for _ in timeline.place(big for _ in range(100)):
        most = max(most, timeline._heap_bytes)
    assert most <= 34 << 20
