"""Colour and depth come together by stamp, whichever is first, and not more often than asked."""

from hypothesis import given
from hypothesis import strategies as st
from sensorium_drivers.pairing import ExposurePairer

FRAME_NS = 33_333_333


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=40))
def test_pairs_never_mix_exposures_and_lost_images_pair_with_nothing(frames):
    pairer = ExposurePairer(rate_hz=1000.0)
    for i, (depth_first, colour_lost, depth_lost) in enumerate(frames):
        stamp_ns = i * FRAME_NS
        sends = [] if colour_lost else [pairer.push_colour]
        sends += [] if depth_lost else [pairer.push_depth]
        pairs = [send(stamp_ns, i) for send in (reversed(sends) if depth_first else sends)]
        expected = len(sends) == 2
        assert [p for p in pairs if p] == ([(i, i)] if expected else [])


def test_depth_may_lag_two_colour_images():
    pairer = ExposurePairer(rate_hz=1000.0)
    for i in range(3):
        assert pairer.push_colour(i, f"colour {i}") is None
    assert pairer.push_depth(0, "depth") == ("colour 0", "depth")


def test_the_rate_is_a_bound_in_stamp_time():
    pairer = ExposurePairer(rate_hz=5.0)
    pairs = 0
    for i in range(90):
        pairer.push_colour(i * FRAME_NS, i)
        pairs += pairer.push_depth(i * FRAME_NS, i) is not None
    assert pairs in (13, 14, 15)


def test_a_clock_that_jumps_back_does_not_silence_it():
    pairer = ExposurePairer(rate_hz=5.0)
    for stamp_ns in (10**12, 10**9):
        pairer.push_colour(stamp_ns, "colour")
        assert pairer.push_depth(stamp_ns, "depth") is not None
