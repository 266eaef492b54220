"""Fuzzes every parser of outside data with atheris: no crash, at most 1 GB, a second an input.

    .venv/bin/pip install atheris       # once; wheels for Linux and Python 3.11 to 3.13
    .venv/bin/python benchmarks/fuzz_parsers.py --list
    .venv/bin/python benchmarks/fuzz_parsers.py --seconds 600
    .venv/bin/python benchmarks/fuzz_parsers.py --page      # the result into docs/results.md

Each target runs in a process of its own, one after the other. An exception other than a
`SensoriumError` is a failure, as are a crash, more than 1024 MB, and an input that takes more than
a second of CPU. What failed is kept in out/fuzz and can be tried again by naming it:

    .venv/bin/python benchmarks/fuzz_parsers.py --target bag --again out/fuzz/bag/crash-...
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from results_page import ROOT, commit, table, write_section

RSS_MB = 1024
_HANG_S = 120
_WORDS = {
    "executions": r"stat::number_of_executed_units:\s*(\d+)",
    "slowest_s": r"stat::slowest_unit_time_sec:\s*(\d+)",
    "peak_mb": r"stat::peak_rss_mb:\s*(\d+)",
    "coverage": r"cov: (\d+)",
}
_PACKAGES = ("sensorium_core", "sensorium_cli", "sensorium_control", "sensorium_recording",
             "sensorium_fusion", "sensorium_sim", "yaml", "mcap", "rosbags")  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one target."""

    target: str
    seconds: float
    executions: int
    peak_mb: int
    coverage: int
    """Edges of Python code that were reached."""
    slowest_ms: float
    """CPU time of the slowest input."""
    failures: tuple[str, ...]
    """Files in out/fuzz whose input fails."""
    words: str = ""
    """The end of the log when it failed."""


def main_child(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process; libFuzzer's arguments follow. Does not return."""
    import atheris

    with atheris.instrument_imports(include=list(_PACKAGES)):
        import fuzz_targets
    target = fuzz_targets.TARGETS[name]
    note = Path(arguments.pop(0))
    slowest_s = 0.0

    def one(data: bytes) -> None:
        nonlocal slowest_s
        began = time.thread_time()
        fuzz_targets.run_one(target, data)
        took_s = time.thread_time() - began
        if took_s > slowest_s:
            slowest_s = took_s
            note.write_text(str(slowest_s))
        if took_s > target.slow_s:
            raise TimeoutError(f"{took_s:.1f} s for {len(data)} bytes")

    one(next(iter(target.seeds())))
    slowest_s = 0.0
    atheris.Setup([sys.argv[0], f"-max_len={target.most}", *arguments], one)
    atheris.Fuzz()


def fuzz(name: str, seconds: int, folder: Path) -> Outcome:
    """Run one target in a process of its own."""
    import fuzz_targets

    corpus, kept = folder / name / "corpus", folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for at, seed in enumerate(fuzz_targets.TARGETS[name].seeds()):
        (corpus / f"seed_{at:03d}").write_bytes(seed)
    fuzz_targets.clean()
    before, began = set(kept.iterdir()), time.monotonic()
    note, log = kept / "slowest.txt", kept / "log.txt"
    note.write_text("0")
    flags = [f"-max_total_time={seconds}", f"-rss_limit_mb={RSS_MB}", f"-timeout={_HANG_S}",
             "-print_final_stats=1", "-close_fd_mask=1", f"-artifact_prefix={kept}/"]  # fmt: skip
    words = [sys.executable, "-W", "ignore", __file__, "--child", name, str(note), *flags,
             str(corpus)]  # fmt: skip
    with log.open("wb") as stream:
        ended = subprocess.run(words, stdout=stream, stderr=stream, check=False)
    text = log.read_text(errors="replace")
    numbers = {key: _last(pattern, text) for key, pattern in _WORDS.items()}
    new = sorted(str(p.relative_to(folder)) for p in set(kept.iterdir()) - before)
    failures = tuple(p for p in new if Path(p).name.startswith(("crash-", "oom-", "timeout-")))
    if ended.returncode and not failures:
        failures = (f"exit code {ended.returncode}",)
    return Outcome(
        name, time.monotonic() - began, numbers["executions"], numbers["peak_mb"],
        numbers["coverage"], float(note.read_text()) * 1e3, failures,
        text[-3000:] if failures else "",
    )  # fmt: skip


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def report(outcomes: list[Outcome], seconds: int, at: str) -> str:
    """The section of docs/results.md; `at` is the commit."""
    rows = [
        [o.target, f"{o.executions:,}", str(o.coverage), f"{o.peak_mb} MB",
         f"{o.slowest_ms:.0f} ms", ", ".join(o.failures) or "none"]
        for o in outcomes
    ]  # fmt: skip
    header = ["parser", "inputs", "edges reached", "peak memory", "slowest input", "failures"]
    total, failed = sum(o.executions for o in outcomes), sum(bool(o.failures) for o in outcomes)
    return f"""## Fuzzing every parser

`.venv/bin/python benchmarks/fuzz_parsers.py --seconds {seconds}` at {at}: atheris
(libFuzzer, guided by coverage) from valid inputs made at run time, {seconds} s a parser. An
exception that is no `SensoriumError`, a crash, more than {RSS_MB} MB, or more than 1 s of CPU for
one input is a failure. {total:,} inputs; {failed} of {len(outcomes)} parsers failed.

{table(header, rows)}
"""


@click.command()
@click.option("--list", "list_them", is_flag=True, help="Name the targets and end.")
@click.option("--target", "names", multiple=True, help="Only these; default: all.")
@click.option("--seconds", default=60, show_default=True, help="Time for each.")
@click.option("--again", type=click.Path(path_type=Path), help="One input, with its traceback.")
@click.option("--folder", default=ROOT / "out" / "fuzz", type=click.Path(path_type=Path))
@click.option("--page", is_flag=True, help="Write docs/results.md from fuzz.json, and end.")
def main(
    list_them: bool,
    names: tuple[str, ...],
    seconds: int,
    again: Path | None,
    folder: Path,
    page: bool,
) -> None:
    """Fuzz, print a table, write `fuzz.json` into the folder."""
    import fuzz_targets

    if list_them:
        print("\n".join(fuzz_targets.TARGETS))
        return
    chosen = names or tuple(fuzz_targets.TARGETS)
    if again is not None:
        fuzz_targets.run_one(fuzz_targets.TARGETS[chosen[0]], again.read_bytes())
        fuzz_targets.clean()
        return
    if page:
        found = json.loads((folder / "fuzz.json").read_text())
        outcomes = [Outcome(**{**o, "failures": tuple(o["failures"])}) for o in found["targets"]]
        write_section("fuzz", report(outcomes, found["seconds"], found["commit"]))
        return
    outcomes = list[Outcome]()
    for name in chosen:
        outcomes.append(fuzz(name, seconds, folder))
        last = outcomes[-1]
        words = f"{last.peak_mb} MB, {last.slowest_ms:.0f} ms, {last.failures or 'no failure'}"
        print(f"{name}: {last.executions} inputs, {words}", flush=True)
        found = {"commit": commit(), "seconds": seconds, "targets": [asdict(o) for o in outcomes]}
        (folder / "fuzz.json").write_text(json.dumps(found, indent=2) + "\n")
    print(report(outcomes, seconds, commit()))
    sys.exit(any(o.failures for o in outcomes))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        with contextlib.suppress(KeyboardInterrupt):
            main_child(sys.argv[2], sys.argv[3:])
    else:
        main()
