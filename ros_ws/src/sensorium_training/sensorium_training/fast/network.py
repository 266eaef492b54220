"""The fast head: a learned variable admittance with a memory of the contact.

A GRU (Cho et al. 2014) says from the force so far how far to move for a newton that is too much or
missing (gains, never negative); the newtons themselves multiply it. So by construction it never
pushes the wrong way, goes nowhere where the force is as wanted, and sideways only when told to
yield. A hard gate on the filtered force stands behind it: without contact the correction is
exactly 0 and the memory is empty. The gate has no parameter and wants no gradient.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from sensorium_sim.fast_correction import LARGEST_M, Admittance
from torch import Tensor, nn

_FORCE_N, _TORQUE_NM = 10.0, 1.0
"""Scales of what enters the network."""
_MOST = 6.0
"""Scaled values are cut to this: 60 N, 6 Nm."""
_BELIEVED = 1e4
"""Larger readings are no readings."""
_PER_NEWTON = 0.02
"""Scale of the gains: parts of the largest correction for each newton."""


@dataclass(frozen=True)
class FastNetConfig:
    """Sizes and thresholds; they travel with the weights."""

    window: int = 16
    """Readings of the wrench, at 500 Hz: what came since the last tick, and some before."""
    width: int = 48
    hidden: int = 32
    contact_n: float = Admittance.contact_n
    contact_samples: int = Admittance.samples
    largest_m: float = LARGEST_M
    largest_press_n: float = 20.0

    @property
    def state(self) -> int:
        """Numbers kept between ticks: the GRU's, and the last correction."""
        return self.hidden + 3

    def to_dict(self) -> dict[str, float]:
        """Plain data; `FastNetConfig(**data)` comes back."""
        return asdict(self)


class FastNet(nn.Module):
    """`forward` is one tick as it is deployed; `unroll` is many, for training."""

    def __init__(self, config: FastNetConfig) -> None:
        super().__init__()
        self.config = config
        self.look = nn.Linear(6 * config.window, config.width)
        self.mix = nn.Linear(config.width + 11, config.width)
        self.memory = nn.GRU(config.width, config.hidden, batch_first=True)
        self.gains = nn.Sequential(
            nn.Linear(config.width + config.hidden, config.width),
            nn.SiLU(),
            nn.Linear(config.width, 2),
        )
        scale = torch.tensor([1.0, -1.0, -1.0, 1.0, -1.0, -1.0])
        scale = scale / torch.tensor([_FORCE_N] * 3 + [_TORQUE_NM] * 3)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, wrench: Tensor, intent: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One tick.

        Args:
            wrench: `(b, window, 6)`, tool frame [N, Nm].
            intent: `(b, 2)`, force to press with [N], yielding 0 to 1.
            state: `(b, config.state)` as it was answered before; zeros at first.

        Returns:
            Correction `(b, 3)` [m], yaw frame of the tool, and the next state.
        """
        config = self.config
        is_open = self.is_open(wrench, intent)
        wrench, intent = believed(wrench), believed(intent)
        state = believed(state)
        before, last = state[:, : config.hidden], state[:, config.hidden :]
        seen = self._seen(wrench, intent, last)
        hidden = gru_cell(self.memory, seen, before)
        step = self._step(seen, hidden, wrench, intent)
        answer = torch.cat([step, hidden, step / config.largest_m], 1)
        answer = torch.where(is_open, answer, torch.zeros_like(answer))
        return answer[:, :3], answer[:, 3:]

    def unroll(self, wrench: Tensor, intent: Tensor, last: Tensor) -> Tensor:
        """Corrections `(b, t, 3)` of contacts from their first tick on, the gate being open.

        `wrench` `(b, t, window, 6)`, `intent` `(b, t, 2)`; `last` `(b, t, 3)` are the corrections
        that were executed before each tick.
        """
        seen = self._seen(wrench, intent, last / self.config.largest_m)
        hidden, _ = self.memory(seen)
        return self._step(seen, hidden, wrench, intent)

    def is_open(self, wrench: Tensor, intent: Tensor) -> Tensor:
        """Whether there is contact `(b, 1)`: mean force at the threshold, all readings sound."""
        felt = self._force(wrench).abs().amax(-1, keepdim=True) >= self.config.contact_n
        sound = (wrench.abs() < _BELIEVED).to(wrench.dtype).flatten(1).amin(1, keepdim=True)
        told = (intent.abs() < _BELIEVED).to(wrench.dtype).amin(1, keepdim=True)
        return felt & (sound * told > 0.5)

    def _force(self, wrench: Tensor) -> Tensor:
        """Mean of the newest forces `(..., 3)` [N], tool frame."""
        return wrench[..., -self.config.contact_samples :, :3].mean(-2)

    def _drive(self, wrench: Tensor, intent: Tensor) -> Tensor:
        """Newtons to give way to `(..., 3)`, yaw frame: sideways as told, down beyond the wish."""
        force = self._force(wrench)
        press = intent[..., :1].clamp(0.0, self.config.largest_press_n)
        aside = intent[..., 1:].clamp(0.0, 1.0)
        x, y, z = force[..., :1], force[..., 1:2], force[..., 2:]
        return torch.cat([aside * x, -aside * y, -z - press], -1)

    def _seen(self, wrench: Tensor, intent: Tensor, last: Tensor) -> Tensor:
        """What enters the memory `(..., width)`; `last` in parts of the largest correction."""
        scaled = (wrench * self.scale).clamp(-_MOST, _MOST)
        newest = scaled[..., -self.config.contact_samples :, :3].mean(-2)
        drive = (self._drive(wrench, intent) / _FORCE_N).clamp(-_MOST, _MOST)
        told = torch.cat([intent[..., :1] / _FORCE_N, intent[..., 1:]], -1)
        looked = nn.functional.silu(self.look(scaled.flatten(-2)))
        mixed = torch.cat([looked, newest, drive, told.clamp(-_MOST, _MOST), last], -1)
        return nn.functional.silu(self.mix(mixed))

    def _step(self, seen: Tensor, hidden: Tensor, wrench: Tensor, intent: Tensor) -> Tensor:
        gains = nn.functional.softplus(self.gains(torch.cat([seen, hidden], -1))) * _PER_NEWTON
        gains = torch.cat([gains[..., :1], gains], -1)
        return self.config.largest_m * torch.tanh(gains * self._drive(wrench, intent))


def believed(values: Tensor) -> Tensor:
    """The same, with 0 for what is no reading: NaN, infinite, or beyond any sensor."""
    return torch.where(values.abs() < _BELIEVED, values, torch.zeros_like(values))


def gru_cell(gru: nn.GRU, seen: Tensor, hidden: Tensor) -> Tensor:
    """One step `(b, hidden)` of a one-layer GRU, from plain operators alone (Cho et al. 2014)."""
    given = seen @ gru.weight_ih_l0.T + gru.bias_ih_l0
    kept = hidden @ gru.weight_hh_l0.T + gru.bias_hh_l0
    n = hidden.shape[1]
    reset = torch.sigmoid(given[:, :n] + kept[:, :n])
    update = torch.sigmoid(given[:, n : 2 * n] + kept[:, n : 2 * n])
    new = torch.tanh(given[:, 2 * n :] + reset * kept[:, 2 * n :])
    return new + update * (hidden - new)
