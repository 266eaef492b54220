"""Health of streams: every fault has its word, a live sensor has none, memory is fixed."""

import tracemalloc
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensorium_core.cdr import joint_state_layout, wrench_layout
from sensorium_core.image_cdr import encode_image
from sensorium_recording.health import Health, TopicHealth
from sensorium_recording.messages import encode_string
from sensorium_recording.statistics import Spread, Stillness, entropy_bits
from sensorium_recording.verdict import judge

WRENCH = "geometry_msgs/msg/WrenchStamped"
IMAGE = "sensor_msgs/msg/Image"
JOINTS = "sensor_msgs/msg/JointState"
START = 10**18
MS = 1_000_000


def wrenches(stamps: Iterable[int], values: np.ndarray | None = None) -> list[bytes]:
    stamps = np.array(list(stamps), np.int64)
    noise = np.random.default_rng(0).normal(size=(len(stamps), 6))
    return wrench_layout("tool").encode(stamps, noise if values is None else values)


def health_of(
    payloads: list[bytes], times: Iterable[int], kind: str = WRENCH, **contract: float
) -> Health:
    collector = TopicHealth("/sensor", kind, **contract)  # type: ignore[arg-type]
    for time_ns, payload in zip(times, payloads, strict=True):
        collector.add(int(time_ns), payload)
    return collector.summary()


def words(health: Health) -> str:
    return judge(health, START).words


def every(period_ms: float, n: int) -> np.ndarray:
    return START + (np.arange(n) * period_ms * MS).astype(np.int64)


def images(frames: list[np.ndarray], stamps: Iterable[int], encoding: str = "rgb8") -> list[bytes]:
    return [encode_image(int(s), "cam", f, encoding) for s, f in zip(stamps, frames, strict=True)]


def noise(n: int, shape: tuple[int, ...] = (48, 64, 3)) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(20, 230, (n, *shape)).astype(np.uint8))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=200), st.data())
def test_quantiles_are_right_to_one_percent(values, data):
    spread, rest = Spread(), np.array(values, np.int64)
    while len(rest):
        size = data.draw(st.integers(1, len(rest)))
        spread.add(rest[:size])
        rest = rest[size:]
    for q in (0.0, 0.5, 0.99):
        true = float(np.sort(values)[min(int(q * len(values)), len(values) - 1)])
        assert spread.quantile(q) == pytest.approx(true, rel=0.0101, abs=1)
    assert (spread.low, spread.high) == (min(values), max(values))
    assert spread.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-3)
    assert spread.deviation == pytest.approx(np.std(values), rel=1e-6, abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 7))
def test_longest_stillness_does_not_depend_on_batches(repeats, size):
    repeats[0] = False
    flags, times = np.array(repeats), every(10, len(repeats))
    whole, pieces = Stillness(), Stillness()
    whole.add(times, times, flags)
    for begin in range(0, len(flags), size):
        part = slice(begin, begin + size)
        pieces.add(times[part], times[part], flags[part])
    assert (whole.longest_ns, whole.at_ns) == (pieces.longest_ns, pieces.at_ns)
    runs = "".join("r" if r else "." for r in repeats).split(".")
    assert whole.longest_ns == max(map(len, runs)) * 10 * MS


def test_entropy_of_a_fair_coin_is_one_bit_and_of_a_constant_none():
    assert entropy_bits(np.array([5, 5])) == pytest.approx(1.0)
    assert entropy_bits(np.array([0, 9])) == entropy_bits(np.zeros(3, np.int64)) == 0.0


def test_a_live_sensor_is_ok():
    stamps = every(2, 2000)
    health = health_of(wrenches(stamps), stamps + 3 * MS, expected_rate_hz=500.0, max_age_s=0.1)
    assert words(health) == "ok"
    assert health.timing.rate_hz == pytest.approx(500.0)
    assert health.timing.interval_ms == 2.0
    assert health.timing.jitter_std_ms == pytest.approx(0.0, abs=1e-9)
    assert (health.timing.age_p50_ms, health.timing.age_max_ms) == (3.0, 3.0)
    assert health.content is not None
    assert health.content.entropy_bits > 5
    assert judge(health, START).level == "ok"


