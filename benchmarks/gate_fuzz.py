"""Does anything bad ever reach the arm? A million fuzzed trajectories through the real gate.

    .venv/bin/python benchmarks/gate_fuzz.py --trajectories 1000000 --jobs 2 --write

Hypothesis draws lives of a gate: proposals of every kind in `gate_fuzz_proposals.KINDS`, and what
else befalls it in between (`gate_fuzz_world`). What reaches the arm is judged by an oracle of its
own (`gate_fuzz_oracle`). Lives come in blocks with a seed each; finished blocks are kept in the
log, so that an interrupted run goes on where it was. The test of the same properties, with
hypothesis' shrinking, is `ros_ws/src/sensorium_control/test/test_gate_properties.py`.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import gate_fuzz_oracle as oracle
from gate_fuzz_plan import EVENTS, KINDS, Plan, Report, plans
from gate_fuzz_proposals import ADVERSARIAL, VALID
from gate_fuzz_world import HARD_BOUND_S, REST_BOUND_S, run
from hypothesis import HealthCheck, Phase, given, seed, settings
from results_page import ROOT, commit, table, write_section

_LIVES = 100
_KEPT_FAULTS = 3
"""Faulty lives kept of each rule and block."""
_SOURCES = ("benchmarks/gate_fuzz*.py", "ros_ws/src/sensorium_control/sensorium_control/*.py")


def fingerprint() -> str:
    """Of the gate and of what judges it: blocks of other code do not count."""
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def run_block(number: int) -> dict[str, Any]:
    """One block of lives, as plain data."""
    total, rules = Report(), Counter[str]()
    faulty: list[dict[str, Any]] = []

    @seed(number)
    @settings(
        max_examples=_LIVES, database=None, deadline=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(plans(30, 80))
    def live(plan: Plan) -> None:
        report = play(plan)
        total.add(report)
        for rule in {fault.rule for fault in report.faults}:
            rules[rule] += 1
            if rules[rule] <= _KEPT_FAULTS:
                faulty.append(_as_json(plan, rule, report))

    began = time.perf_counter()
    live()
    return {
        "block": number, "judged": total.judged, "setpoints": total.setpoints,
        "outcomes": _flat(total.outcomes), "events": _flat(total.events),
        "reactions": dict(total.reactions), "faults": dict(rules), "faulty": faulty,
        "seconds": time.perf_counter() - began,
    }  # fmt: skip


def play(plan: Plan) -> Report:
    """One life; an exception that leaves the gate is a fault, for the node would have to stop."""
    try:
        return run(plan)
    except Exception as error:  # noqa: BLE001 - whatever the gate raises is what is looked for
        return Report(
            judged=0, faults=[oracle.Fault("exception", f"{type(error).__name__}: {error}")]
        )


def _as_json(plan: Plan, rule: str, report: Report) -> dict[str, Any]:
    first = next(fault for fault in report.faults if fault.rule == rule)
    return {"rule": rule, "detail": first.detail, "step": first.step, "plan": asdict(plan)}


def _flat(counter: Counter[tuple[str, str]]) -> list[list[Any]]:
    return [[*key, n] for key, n in sorted(counter.items())]


def plan_of(data: dict[str, Any]) -> Plan:
    """A plan from JSON."""
    return Plan(**{**data, "events": tuple(tuple(event) for event in data["events"])})


def shrink(plan: Plan, rule: str) -> Plan:
    """The same fault with as few events as leaving them out one by one allows."""

    def fails(candidate: Plan) -> bool:
        return any(fault.rule == rule for fault in play(candidate).faults)

    size = max(1, len(plan.events) // 2)
    while size:
        start = 0
        while start < len(plan.events):
            fewer = plan.events[:start] + plan.events[start + size :]
            candidate = Plan(**{**asdict(plan), "events": fewer})
            if fails(candidate):
                plan = candidate
            else:
                start += size
        size //= 2
    return plan


def finished(log: Path, code: str) -> dict[int, dict[str, Any]]:
    """Blocks of this code that the log holds."""
    if not log.exists():
        return {}
    blocks = [json.loads(line) for line in log.read_text().splitlines() if line.strip()]
    return {block["block"]: block for block in blocks if block["code"] == code}


def run_blocks(trajectories: int, jobs: int, log: Path) -> list[dict[str, Any]]:
    """Run blocks until so many trajectories were judged; those of the log count."""
    code, began = fingerprint(), time.time()
    blocks = finished(log, code)
    log.parent.mkdir(parents=True, exist_ok=True)
    judged = sum(block["judged"] for block in blocks.values())
    fresh = (n for n in range(10**9) if n not in blocks)
    with multiprocessing.get_context("spawn").Pool(jobs) as pool, log.open("a") as out:
        waiting = [pool.apply_async(run_block, (next(fresh),)) for _ in range(jobs)]
        while judged < trajectories:
            time.sleep(0.05)
            for i, job in enumerate(waiting):
                if not job.ready():
                    continue
                block = {**job.get(), "code": code}
                blocks[block["block"]] = block
                out.write(json.dumps(block) + "\n")
                out.flush()
                judged += block["judged"]
                click.echo(
                    f"{time.time() - began:7.0f} s  block {block['block']:4d}  {judged:8d} judged"
                    f"  {1e3 * block['seconds'] / max(1, block['judged']):.2f} ms each"
                    f"  faults {block['faults'] or 0}"
                )
                waiting[i] = pool.apply_async(run_block, (next(fresh),))
        pool.terminate()
    return [blocks[n] for n in sorted(blocks)]


def total_of(blocks: list[dict[str, Any]], key: str) -> Counter[tuple[str, str]]:
    """The sum of one counter over all blocks."""
    total: Counter[tuple[str, str]] = Counter()
    for block in blocks:
        total.update({(a, b): n for a, b, n in block[key]})
    return total


def kinds_table(outcomes: Counter[tuple[str, str]]) -> str:
    """Every kind of proposal: how many, how many passed, why the others did not."""
    rows = []
    for kind in KINDS:
        mine = Counter({reason: n for (name, reason), n in outcomes.items() if name == kind})
        class_ = "valid" if kind in VALID else "adversarial" if kind in ADVERSARIAL else "broken"
        accepted, total = mine.pop("ok", 0), sum(mine.values())
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in mine.most_common(5))
        rows.append([kind, class_, f"{accepted + total:,}", f"{accepted:,}", reasons])
    return table(["proposal", "class", "judged", "passed", "refused, most frequent reasons"], rows)


def events_table(events: Counter[tuple[str, str]]) -> str:
    """What else befell the gate, and the state that it was in right after."""
    rows = []
    for kind in EVENTS:
        mine = Counter({state: n for (name, state), n in events.items() if name == kind})
        states = ", ".join(f"{state} {n:,}" for state, n in mine.most_common(4))
        rows.append([kind, f"{sum(mine.values()):,}", states])
    return table(["event", "times", "state after it, most frequent"], rows)


def section(blocks: list[dict[str, Any]]) -> str:
    """The section of docs/results.md."""
    judged = sum(block["judged"] for block in blocks)
    minutes = sum(block["setpoints"] for block in blocks) * oracle.STEP_S / 60
    rules, reactions = Counter[str](), Counter[str]()
    for block in blocks:
        rules.update(block["faults"])
        reactions.update(block["reactions"])
    outcomes = total_of(blocks, "outcomes")
    passed = sum(n for (_, reason), n in outcomes.items() if reason == "ok")
    faults = ", ".join(f"{rule}: {n} lives" for rule, n in rules.most_common()) or "none"
    sent = ", ".join(f"{reason} {n:,}" for reason, n in reactions.most_common())
    return f"""## What the gate lets through, fuzzed

