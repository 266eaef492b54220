"""Rows of the matrix: who acts, with which policy files, and under which condition."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sensorium_core.contract import Contract
from sensorium_core.errors import LoaderError, UnknownNameError

POLICY, PERSISTENCE, HOLD_STILL, EXPERT = "policy", "persistence", "hold still", "expert"
ALL, SHUFFLED = "all senses", "language shuffled"
CLAIM_SEEDS = 3
"""Fewer training seeds than this are no claim."""
LIFTED = "required lifted"
Groups = Sequence[tuple[str, ...]]
FORCE_GROUPS: tuple[tuple[str, ...], ...] = (("wrench", "pads"), ("wrench", "pads", "joints"))
"""Left out together: the force senses, and what also feels how far the fingers close."""


@dataclass(frozen=True)
class Condition:
    """What is done to a policy's inputs."""

    drop: tuple[str, ...] = ()
    """Senses that are dead from the start, in the contract's order."""
    lifted: bool = False
    """Whether the contract's `required` set is emptied, so that the policy acts on what is left.

    As deployed it holds still instead; a row with this says what the network would do.
    """
    shuffled: bool = False
    """Whether each trial is told the words of another one of another goal."""
    corruption: tuple[str, str, float] | None = None
    """Sense, kind and level of `corruption.readings`."""


@dataclass(frozen=True)
class Row:
    """One line of the matrix; its policy files are the training seeds of one recipe."""

    label: str
    actor: str
    policies: tuple[Path, ...] = ()
    condition: Condition = field(default_factory=Condition)

    @property
    def is_claim(self) -> bool:
        """Whether there are training seeds enough to say something of the recipe."""
        return self.actor != POLICY or len(self.policies) >= CLAIM_SEEDS


def standard_rows(
    ours: tuple[Path, ...],
    others: Mapping[str, tuple[Path, ...]],
    contract: Contract,
    groups: Groups = FORCE_GROUPS,
) -> list[Row]:
    """All senses; each alone; all but one, or but a group; other policies; trivial baselines.

    Where the contract requires a sense that a row lacks, a second row has `required` lifted.

    Args:
        ours: policy files of the recipe that is judged, one a training seed.
        others: by label, other recipes: concatenation, say.
            One whose label has " alone" in it was trained on a single sense.
        contract: whose senses the rows name.
        groups: senses to leave out together, besides each by itself.
    """
    senses = contract.senses
    rows = [Row(ALL, POLICY, ours)]
    for sense in senses:
        alone = tuple(other for other in senses if other != sense)
        rows += _without(f"{sense} alone", ours, alone, contract)
    for group in (*((sense,) for sense in senses), *groups):
        _require_known(group, contract)
        drop = tuple(sense for sense in senses if sense in group)
        rows += _without(f"all but {' + '.join(drop)}", ours, drop, contract)
    rows += [Row(label, POLICY, files) for label, files in others.items()]
    rows.append(Row(SHUFFLED, POLICY, ours, Condition(shuffled=True)))
    rows.append(Row(PERSISTENCE, PERSISTENCE, ours))
    rows += [Row(HOLD_STILL, HOLD_STILL), Row(EXPERT, EXPERT)]
    labels = [row.label for row in rows]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise LoaderError(f"two rows called {twice[0]!r}", "a label of its own for each recipe")
    return rows


def _without(
    label: str, files: tuple[Path, ...], drop: tuple[str, ...], contract: Contract
) -> list[Row]:
    rows = [Row(label, POLICY, files, Condition(drop))]
    if set(drop) & set(contract.required):
        rows.append(Row(f"{label}, {LIFTED}", POLICY, files, Condition(drop, lifted=True)))
    return rows


def _require_known(senses: Sequence[str], contract: Contract) -> None:
    for sense in senses:
        if sense not in contract.senses:
            raise UnknownNameError("sense to leave out", sense, contract.senses)


def corrupted_rows(
    recipes: Mapping[str, tuple[Path, ...]],
    ailments: Sequence[tuple[str, str]],
    levels: Sequence[float],
) -> list[Row]:
    """Each recipe with each ailment `(sense, kind)` at each level above 0."""
    return [
        Row(
            f"{label}, {sense} {kind} {level:g}", POLICY, files,
            Condition(corruption=(sense, kind, level)),
        )
        for label, files in recipes.items()
        for sense, kind in ailments
        for level in levels
        if level > 0
    ]  # fmt: skip


def described(condition: Condition) -> dict[str, object]:
    """Plain data, the same for equal conditions."""
    return asdict(condition)


def chosen(rows: list[Row], only: Sequence[str]) -> list[Row]:
    """Rows whose label contains one of some texts, or that one of them names; all for none.

    A text that is a whole label names that row alone. Raises when one fits nothing.
    """
    labels = [row.label for row in rows]
    for text in only:
        if not any(text in label for label in labels):
            raise UnknownNameError("row", text, labels)
    wanted = [{text} if text in labels else {la for la in labels if text in la} for text in only]
    return [row for row in rows if not only or row.label in set().union(*wanted)]
