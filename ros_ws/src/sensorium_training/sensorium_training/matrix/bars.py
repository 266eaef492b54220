"""The bars of the study, each for the rows and columns that a matrix has.

Columns are found by task set and family, so that a set run beside another one takes none away.
Whether force leaks through other senses is asked of rows that act without it: of those that
decided for one of two, as many right as by chance.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sensorium_core.goal import ALL_FAMILIES
from sensorium_sim.touch_scene import PEG_WIDTH_M
from sensorium_sim.touch_tasks import ASIDE_M, DEPTH_M, TIME_LIMITS_S

from sensorium_training.evaluation import wilson
from sensorium_training.matrix.comparing import PRETRAINED, UNTAUGHT, best_single, difference
from sensorium_training.matrix.footprint import Footprint
from sensorium_training.matrix.measured import Counts, Line, labelled
from sensorium_training.matrix.report import Page, share
from sensorium_training.matrix.rows import ALL, CLAIM_SEEDS, LIFTED
from sensorium_training.matrix.store import Result

Columns = Mapping[str, tuple[str, str]]
"""By heading, task set and family, as `Plan.columns` has it."""
Bar = tuple[str, str, str, str]
"""What, measured, bar, verdict."""

NO_FORCE = "all but wrench + pads"
VISION = "all but wrench + pads + joints"
"""What is left are the cameras."""
VISION_TRAINED = "vision alone"
"""Label of `--policy` for a recipe trained on the cameras, and perhaps the joints, alone."""
ONE_CAMERA = "all but wrist_rgb"
_STEP_MS = 4.0
_VISUAL = ("pick", "push", "press")
_PRESSED_N = 3.0
"""The least that a gentle press is; of an arm that never did nothing is learnt."""
_LEAST_DECIDED = 20
"""Of fewer any interval holds the chance level."""


@dataclass(frozen=True)
class Blind:
    """What a policy that feels nothing can reach in a family."""

    chance: float
    two_sided: bool
    """Whether less than by chance would tell of a leak, too."""
    rows: tuple[str, ...]
    """Without force in this family."""
    wrong: str = ""
    """How the judge's reason begins when the other one was chosen; empty: whatever pressed and did
    not succeed chose wrongly."""

    def counts(self, results: Iterable[Result]) -> Counts:
        """Of those that decided: how many rightly, and how many they are."""
        decided = [r.success for r in results if r.success or self._is_wrong(r)]
        return sum(decided), len(decided)

    def _is_wrong(self, result: Result) -> bool:
        if not self.wrong:
            return result.peak_force_n >= _PRESSED_N
        return result.reason.startswith(self.wrong)


BLIND = {
    "give": Blind(0.5, True, (NO_FORCE, VISION, VISION_TRAINED), "the block that is not the "),
    "feel": Blind(0.5, True, (NO_FORCE, VISION), "the one that is not "),
    "hold": Blind(0.45, False, (NO_FORCE, VISION, VISION_TRAINED)),
}
"""Of `feel` the opening of the fingers tells, a joint: a policy trained without force may have
learnt to read it, one that merely lost its force has not. Of `hold`, chance is what the best
single depth reaches (docs/touch_tasks.md)."""


def bars(
    lines: Sequence[Line], columns: Columns, cost: Mapping[str, Sequence[Footprint]] | None = None
) -> list[Bar]:
    """The bars that these lines have figures for; harder variants have none.

    The mean has one where all families were tried. `cost` is of policy files by label.
    """
    known = labelled(lines)
    ours = known.get(ALL)
    found: list[Bar] = []
    if ours is not None:
        judged = _judged(ours)
        for heading in judged:
            least = 0.95 if columns[heading][1] in _VISUAL else 0.85
            found.append(_at_least(ours, heading, least))
        whole = {columns[heading][1] for heading in judged} == set(ALL_FAMILIES)
        found += [_at_least(ours, None, 0.92)] if whole else []
        blind, insert = acting(known, NO_FORCE), heading_of(ours, columns, "insert")
        if blind is not None and insert is not None:
            found.append(_insertion(ours, blind, insert))
    found += _leaks(known, columns)
    if ours is not None:
        found += [_beats(ours, other) for other in _rivals(lines) if _judged(other)]
    return found + _pretraining(known) + _dead_camera(known) + _latency((cost or {}).get(ALL, ()))


def acting(known: Mapping[str, Line], label: str) -> Line | None:
    """The row without some senses that acts: with `required` lifted, where that makes one."""
    return known.get(f"{label}, {LIFTED}", known.get(label))


def heading_of(line: Line, columns: Columns, family: str) -> str | None:
    """The column of a family, its harder variant aside; None: it was not run."""
    return next((name for name in _judged(line) if columns[name][1] == family), None)


def _judged(line: Line) -> list[str]:
    return [name for name in line.results if name not in line.beside]


def _at_least(line: Line, column: str | None, bar: float) -> Bar:
    successes, n = line.counts(column)
    what = f"{line.row.label}, {column or 'mean of tasks'}"
    met = _verdict(successes >= bar * n, line)
    return what, share((successes, n)), f"≥ {100 * bar:.0f} %", met


def _insertion(ours: Line, blind: Line, column: str) -> Bar:
    (k, n), (j, m) = ours.counts(column), blind.counts(column)
    low, high = difference(ours, blind, column).interval
    measured = f"{share((k, n))} against {share((j, m))}, {100 * low:+.0f} to {100 * high:+.0f}"
    met = k >= 0.85 * n and j <= 0.5 * m and low > 0
    return (
        f"insertion, all senses against {blind.row.label}",
        measured,
        "≥ 85 % against ≤ 50 %, significant",
        _verdict(met, ours, blind),
    )


def _leaks(known: Mapping[str, Line], columns: Columns) -> list[Bar]:
    found = []
    for family, blind in BLIND.items():
        lines = [line for label in blind.rows if (line := acting(known, label)) is not None]
        for line in lines:
            column = heading_of(line, columns, family)
            if column is not None:
                found.append(_chance(line, column, blind))
    return found


def _chance(line: Line, column: str, blind: Blind) -> Bar:
    right, decided = blind.counts(r for file in line.results[column] for r in file)
    low, high = wilson(right, decided)
    at_chance = low <= blind.chance and (high >= blind.chance or not blind.two_sided)
    met = _verdict(at_chance, line)
    if decided < _LEAST_DECIDED:
        met = f"open: {decided} decided, {_LEAST_DECIDED} wanted"
    percent = f"{100 * blind.chance:.0f} %"
    return (
        f"{line.row.label}, {column}",
        f"{share((right, decided))} of those decided, {share(line.counts(column))} of all",
        f"interval holds {percent}" if blind.two_sided else f"not above {percent}",
        met,
    )


def _rivals(lines: Sequence[Line]) -> list[Line]:
    best = best_single(lines)
    whole = [line for line in lines if line.row.condition.corruption is None]
    named = [line for line in whole if "concatenation" in line.row.label]
    return ([best] if best is not None else []) + [line for line in named if line is not best]


def _beats(ours: Line, other: Line) -> Bar:
    apart = wilson(*ours.counts())[0] > wilson(*other.counts())[1]
    measured = f"{share(ours.counts())} against {share(other.counts())}"
    what = f"all senses against {other.row.label}"
    return what, measured, "higher, intervals apart", _verdict(apart, ours, other)


def _pretraining(known: Mapping[str, Line]) -> list[Bar]:
    """Pretrained encoders against none, where demonstrations are few."""
    if PRETRAINED not in known or UNTAUGHT not in known:
        return []
    ours, other = known[PRETRAINED], known[UNTAUGHT]
    gain = difference(ours, other)
    low, high = (100 * bound for bound in gain.interval)
    measured = f"{share(ours.counts())} against {share(other.counts())}, "
    measured += f"{100 * gain.difference:+.1f} ({low:+.1f} to {high:+.1f})"
    met = round(gain.difference, 9) >= 0.1 and low > 0
    return [
        (
            f"{PRETRAINED}, against from scratch, mean", measured, "≥ +10 points, significant",
            _verdict(met, ours, other),
        )
    ]  # fmt: skip


def _dead_camera(known: Mapping[str, Line]) -> list[Bar]:
    """Of the two cameras the wrist's is the redundant one: without the other the arm is still."""
    if ALL not in known or ONE_CAMERA not in known:
        return []
    ours, dead = known[ALL], known[ONE_CAMERA]
    loss = difference(ours, dead)
    low, high = (100 * bound for bound in loss.interval)
    measured = f"{share(ours.counts())} against {share(dead.counts())}, "
    measured += f"loses {100 * loss.difference:+.1f} ({low:+.1f} to {high:+.1f})"
    met = _verdict(loss.interval[1] <= 0.1, ours, dead)
    return [(f"{ONE_CAMERA}, mean", measured, "loses ≤ 10 points, the interval too", met)]


