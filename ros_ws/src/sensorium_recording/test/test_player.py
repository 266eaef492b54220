"""The pace of playing, with a clock that only sleep moves, and the times of a bag's messages."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sensorium_core.errors import BagError, PlayerConfigError, UnknownNameError
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter, Split
from sensorium_recording.messages import STRING, encode_string
from sensorium_recording.play_list import PlayerConfig, PlayList, choose_topics, frame_topic
from sensorium_recording.player import Outlets, Player
from sensorium_recording.read_ahead import ReadAhead
from sensorium_recording.timeline import Item
from sensorium_recording.timing_errors import TimingErrors

MS = 1_000_000
S = 1000 * MS
EPOCH = 1_700_000_000 * S
TICK = 5 * MS


class ListSource:
    """Items that are all there."""

    def __init__(self, items):
        self._items = list(items)

    @property
    def ended(self):
        return not self._items

    def peek(self):
        return self._items[0] if self._items else None

    def take(self):
        return self._items.pop(0)


class Stage:
    """A player on a clock of its own; keeps what it published and told, and when."""

    def __init__(self, items, publish_ns=0, **options):
        self.now_ns = 7 * S
        self.published, self.ticks, self.said = [], [], []
        self.publish_ns = publish_ns
        self.at = {}
        outlets = Outlets(self._publish, self._tick, self.said.append)
        self.player = Player(
            ListSource(items), outlets, now=lambda: self.now_ns, sleep=self._sleep,
            tick_ns=TICK, **options,
        )  # fmt: skip

    def _publish(self, topic, payload):
        self.published.append((self.now_ns - 7 * S, topic, payload))
        self.now_ns += self.publish_ns

    def _tick(self, clock_ns):
        self.ticks.append((self.now_ns - 7 * S, clock_ns))

    def _sleep(self, seconds):
        assert 0 <= seconds <= TICK / S
        self.now_ns += max(round(seconds * S), 1)
        for when_ns in [t for t in self.at if t <= self.now_ns - 7 * S]:
            self.at.pop(when_ns)()

    def run(self):
        self.player.run()
        return [when for when, _, _ in self.published]


def items(*play_ms, topic="/a", shift_ns=-EPOCH):
    return [Item(round(t * MS), shift_ns, topic, str(t).encode()) for t in play_ms]


@pytest.mark.parametrize("rate", [0.25, 1.0, 3.0, 50.0])
def test_messages_come_at_their_spacing_divided_by_the_rate(rate):
    times = [0, 2, 2, 40, 41.5, 900]
    when = Stage(items(*times), rate=rate).run()
    assert when == pytest.approx([t * MS / rate for t in times], abs=10)


def test_clock_ticks_at_its_rate_and_never_runs_ahead_of_a_message_or_back():
    stage = Stage(items(0, 100, 1000))
    stage.run()
    clocks = [clock for _, clock in stage.ticks]
    assert clocks == sorted(clocks)
    assert (clocks[0], clocks[-1] <= EPOCH + S) == (EPOCH, True)
    gaps = [b - a for (a, _), (b, _) in pairwise(stage.ticks)]
    assert max(gaps) <= TICK + 10
    assert all(abs(clock - EPOCH - when) <= 10 for when, clock in stage.ticks)


def test_late_messages_are_published_in_order_and_none_is_dropped():
    stage = Stage(items(*range(0, 1000, 10)), publish_ns=0)
    stall = iter([500 * MS])
    publish = stage.player._outlets.publish

    def slow(topic, payload):
        publish(topic, payload)
        if payload == b"100":
            stage.now_ns += next(stall)

    stage.player._outlets = Outlets(slow, stage._tick, stage.said.append)
    when = stage.run()
    assert [payload for _, _, payload in stage.published] == [
        str(t).encode() for t in range(0, 1000, 10)
    ]
    assert when[11:61] == [600 * MS] * 50
    assert when[61:] == pytest.approx([t * MS for t in range(610, 1000, 10)], abs=10)
    assert len(stage.said) == 2
    assert "0.490 s late" in stage.said[0]
    assert "on time again" in stage.said[1]
    assert stage.player.errors.largest_ns == pytest.approx(490 * MS, abs=10)


def test_pause_holds_messages_and_clock_and_resume_goes_on_from_there():
    stage = Stage(items(0, 100, 200))
    stage.at = {
        50 * MS: lambda: stage.player.pause(True),
        550 * MS: lambda: stage.player.pause(False),
    }
    when = stage.run()
    assert when == pytest.approx([0, 600 * MS, 700 * MS], abs=2 * TICK)
    held = {clock for t, clock in stage.ticks if 60 * MS < t < 540 * MS}
    assert len(held) == 1
    assert sum(60 * MS < t < 540 * MS for t, _ in stage.ticks) > 90


def test_a_step_plays_up_to_the_next_frame_at_once():
    frames = items(5, 10, 15, topic="/image")
    stage = Stage(
        sorted(items(*range(16)) + frames, key=lambda i: i.play_ns),
        paused=True, frame_topic="/image",
    )  # fmt: skip
    seen = []

    def step():
        seen.append(len(stage.published))
        assert stage.player.step()

    stage.at = {t * S: step for t in (1, 2, 3)}
    stage.run()
    assert seen == [0, 7, 13]
    assert [payload for _, topic, payload in stage.published if topic == "/image"] == [
        b"5", b"10", b"15"
    ]  # fmt: skip
    assert stage.player.errors.count == 0
    assert (EPOCH + 5 * MS) in [clock for _, clock in stage.ticks]


def test_every_message_is_a_step_where_there_are_no_frames():
    stage = Stage(items(0, 1, 2), paused=True)
    stage.at = {t * S: lambda: stage.player.step() for t in (1, 2, 3)}
    assert stage.run() == pytest.approx([S, 2 * S, 3 * S], abs=2 * TICK)


def test_only_a_paused_player_steps():
    assert not Stage(items(0)).player.step()


def test_rate_changes_while_playing():
    stage = Stage(items(0, 100, 200, 300))
    stage.at = {100 * MS + 1: lambda: stage.player.set_rate(4.0)}
    when = stage.run()
    assert when == pytest.approx([0, 100 * MS, 125 * MS, 150 * MS], abs=2 * TICK)


def test_clock_jumps_with_the_first_message_of_another_time():
    again = items(100, 110, shift_ns=100 * MS - EPOCH)
    stage = Stage(items(0, 95) + again)
    stage.run()
    jump = next(i for i, (_, clock) in enumerate(stage.ticks[1:]) if clock < stage.ticks[i][1])
    assert stage.ticks[jump + 1] == pytest.approx((100 * MS, EPOCH), abs=20)


def test_stop_ends_a_paused_player():
    stage = Stage(items(0), paused=True)
    stage.at = {S: stage.player.stop}
    assert stage.run() == []


def test_time_begins_when_the_first_message_is_read():
    stage = Stage(items(0, 100))
    source = stage.player._source
    peek = source.peek
    source.peek = lambda: peek() if stage.now_ns > 12 * S else None
    when = stage.run()
    assert when == pytest.approx([5 * S, 5 * S + 100 * MS], abs=MS)
    assert stage.ticks[0][1] == EPOCH
    assert stage.said == []


def test_status_tells_position_rate_and_errors():
    stage = Stage(items(0, 100, 250), start_s=3.0, rate=2.0)
    stage.run()
    status = stage.player.status()
    assert (status.name, status.level, status.message) == ("player", 0, "playing")
    assert status.values["position_s"] == "3.250"
    assert status.values["rate"] == "2"
    assert status.values["messages"] == "3"
    assert float(status.values["error_p99_ms"]) < 0.1


def bag(path, *messages, latched=()):
    with BagWriter(path) as writer:
        for name in latched:
            writer.add_topic(name, STRING, latched=True)
        for topic, t_ms in messages:
            text = encode_string(f"{topic} {t_ms}")
            writer.write(topic, STRING, EPOCH + round(t_ms * MS), text)
    return BagReader(path)


def play_list(reader, start_s=0.0, loop=False):
    return PlayList(reader, reader.channels(), start_s, loop, lambda text: None)


def test_start_leaves_out_what_is_before_but_keeps_what_is_latched(tmp_path):
    reader = bag(
        tmp_path / "b", ("/info", 0), *(("/a", t) for t in range(0, 3000, 100)), latched=["/info"]
    )
    found = list(play_list(reader, start_s=2.05))
    assert [(i.topic, i.play_ns // MS) for i in found[:3]] == [
        ("/info", 0), ("/a", 50), ("/a", 150)
    ]  # fmt: skip
    assert found[1].play_ns - found[1].shift_ns == EPOCH + 2100 * MS
    assert len(found) == 10


def test_start_beyond_the_end_is_an_error_that_tells_the_length(tmp_path):
    reader = bag(tmp_path / "b", ("/info", 0), ("/a", 0), ("/a", 1500), latched=["/info"])
    with pytest.raises(BagError, match=r"lasts 1\.500 s"):
        next(iter(play_list(reader, start_s=9.0)))


@pytest.mark.parametrize("split", [None, Split(5 << 20)])
@pytest.mark.parametrize("set_back", [range(0), range(60, 120), range(25, 120)])
@pytest.mark.parametrize("start_s", [0.3, 4.0, 11.0])
def test_seeking_by_the_index_plays_the_same_as_reading_over_it(
    tmp_path, start_s, set_back, split, monkeypatch
):
    noise = np.random.default_rng(0).bytes(200_000)
    with BagWriter(tmp_path / "b", split=split) as writer:
        writer.add_topic("/info", STRING, latched=True)
        for i in range(120):
            log_ns = EPOCH + i * 100 * MS - (5 * S if i in set_back else 0)
            topic = "/info" if i in (0, 70) else "/a"
            writer.write(topic, STRING, log_ns, noise + str(i).encode())
    reader = BagReader(tmp_path / "b")
    sought = list(play_list(reader, start_s))
    monkeypatch.setattr(BagReader, "messages_from", lambda *_: None)
    assert sought == list(play_list(reader, start_s))
    assert any(item.topic == "/info" for item in sought)


def test_a_loop_begins_again_where_it_ended_with_the_clock_set_back(tmp_path):
    reader = bag(tmp_path / "b", ("/a", 0), ("/a", 400))
    stream = iter(play_list(reader, loop=True))
    found = [next(stream) for _ in range(6)]
    assert [i.play_ns // MS for i in found] == [0, 400, 400, 800, 800, 1200]
    assert [i.play_ns - i.shift_ns for i in found] == [EPOCH, EPOCH + 400 * MS] * 3


def test_looping_over_one_instant_or_nothing_does_not_spin(tmp_path):
    stream = iter(play_list(bag(tmp_path / "b", ("/a", 0)), loop=True))
    assert [next(stream).play_ns // MS for _ in range(3)] == [0, 100, 200]
    assert list(play_list(bag(tmp_path / "empty"), loop=True)) == []


def test_reading_ahead_holds_a_bounded_number_of_bytes_and_ends_when_left():
    endless = (Item(i, 0, "/a", bytes(1000)) for i in iter(int, 1))
    with ReadAhead(endless, limit_bytes=10_000) as ahead:
        assert ahead.wait_filled(10)
        for _ in range(100):
            while ahead.peek() is None:
                pass
            assert ahead.held_bytes <= 10_000
            ahead.take()
    assert not ahead._thread.is_alive()


def test_a_message_larger_than_the_limit_is_read_all_the_same():
    with ReadAhead(iter(items(0, 1, 2)), limit_bytes=0) as ahead:
        stage = Stage([])
        stage.player._source = ahead
        assert len(stage.run()) == 3


def test_what_precedes_damage_is_played_before_the_error_is_raised(tmp_path):
    writer = bag(tmp_path / "b", *(("/a", t) for t in range(200_000)))
    file = next(Path(writer.path).glob("*.mcap"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    stage = Stage([])
    stage.player._sleep = lambda seconds: stage._sleep(min(max(seconds, 1e-9), TICK / S))
    with ReadAhead(iter(play_list(writer))) as ahead:
        assert ahead.wait_filled(10)
        stage.player._source = ahead
        with pytest.raises(BagError):
            stage.run()
    n = len(stage.published)
    assert 1000 < n < 200_000
    assert [p for _, _, p in stage.published] == [encode_string(f"/a {t}") for t in range(n)]


def test_topics_are_chosen_by_name_and_pattern(tmp_path):
    names = [
        "/wrench",
        "/camera/scene/image_raw",
        "/camera/wrist/image_raw",
        "/clock",
        "/x/wrench",
    ]
    channels = bag(tmp_path / "b", *((name, 0) for name in names)).channels()
    assert set(choose_topics(channels)) == set(names) - {"/clock"}
    assert set(choose_topics(channels, "wrench, camera/*")) == set(names) - {"/clock", "/x/wrench"}
    assert set(choose_topics(channels, "", "*/wrench,/absent")) == {
        "/camera/scene/image_raw", "/camera/wrist/image_raw"
    }  # fmt: skip
    with pytest.raises(UnknownNameError, match=r"'/lidar'; allowed: /camera.*, /wrench"):
        choose_topics(channels, "lidar")
    with pytest.raises(UnknownNameError, match="'/absent'"):
        choose_topics(channels, "", "*/wrench,/absent", strict=True)
    assert frame_topic(channels) is None
    assert frame_topic(channels, "wrench") == "/wrench"


@pytest.mark.parametrize(
    "wrong",
    [{"rate": 0.0}, {"rate": float("nan")}, {"start_s": -1.0}, {"delay_s": -1.0},
     {"clock_hz": 0.0}],
)  # fmt: skip
def test_settings_outside_their_range_are_refused(wrong):
    with pytest.raises(PlayerConfigError, match=next(iter(wrong))):
        PlayerConfig(**wrong)


def test_quantiles_of_errors_are_right_to_a_bin():
    errors = TimingErrors()
    assert errors.quantile_ns(0.99) == 0
    for i in range(1000):
        errors.add(i * 1000)
    assert errors.quantile_ns(0.5) == pytest.approx(500_000, abs=10_000)
    assert errors.quantile_ns(0.99) == pytest.approx(990_000, abs=10_000)
    errors.add(5 * S)
    assert errors.quantile_ns(1.0) == errors.largest_ns == 5 * S
