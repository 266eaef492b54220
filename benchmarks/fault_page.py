"""The section of docs/results.md on faults, and whether the bars are met."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from results_page import table

_NORMAL = "normal"
Result = dict[str, Any]


def collected(folder: Path) -> list[Result]:
    """What was kept of every class, in the order of the classes, idle before loaded."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(found, key=lambda r: (r["number"], r["key"], r.get("loaded", False)))


def failures(results: list[Result]) -> list[str]:
    """Everything that is not as it must be, in words."""
    found: list[str] = []
    for result in results:
        where = f"{result['key']}, {_load(result)}"
        found += [f"{where}: {words}" for words in result.get("failures", [])]
        if result.get("trips"):
            found.append(f"{where}: unprovoked: {result['trips']}")
        for case in result.get("cases", []):
            if case["as_expected"] < case["trials"]:
                wrong = case["trials"] - case["as_expected"]
                found.append(f"{where}: {case['case']}: {wrong} of {case['trials']} trials")
            if _bar(case) == "NOT MET":
                found.append(f"{where}: {case['case']}: p99 above {case['bar_ms']:g} ms")
    return found


def page(results: list[Result], keys: list[str], timed: list[str]) -> str:
    """All tables; `keys` are those of every class, to say which was not measured.

    `timed` are those to be tried with loaded cores, too.
    """
    parts = [_timed(results), _all(results)]
    parts += [r["text"] for r in results if r.get("text")]
    wrong, missing = failures(results), _missing(results, keys, timed)
    verdict = "Everything that was measured is as expected, and its bars are met."
    if wrong:
        verdict = "Not as it must be:\n\n" + "\n".join(f"- {words}" for words in wrong)
    if missing:
        verdict += f"\n\n**Not measured yet**: {missing}."
    return "\n\n".join([*parts, verdict])


def _missing(results: list[Result], keys: list[str], timed: list[str]) -> str:
    """Classes that were run neither idle nor loaded, as far as they are to be."""
    there = {(r["key"], _load(r)) for r in results}
    wanted = {"idle": [*keys, _NORMAL], "loaded": timed}
    parts = []
    for load, names in wanted.items():
        absent = [name for name in names if (name, load) not in there]
        if absent:
            words = "everything" if absent == names else ", ".join(absent)
            parts.append(f"{load}: {words}")
    return "; ".join(parts)


def _timed(results: list[Result]) -> str:
    rows = [
        [str(r["number"]), case["case"], _load(r), str(case["trials"]),
         *_percentiles(case["detection_ms"]), f"{case['bar_ms']:g}", _bar(case)]
        for r in results for case in r.get("cases", []) if case["bar_ms"] is not None
    ]  # fmt: skip
    header = ["class", "fault", "cores", "trials", "p50", "p99", "max", "bar, p99", ""]
    words = (
        "From the fault to the hold as the arm hears it, in ms: from the wrench as it was written,"
        " from the moment at which a silent sense grew too old, from the signal that killed or "
        "stopped the policy. Reception of the hold is in it; observer and simulator, which "
        "stand for hardware, run before others."
    )
    return f"{words}\n\n{table(header, rows)}"


def _all(results: list[Result]) -> str:
    rows = [
        [str(r["number"]), case["case"], _load(r), _reactions(case), _milliseconds(case),
         _recovery(case), f"{case['as_expected']}/{case['trials']}"]
        for r in results for case in r.get("cases", [])
    ]  # fmt: skip
    header = ["class", "fault", "cores", "reaction and reason", "after, ms p50 / max",
              "recovery", "as expected"]  # fmt: skip
    words = "Time from the injection, where it has no time of its own. Recovery: from the end of "
    words += "the fault until the arm moves again, median, and what clears it."
    return f"{words}\n\n{table(header, rows)}"


def _load(result: Result) -> str:
    return "loaded" if result.get("loaded") else "idle"


def _percentiles(values: list[float]) -> list[str]:
    if not values:
        return ["-", "-", "-"]
    return [f"{np.percentile(values, q):.1f}" for q in (50, 99, 100)]


def _bar(case: Result) -> str:
    if case["bar_ms"] is None:
        return ""
    values = case["detection_ms"]
    met = bool(values) and np.percentile(values, 99) <= case["bar_ms"]
    return "met" if met else "NOT MET"


def _reactions(case: Result) -> str:
    names = {"armed": "none: goes on"}
    counts = case["reactions"]
    return ", ".join(
        names.get(name, name) + (f" ({n})" if len(counts) > 1 else "")
        for name, n in counts.items()
    )


def _milliseconds(case: Result) -> str:
    values = case["detection_ms"]
    return f"{np.median(values):.0f} / {max(values):.0f}" if values else "-"


def _recovery(case: Result) -> str:
    by = ", ".join(case["cleared_by"])
    if not case["recovery_s"] or not by:
        return "-"
    return f"{np.median(case['recovery_s']):.2f} s, {by}"