def test_a_gap_is_counted_and_found():
    stamps = np.delete(every(2, 2000), np.arange(1000, 1250))
    health = health_of(wrenches(stamps), stamps, expected_rate_hz=500.0, max_age_s=0.1)
    assert (health.timing.gaps, health.timing.stale) == (1, 1)
    assert health.timing.missing == pytest.approx(250, abs=4)
    assert health.timing.longest_gap_ms == 502.0
    assert health.timing.longest_gap_at_ns == stamps[999]
    assert "longest 502 ms at +2.00 s" in words(health)
    assert "12.5% of the messages missing in 1 gap" in words(health)


def test_a_slow_but_regular_sensor_is_noted_and_not_faulted():
    stamps = every(100, 60)
    verdict = judge(
        health_of(wrenches(stamps), stamps, expected_rate_hz=30.0, max_age_s=0.25), START
    )
    assert (verdict.level, verdict.words) == ("note", "10.0 Hz, the contract says 30")


def test_duplicates_and_stamps_going_back_are_counted():
    stamps = every(2, 1000)
    stamps[500:] -= 200 * MS
    stamps[100] = stamps[99]
    health = health_of(wrenches(stamps), every(2, 1000))
    assert (health.timing.backwards, health.timing.duplicates) == (1, 1)
    assert "stamps go backwards 1 time" in words(health)


@pytest.mark.parametrize(("at", "value"), [(8, 10**9), (8, 2**32 - 1), (4, 2**32 - 1)])
def test_impossible_stamps_are_counted_and_named(at, value):
    payloads = wrenches(every(2, 100))
    bad = bytearray(payloads[50])
    bad[at : at + 4] = value.to_bytes(4, "little")
    payloads[50] = bytes(bad)
    health = health_of(payloads, every(2, 100))
    assert health.timing.bad_stamps == 1
    assert health.timing.age_max_ms == 0.0
    assert "1 impossible stamp " in words(health)


def test_big_endian_short_and_empty_payloads_never_crash():
    payloads = [*wrenches(every(2, 10)), b"", b"\0\1\0\0\1", b"\0\0" + wrenches([START])[0][2:]]
    health = health_of(payloads, every(2, 13))
    assert (health.timing.bad_stamps, health.undecodable) == (3, 3)
    assert "3 of 13 messages cannot be read" in words(health)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([WRENCH, IMAGE, JOINTS]), st.data())
def test_no_payload_crashes(kind, data):
    stamps = every(2, 1)
    whole = {
        WRENCH: wrenches(stamps)[0],
        IMAGE: images(noise(1, (2, 2, 3)), stamps)[0],
        JOINTS: joint_state_layout(("a", "b")).encode(stamps, np.ones((1, 4)))[0],
    }[kind]
    payloads = [whole]
    for _ in range(data.draw(st.integers(1, 4))):
        changed = bytearray(whole)
        for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
            changed[at] = data.draw(st.sampled_from([0, 1, 127, 255]))
        payloads.append(bytes(changed[: data.draw(st.integers(0, len(whole)))]))
    health = health_of(payloads, every(2, len(payloads)), kind)
    assert (health.count, bool(words(health))) == (len(payloads), True)


def test_stamps_of_zero_are_told_from_impossible_ones():
    health = health_of(wrenches([0] * 50), every(2, 50))
    assert (health.timing.unstamped, health.timing.bad_stamps) == (50, 0)
    assert "50 stamps of zero" in words(health)


@pytest.mark.parametrize(
    ("age_ms", "expected"), [(300, "arrives 300.0 ms after"), (-50, "50 ms ahead")]
)
def test_late_messages_and_stamps_of_the_future_have_their_words(age_ms, expected):
    stamps = every(2, 500)
    health = health_of(wrenches(stamps), stamps + age_ms * MS, max_age_s=0.1)
    assert expected in words(health)


def test_stamps_of_another_clock_are_told_from_late_ones():
    stamps = every(2, 500)
    health = health_of(wrenches(stamps - START + MS), stamps, max_age_s=0.1)
    assert words(health).startswith("stamped by another clock than the recorder's")


def test_a_frozen_camera_is_called_out_with_place_and_length():
    stamps, frames = every(100, 60), noise(60)
    frames[20:40] = [frames[20]] * 20
    health = health_of(images(frames, stamps), stamps, IMAGE)
    assert (health.repeats, health.still_ms) == (19, 1900.0)
    assert "frozen for 1.90 s at +2.00 s: stamps advance" in words(health)


def test_a_camera_that_repeats_with_its_stamp_is_no_frozen_one():
    stamps = every(100, 60)
    stamps[20:40] = stamps[20]
    frames = noise(60)
    frames[20:40] = [frames[20]] * 20
    assert "frozen" not in words(health_of(images(frames, stamps), every(100, 60), IMAGE))