`benchmarks/gate_fuzz.py --trajectories {judged}`, commit `{commit()}`, {len(blocks)} blocks of
{_LIVES} lives. {judged:,} proposals judged, {passed:,} passed; {minutes:,.0f} minutes of
setpoints, one every 2 ms, through the simulator's trajectory controller. **Faults: {faults}**
(bar: 0).

Rules: finite, the contract's joints, times increasing; positions within the URDF; speed within
the URDF × scale (+{100 * oracle.SPEED_SLACK:.0f} %); acceleration at 2 ms within the configured ×
scale (+{100 * oracle.ACCELERATION_SLACK:.0f} % and what cubics between 20 ms knots add); jerk
over 20 ms knots within the configured (+{100 * oracle.JERK_SLACK:.0f} %), not for
{HARD_BOUND_S} s after a stop by force, torque, saturation or tracking; tool in its box
({1e3 * oracle.BOX_SLACK_M:.0f} mm) and fingertips above the table
({1e3 * oracle.TABLE_SLACK_M:.1f} mm) or where the arm was measured to be; nothing passes while
disarmed or stopped; at rest {REST_BOUND_S} s after a hold or a stop; no exception.

{kinds_table(outcomes)}

Holds and stops sent: {sent}.

{events_table(total_of(blocks, "events"))}
"""


@click.command()
@click.option("--trajectories", default=1_000_000, show_default=True)
@click.option("--jobs", default=2, show_default=True)
@click.option(
    "--log", default=ROOT / "out" / "gate_fuzz.jsonl", show_default=True,
    type=click.Path(path_type=Path), help="One line a block; a second run goes on from it.",
)  # fmt: skip
@click.option("--write", is_flag=True, help="Write docs/results.md.")
@click.option("--replay", type=click.Path(path_type=Path, exists=True), help="One faulty life.")
@click.option("--shrink", "shrinks", is_flag=True, help="Shrink the first life of each fault.")
def main(
    trajectories: int, jobs: int, log: Path, write: bool, replay: Path | None, shrinks: bool
) -> None:
    """Fuzz the gate; ends with 1 when anything bad reached the arm."""
    if replay is not None:
        report = play(plan_of(json.loads(replay.read_text())["plan"]))
        click.echo("\n".join(f"{f.rule} at {f.step}: {f.detail}" for f in report.faults) or "none")
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    blocks = run_blocks(trajectories, jobs, log)
    text = section(blocks)
    click.echo(text)
    faulty: dict[str, dict[str, Any]] = {}
    for block in blocks:
        for life in block["faulty"]:
            faulty.setdefault(life["rule"], life)
    for rule, life in faulty.items():
        plan = shrink(plan_of(life["plan"]), rule) if shrinks else plan_of(life["plan"])
        path = log.with_name(f"gate_fuzz_{rule}.json")
        path.write_text(json.dumps({**life, "plan": asdict(plan)}, indent=1))
        click.echo(f"{rule}: {life['detail']}; --replay {path}")
    (log.with_suffix(".json")).write_text(
        json.dumps({"commit": commit(), "code": fingerprint(), "blocks": blocks}, indent=1)
    )
    if write:
        write_section("gate fuzz", text)
    raise SystemExit(1 if faulty else 0)


if __name__ == "__main__":
    main()
