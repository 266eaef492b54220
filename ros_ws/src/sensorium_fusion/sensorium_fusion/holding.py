"""Why the arm holds still, and when the senses have been back for long enough. ROS-free."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from sensorium_core.contract import Contract
from sensorium_core.observation import Observation

_NS = 1_000_000_000


@dataclass
class Hold:
    """One hold, from its cause to the moment at which the arm may go on."""

    resume_s: float
    """How long nothing must be wrong before it ends, in capture time."""
    cause: str = ""
    """What began it besides a missing sense: a late step, a clock that jumped."""
    back_ns: int | None = None
    """Since when nothing is wrong."""

    def begin(self, cause: str) -> str:
        """Hold because of this; returns the reason in words."""
        self.cause, self.back_ns = cause, None
        return f"holding still: {cause}"

    def wait(self, t_ns: int, missing: str) -> str:
        """The reason to hold on at a step, in words; empty: go on."""
        if missing:
            self.back_ns = None
            return f"holding still: {'; '.join(filter(None, (self.cause, missing)))}"
        if self.back_ns is None or t_ns < self.back_ns:
            self.back_ns = t_ns
        if t_ns - self.back_ns < round(self.resume_s * _NS):
            cause = self.cause or "a required sense was missing"
            return f"holding still: {cause}; all is back, waiting {self.resume_s:g} s"
        self.cause, self.back_ns = "", None
        return ""


def missing_words(contract: Contract, seen: Observation, faults: Mapping[str, str]) -> str:
    """Words for the required senses that are not there, or an empty string.

    `faults`: by modality, why it is not believed although messages come.
    """
    words = []
    for modality in contract.modalities:
        name, age_s = modality.name, seen.age_s[modality.name]
        if modality.sense not in contract.required or seen.valid[name]:
            continue
        which = f"{modality.sense} ({modality.topic})"
        if name in faults:
            words.append(faults[name])
        elif not np.isfinite(age_s):
            words.append(f"{which} was never received")
        elif age_s > modality.max_age_s:
            words.append(f"{which} has been silent for {age_s:.2f} s")
        elif modality.kind == "depth":
            words.append(f"{which} comes, but not where its camera is: no camera_info or no tf")
        else:
            words.append(f"{which} holds a value that is not a finite number")
    return "; ".join(words)


def is_lacking(
    contract: Contract,
    t_ns: int,
    newest_ns: Mapping[str, int | None],
    faults: Collection[str],
    drop: Collection[str],
) -> bool:
    """Whether a required sense is not there, by the stamps of the newest messages alone."""
    for modality in contract.modalities:
        if modality.sense not in contract.required:
            continue
        newest = newest_ns[modality.name]
        if newest is None or modality.name in faults or modality.sense in drop:
            return True
        if t_ns - newest > modality.max_age_s * _NS:
            return True
    return False