def test_a_dead_constant_sensor_has_no_entropy_and_its_word():
    stamps = every(2, 500)
    health = health_of(wrenches(stamps, np.full((500, 6), 1.25)), stamps)
    assert health.content is not None
    assert health.content.entropy_bits == 0.0
    assert "constant: no value ever differs" in words(health)
    assert "frozen for 1.00 s" in words(health)


def test_a_wrench_on_its_plateau_is_saturated_and_one_at_rest_is_not():
    stamps, values = every(2, 1000), np.zeros((1000, 6))
    values[:, 2] = np.clip(80 * np.sin(np.arange(1000) / 50), -60, 60)
    health = health_of(wrenches(stamps, values), stamps)
    assert "saturated: 2" in words(health)
    values[:, 2] = np.maximum(80 * np.sin(np.arange(1000) / 50), 0)
    assert "saturated" not in words(health_of(wrenches(stamps, values), stamps))


@pytest.mark.parametrize("quantum", [0.01, 1 / 64, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_coarse_noise_is_no_saturation(quantum, seed):
    noise = np.random.default_rng(seed).normal(size=(1000, 6)) * 2 * quantum
    values = np.round(noise / quantum) * quantum
    assert "saturated" not in words(health_of(wrenches(every(2, 1000), values), every(2, 1000)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 599), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_values_that_are_no_numbers_are_counted_wherever_they_are(at, value):
    values = np.random.default_rng(0).normal(size=(100, 6))
    values.reshape(-1)[at] = value
    health = health_of(wrenches(every(2, 100), values), every(2, 100))
    assert health.content is not None
    assert health.content.not_finite == pytest.approx(1 / 600)
    assert "NaN or infinite" in words(health)


@pytest.mark.parametrize(
    ("frame", "encoding", "expected"),
    [
        (np.full((48, 64, 3), 255, np.uint8), "rgb8", "constant"),
        (np.zeros((48, 64), np.uint16), "16UC1", "constant"),
    ],
)
def test_a_lens_cap_and_a_blind_depth_camera_are_constant(frame, encoding, expected):
    stamps = every(33, 20)
    assert expected in words(health_of(images([frame] * 20, stamps, encoding), stamps, IMAGE))


def test_overexposure_and_missing_returns_have_their_words():
    stamps, bright = every(33, 20), noise(20)
    for frame in bright:
        frame[:24] = 255
    assert "overexposed: 50%" in words(health_of(images(bright, stamps), stamps, IMAGE))
    depth = [np.where(np.arange(64) < 40, 0, f[..., 0]).astype(np.uint16) for f in noise(20)]
    health = health_of(images(depth, stamps, "16UC1"), stamps, IMAGE)
    assert "no return in 62% of pixels" in words(health)


def test_an_arm_that_stands_still_is_noted_and_not_faulted():
    stamps, values = every(4, 500), np.random.default_rng(0).normal(size=(500, 4))
    values[100:300] = values[100]
    payloads = joint_state_layout(("a", "b")).encode(stamps, values)
    verdict = judge(health_of(payloads, stamps, JOINTS), START)
    assert (verdict.level, verdict.words) == ("note", "nothing moved for 0.80 s at +0.40 s")


def test_a_type_without_header_is_timed_by_the_recorder():
    times = every(100, 20)
    health = health_of([encode_string("x")] * 20, times, "std_msgs/msg/String")
    assert (health.timing.interval_ms, health.timing.age_p50_ms) == (100.0, None)
    assert health.content is None


def test_a_topic_without_messages_says_so():
    assert words(TopicHealth("/wrench", WRENCH).summary()) == "no messages"


def test_large_images_are_sampled_and_say_so():
    stamps = every(33, 5)
    health = health_of(images(noise(5, (480, 640, 3)), stamps), stamps, IMAGE)
    assert health.content is not None
    assert health.content.sampled == pytest.approx(1 / 25, rel=0.1)
    assert health.content.entropy_bits == pytest.approx(np.log2(210), abs=0.05)


def test_memory_does_not_grow_with_the_stream():
    collector, payloads = TopicHealth("/wrench", WRENCH), wrenches(every(2, 1024))

    def feed(times: int) -> int:
        for i in range(times * 1024):
            collector.add(START + i * 2 * MS, payloads[i % 1024])
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early = feed(2)
        assert feed(10) - early < 100_000
    finally:
        tracemalloc.stop()
