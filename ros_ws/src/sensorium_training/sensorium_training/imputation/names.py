"""The names of the imputations, and of the fusion operators that each goes with; no torch."""

from sensorium_training.fusion.names import FUSIONS

IMPUTATIONS = ("learned", "autoencoder", "translation")
"""Legal values of `NetConfig.imputation`; the first is the default and the shipped policy's."""


def fusions_of(imputation: str) -> tuple[str, ...]:
    """Fusion operators that keep their promises with it.

    Where an absent sense is truly absent nothing may stand in for it. Where force is unheard in
    free space it may not be guessed, because a guess has no newtons for the gate to compare.
    """
    fitting = {
        "learned": FUSIONS,
        "autoencoder": ("weighted", "concatenation", "film", "contact_gate"),
        "translation": ("weighted", "concatenation", "film"),
    }
    return fitting[imputation]
