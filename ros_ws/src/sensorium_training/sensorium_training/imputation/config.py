"""How an imputer is trained beside the policy."""

import math
from dataclasses import asdict, dataclass

from sensorium_core.errors import GateConfigError


@dataclass(frozen=True)
class ImputationConfig:
    """Share of senses hidden on purpose, and weights of the losses by their names in the logs.

    Without effect where `NetConfig.imputation` is `learned`: that one has no loss of its own.
    """

    hide: float = 0.3
    """Probability that a sense that is there is hidden from the imputer in a row."""
    reconstruction: float = 1.0
    """Of `autoencoder`."""
    translation: float = 1.0
    """Of `translation`, as is the next."""
    cycle: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.hide < 1:
            raise GateConfigError("hide", self.hide, "a number between 0 and 1", "imputation")
        for name, weight in self.weights().items():
            if not 0 <= weight < math.inf:
                raise GateConfigError(name, weight, "a finite number, 0 or more", "imputation")

    def weights(self) -> dict[str, float]:
        """Of the terms that `Imputer.losses` gives, by name."""
        return {name: value for name, value in asdict(self).items() if name != "hide"}