def _latency(files: Sequence[Footprint]) -> list[Bar]:
    """The median step of the slowest of the policy files."""
    if not files:
        return []
    slowest = max(files, key=lambda one: one.p50_ms)
    measured = f"{slowest.p50_ms:.2f} ms (p99 {slowest.p99_ms:.2f}), load {slowest.load:.1f}"
    met = "met" if slowest.p50_ms <= _STEP_MS else "not met"
    return [(f"{ALL}, step p50 on one thread", measured, f"≤ {_STEP_MS:g} ms", met)]


def _verdict(met: bool, *lines: Line) -> str:
    """Whether a bar is met, and whether the training seeds are enough to say so."""
    claim = all(line.row.is_claim for line in lines)
    return ("met" if met else "not met") + ("" if claim else f", under {CLAIM_SEEDS} seeds")


def lee(lines: Sequence[Line], columns: Columns) -> Page | None:
    """Insertion beside Lee et al. (2019); None without all senses, no force and cameras alone."""
    known = labelled(lines)
    ours, blind = known.get(ALL), acting(known, NO_FORCE)
    vision = [line for line in (acting(known, VISION), known.get(VISION_TRAINED)) if line]
    column = None if ours is None else heading_of(ours, columns, "insert")
    if ours is None or blind is None or not vision or column is None:
        return None
    rows = [
        (ours.row.label, share(ours.counts(column)), "77 %, vision + touch + proprioception"),
        (blind.row.label, share(blind.counts(column)), "-"),
        *((line.row.label, share(line.counts(column)), "49 %, image only") for line in vision),
    ]
    header = ("senses", "ours", "Lee et al. 2019, in simulation")
    return Page("Insertion beside Lee et al.", header, tuple(rows), _DEFINITIONS)


_DEFINITIONS = (
    "Success, ours: within "
    f"{TIME_LIMITS_S['insert']:.0f} s of the words the arm has picked up the peg that was named "
    f"({1e3 * PEG_WIDTH_M:.0f} mm, 1 mm clearance a side) and the middle of its lower face is "
    f"at least {1e3 * DEPTH_M:.0f} mm below the rim of its own well and within "
    f"{1e3 * ASIDE_M:.0f} mm of its axis; the cameras know the well to ±3 mm; to lift the other "
    "peg is a failure. Success, theirs: the peg is inserted; depth, clearance, time limit and "
    "number of episodes are not known to us, their figures are as published. Other tasks, robots "
    "and simulators, and they learn from reward: beside each other, not a comparison. Rows "
    "without senses are of our one policy with these dead, theirs is a policy of images; every "
    "row of ours keeps the commanded pose of the tool."
)
