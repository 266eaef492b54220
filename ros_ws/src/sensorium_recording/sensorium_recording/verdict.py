"""Whether one stream is fit for use, in words. Pure: from a `Health` to a `Verdict`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sensorium_recording.content import ContentSummary
from sensorium_recording.health import Health

_STILL_MS = 250.0
_STILL_COUNT = 5
_MISSING_SHARE = 0.01
_RATE_TOLERANCE = 0.1
_FUTURE_MS = -1.0
_OTHER_CLOCK_MS = 3.6e6
_DARK, _BRIGHT, _NO_RETURN, _PLATEAU = 0.9, 0.25, 0.5, 0.01
_JOINTS = "sensor_msgs/msg/JointState"


@dataclass(frozen=True)
class Verdict:
    """Fit: ok; worth knowing: note; not fit: fault."""

    level: Literal["ok", "note", "fault"]
    words: str


def judge(health: Health, start_ns: int) -> Verdict:
    """Say what is wrong with a stream; places are told in seconds since `start_ns`, log time."""
    faults = list(_faults(health, start_ns))
    notes = list(_notes(health, start_ns))
    words = "; ".join(faults + notes) or "ok"
    return Verdict("fault" if faults else "note" if notes else "ok", words)


def _faults(health: Health, start_ns: int) -> Iterator[str]:
    if health.count == 0:
        yield "no messages"
        return
    if health.undecodable:
        yield f"{health.undecodable} of {health.count} messages cannot be read"
    yield from _stamp_faults(health)
    yield from _gap_faults(health, start_ns)
    if health.content is not None:
        yield from _content_faults(health, health.content)
    if _is_still(health) and health.type_name != _JOINTS:
        yield f"frozen for {_stretch(health, start_ns)}: stamps advance, the payload does not"


def _stamp_faults(health: Health) -> Iterator[str]:
    timing = health.timing
    if timing.bad_stamps:
        bad = _number(timing.bad_stamps, "impossible stamp")
        yield f"{bad} (nanosec >= 1e9, negative, or no CDR_LE)"
    if timing.unstamped:
        yield f"{_number(timing.unstamped, 'stamp')} of zero: the driver sets none"
    if timing.backwards:
        yield f"stamps go backwards {_number(timing.backwards, 'time')}"
    if timing.duplicates > _MISSING_SHARE * health.count:
        yield _number(timing.duplicates, "duplicate stamp")
    late_ms = timing.age_p99_ms
    if timing.age_p50_ms is not None and abs(timing.age_p50_ms) > _OTHER_CLOCK_MS:
        yield "stamped by another clock than the recorder's: simulation time, or none that is set"
        return
    if late_ms is not None and health.max_age_s and late_ms > health.max_age_s * 1e3:
        limit_ms = health.max_age_s * 1e3
        yield f"arrives {late_ms:.1f} ms after its stamp (p99); the contract allows {limit_ms:.0f}"
    if timing.age_p50_ms is not None and timing.age_p50_ms < _FUTURE_MS:
        yield f"stamped {-timing.age_p50_ms:.0f} ms ahead of the recorder's clock"


def _gap_faults(health: Health, start_ns: int) -> Iterator[str]:
    timing = health.timing
    if timing.stale and health.max_age_s and timing.longest_gap_ms is not None:
        where = _place(timing.longest_gap_at_ns or start_ns, start_ns)
        limit_ms = health.max_age_s * 1e3
        yield (
            f"{_number(timing.stale, 'gap')} over the contract's {limit_ms:.0f} ms, "
            f"the longest {timing.longest_gap_ms:.0f} ms {where}"
        )
    share = timing.missing / (health.count + timing.missing)
    if share > _MISSING_SHARE:
        yield f"{share:.1%} of the messages missing in {_number(timing.gaps, 'gap')}"


def _content_faults(health: Health, content: ContentSummary) -> Iterator[str]:
    if content.not_finite:
        yield f"{content.not_finite:.2%} NaN or infinite"
    if health.count > 1 and content.constant_channels == content.channels:
        yield "constant: no value ever differs"
        return
    if content.unit == "value":
        plateau = max(content.at_low, content.at_high)
        if plateau > _PLATEAU:
            yield f"saturated: {plateau:.1%} of samples on a plateau"
    elif content.unit == "pixel":
        if content.at_low > _NO_RETURN:
            yield f"no return in {content.at_low:.0%} of pixels"
    elif content.at_high > _BRIGHT:
        yield f"overexposed: {content.at_high:.0%} of bytes at 255"
    elif content.at_low > _DARK:
        yield f"dark: {content.at_low:.0%} of bytes at 0"


def _notes(health: Health, start_ns: int) -> Iterator[str]:
    if health.count == 0:
        return
    rate, expected = health.timing.rate_hz, health.expected_rate_hz
    if rate and expected and abs(rate / expected - 1) > _RATE_TOLERANCE:
        yield f"{rate:.1f} Hz, the contract says {expected:.0f}"
    if 0 < health.timing.duplicates <= _MISSING_SHARE * health.count:
        yield _number(health.timing.duplicates, "duplicate stamp")
    content = health.content
    if content is not None and 0 < content.constant_channels < content.channels:
        yield f"{content.constant_channels} of {content.channels} channels constant"
    if _is_still(health) and health.type_name == _JOINTS:
        yield f"nothing moved for {_stretch(health, start_ns)}"


def _is_still(health: Health) -> bool:
    least_ms = max(_STILL_MS, (health.max_age_s or 0.0) * 1e3)
    return health.still_count >= _STILL_COUNT and health.still_ms > least_ms


def _stretch(health: Health, start_ns: int) -> str:
    return f"{health.still_ms / 1e3:.2f} s {_place(health.still_at_ns, start_ns)}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _place(at_ns: int, start_ns: int) -> str:
    return f"at +{(at_ns - start_ns) / 1e9:.2f} s"
