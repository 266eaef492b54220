"""From the name of an imputation to the module that does it."""

from sensorium_training.encoders import NetConfig
from sensorium_training.imputation.autoencoder import CascadedAutoencoder
from sensorium_training.imputation.interface import Imputer
from sensorium_training.imputation.translation import CyclicTranslation


def imputer_of(config: NetConfig, senses: tuple[int, ...]) -> Imputer | None:
    """The imputer that a configuration names; None for `learned`, which needs no module.

    Args:
        config: legal, so its name is known and goes with its fusion operator.
        senses: those for which something may stand in: the operator's `stand_ins`.
    """
    if config.imputation == "autoencoder":
        return CascadedAutoencoder(config, senses)
    return CyclicTranslation(config) if config.imputation == "translation" else None
