"""What a running policy is made of, published once so that a recording explains itself."""

import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from sensorium_core.bounded import one_line, parse_json
from sensorium_core.errors import MessageDecodeError

TOPIC = "policy/description"


@dataclass(frozen=True)
class PolicyDescription:
    """Files by hash, senses left out, and where the depth camera is."""

    policy_sha256: str
    language_sha256: str
    urdf_sha256: str
    drop: tuple[str, ...]
    T_base_optical: tuple[float, ...]
    """Row by row; optical frame of the depth camera in base_link."""
    fast_sha256: str = ""
    """The fast half that corrects; empty: none does."""

    @property
    def camera_pose(self) -> NDArray[np.float64]:
        """`T_base_optical` `(4, 4)`, bit for bit as the policy used it."""
        return np.array(self.T_base_optical).reshape(4, 4)

    def to_json(self) -> str:
        """Text; floats come back bit for bit."""
        told = asdict(self)
        if not self.fast_sha256:
            del told["fast_sha256"]
        return json.dumps(told)

    @classmethod
    def from_json(cls, text: str) -> "PolicyDescription":
        """Read what `to_json` wrote. Raises `MessageDecodeError` on anything else."""
        try:
            data = parse_json(text)
            data["drop"], pose = tuple(data["drop"]), tuple(map(float, data["T_base_optical"]))
            if len(pose) != 16:
                raise ValueError(f"{len(pose)} numbers of a pose")
            return cls(**{**data, "T_base_optical": pose})
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise MessageDecodeError(
                TOPIC,
                f"is {text[:60]!r} ({one_line(error)})",
                "what this version's fusion node writes",
            ) from None
