"""What a training run makes, of which demonstrations and with which senses: plain data, no torch.

`sensorium train` has an option for every field; `facts.json` of a run tells them all.
"""

from dataclasses import dataclass

from sensorium_core.contract import Contract, tabletop, touch
from sensorium_core.errors import GateConfigError, UnknownNameError

from sensorium_training.fusion.names import DEFAULT_FUSION
from sensorium_training.imputation.names import IMPUTATIONS

CONTRACTS = ("tabletop", "touch")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """How one run differs from another; raises at once what cannot be."""

    contract: str = CONTRACTS[0]
    """What the policy senses and remembers."""
    fusion: str = ""
    """Empty: the contract's default, which then stands here."""
    imputation: str = IMPUTATIONS[0]
    head: int = 0
    """Units of each layer of the head; 0: as many as the contract asks for."""
    blur: float = 0.0
    """Blur of vision at the start of the first training [pixels]."""
    corrupt: float = 0.0
    """Share of the rows in which one sense goes wrong in one way of `corruption`."""
    drop: tuple[tuple[str, float], ...] = ()
    """Senses, or several with + between them, and the probability that they are dead in a row,
    together; where not the default's."""
    only: tuple[str, ...] = ()
    """The senses that it hears, all others dead in every row; none named: all of them."""
    share: float = 1.0
    """Of the demonstrations to learn from; see `part.Part`."""
    steps: int = 0
    """Of the first training, instead of a time; 0: as long as it was given."""
    precision: str = PRECISIONS[0]
    """Of the arithmetic; bfloat16 is mixed precision: features of pixels and points alone."""
    deaf: float = 0.2
    """Share of the policy's own episodes in which wrench and pads are dead, in twentieths."""
    felt: float = 0.2
    """Share of each batch that is drawn where an expert says what to feel; of contract touch."""

    def __post_init__(self) -> None:
        if not self.fusion:
            version = contract_named(self.contract).version
            object.__setattr__(self, "fusion", DEFAULT_FUSION[version])
        senses = self.senses
        if self.head < 0:
            raise GateConfigError("head", self.head, "a whole number from 0", "training")
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", self.precision, PRECISIONS)
        dropped = (sense for group, _ in self.drop for sense in senses_of(group))
        for name in (*self.only, *dropped):
            if name not in senses:
                raise UnknownNameError("sense", name, senses)
        for field, value, least in (
            ("corrupt", self.corrupt, "0"),
            *((f"drop {sense}", odds, "0") for sense, odds in self.drop),
            ("share", self.share, "above 0"),
            ("deaf", self.deaf, "0"),
            ("felt", self.felt, "0"),
        ):
            if not 0 <= value <= 1 or (field == "share" and value == 0):
                raise GateConfigError(field, value, f"a number from {least} to 1", "training")

    @property
    def senses(self) -> tuple[str, ...]:
        """All of the contract, in its order."""
        return contract_named(self.contract).senses

    @property
    def dead(self) -> tuple[str, ...]:
        """Senses that it never hears; the contract requires what it did all the same."""
        return tuple(s for s in self.senses if self.only and s not in self.only)


def senses_of(group: str) -> tuple[str, ...]:
    """The senses that are dropped together, of `wrench+pads`, say."""
    return tuple(sense.strip() for sense in group.split("+"))


def contract_named(name: str) -> Contract:
    """A contract that a policy can be trained for. Raises `UnknownNameError`."""
    if name not in CONTRACTS:
        raise UnknownNameError("contract", name, CONTRACTS)
    return tabletop() if name == "tabletop" else touch()
