"""Corrupts one sense of the network's inputs, before any normalisation, and its validity flag.

A flag falls where the robot would know: a sense that is dropped, staler than the contract allows,
or that the policy loop finds frozen, black or white (`sensorium_core.content_watch`). Of noise,
bias, saturation and lateness, short of that, nobody knows, and the flag stays. At level 1 of any
kind the sense is dead: flag 0 and zeros, as the aligner gives.
"""

from collections.abc import Callable

import torch
from sensorium_core.content_watch import ContentConfig
from sensorium_core.contract import Contract, Modality
from sensorium_core.errors import LoaderError, UnknownNameError
from torch import Tensor

from sensorium_training.corruption import effects
from sensorium_training.corruption.amounts import KINDS, Worst

Inputs = dict[str, Tensor]
Earlier = Callable[[Tensor], Inputs]
"""Gives the inputs as they were so many seconds `(b,)` ago, row by row, and `valid` of then."""
_BLACK, _WHITE, _GREY = 8, 247, 0.5
_LATE = ("stale", "late", "frozen")
_COLOURS = "scene_rgb"
"""The sense that gives the cloud its colours."""
_EARLIER = "`earlier`, which gives a picture, cloud or joints of seconds ago"


class Corruptor:
    """Of one contract; keeps no state, so that rows are as good as steps."""

    def __init__(self, contract: Contract, worst: Worst | None = None) -> None:
        self._contract, self._worst = contract, worst or Worst()
        self._content = ContentConfig()
        remembers = {m.sense for m in contract.modalities if not m.window_s}
        self.of_rows = tuple(
            (s, k) for s in contract.senses for k in KINDS if not (s in remembers and k in _LATE)
        )
        """Pairs of sense and kind that need no `earlier`."""
        self.of_steps = tuple((s, k) for s in contract.senses for k in KINDS)
        """All pairs, for who has `earlier`."""

    def possible(self, inputs: Inputs, has_past: bool = False) -> list[tuple[str, str]]:
        """Those of `of_rows`, or `of_steps` with a past, whose sense is there in any row."""
        there = (inputs["valid"] > 0.5).any(0).tolist()
        here = {s for s, is_there in zip(self._contract.senses, there, strict=True) if is_there}
        pairs = self.of_steps if has_past else self.of_rows
        return [(sense, kind) for sense, kind in pairs if sense in here]

    def apply(
        self,
        inputs: Inputs,
        sense: str,
        kind: str,
        level: float | Tensor,
        rng: torch.Generator,
        earlier: Earlier | None = None,
    ) -> Inputs:
        """A copy of the inputs, batch first, with one sense corrupted where it is valid.

        Args:
            inputs: contract tensors by name, and `valid`.
            level: from 0, which changes no byte, to 1, blackout; one for all rows or `(b,)`.
            rng: the same seed at another level gives the same disturbance, larger or smaller; a
                bias that is to last over the steps of an episode wants the same seed at each.
            earlier: needed for stale, late and frozen pictures, clouds and joints of one sample;
                without it a late window begins with its first sample repeated.

        Raises:
            UnknownNameError: no such sense or kind.
            LoaderError: a level out of range, or `earlier` missing.
        """
        self._require(sense, kind)
        valid = inputs["valid"]
        levels = torch.as_tensor(level, dtype=torch.float32).expand(len(valid))
        if not bool(((levels >= 0) & (levels <= 1)).all()):
            raise LoaderError(f"corruption level {level}", "0 to 1")
        place = self._contract.senses.index(sense)
        ailing = (levels > 0) & (valid[:, place] > 0.5)
        changed, known = self._spoil(inputs, sense, kind, levels, rng, earlier)
        dead = ailing & (known | (levels >= 1))
        flags = valid.clone()
        flags[:, place] = torch.where(dead, torch.zeros_like(levels), valid[:, place])
        out = {**inputs, "valid": flags}
        for name, tensor in changed.items():
            greyed = name == "cloud" and sense == _COLOURS
            gone = _grey(tensor) if greyed else torch.zeros_like(tensor)
            out[name] = _chosen(dead, gone, _chosen(ailing, tensor, inputs[name]))
        return out

    def _require(self, sense: str, kind: str) -> None:
        if sense not in self._contract.senses:
            raise UnknownNameError("sense", sense, self._contract.senses)
        if kind not in KINDS:
            raise UnknownNameError("kind of corruption", kind, KINDS)

    def _spoil(
        self, inputs: Inputs, sense: str, kind: str, levels: Tensor,
        rng: torch.Generator, earlier: Earlier | None,
    ) -> tuple[Inputs, Tensor]:  # fmt: skip
        """The sense's tensors as corrupted, and `(b,)` where the robot would know."""
        modalities = [m for m in self._contract.modalities if m.sense == sense]
        changed = {_tensor(m): inputs[_tensor(m)] for m in modalities}
        if sense == _COLOURS:
            changed["cloud"] = self._colours(inputs["cloud"], kind, levels, rng)
        if kind == "dropped":
            return changed, torch.rand(len(levels), generator=rng) < levels
        known = torch.zeros_like(levels, dtype=torch.bool)
        before = None
        if kind in _LATE and earlier is not None:
            before = earlier(self._seconds(kind, levels))
            known = before["valid"][:, self._contract.senses.index(sense)] < 0.5
        for modality in modalities:
            tensor = inputs[_tensor(modality)]
            if kind in _LATE:
                then = None if before is None else before[_tensor(modality)]
                spoilt, told = self._late(modality, tensor, kind, levels, then)
                known = known | told
            else:
                spoilt = self._disturbed(modality, tensor, kind, levels, rng)
            if modality.kind == "image":
                known = known | (spoilt.amax((1, 2, 3)) <= _BLACK)
                known = known | (spoilt.amin((1, 2, 3)) >= _WHITE)
            changed[_tensor(modality)] = spoilt
        return changed, known

    def _late(
        self, modality: Modality, tensor: Tensor, kind: str, levels: Tensor,
        before: Tensor | None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """A tensor stale, late or frozen by seconds, and where that shows.

        In a window the newest sample that is there is held until now: a stale one looks frozen.
        """
        seconds = self._seconds(kind, levels)
        if before is None and not modality.window_s:
            raise LoaderError(f"{kind} {modality.name} of rows alone", _EARLIER)
        old = (seconds > modality.max_age_s) & (kind == "stale")
        if kind == "late" or (kind == "stale" and not modality.window_s):
            late = _samples(modality, seconds)
            return effects.delayed(tensor, late) if before is None else before, old
        known = old if kind == "stale" else self._seems_frozen(modality, seconds)
        if not modality.window_s:
            return tensor if before is None else before, known
        stuck = effects.held(tensor, _samples(modality, seconds))
        if before is not None:
            newest = before[:, -1:].expand_as(tensor)
            stuck = _chosen(seconds > modality.window_s, newest, stuck)
        return stuck, known if kind == "stale" else known & (stuck[:, -1] != 0).any(-1)

    def _seconds(self, kind: str, levels: Tensor) -> Tensor:
        """How long ago that was which a stale, late or frozen sense gives `(b,)`."""
        return levels * (self._worst.frozen_s if kind == "frozen" else self._worst.late_s)

    def _seems_frozen(self, modality: Modality, seconds: Tensor) -> Tensor:
        """Where the policy loop would find a sense frozen: pictures and the wrist's force."""
        never = torch.zeros_like(seconds, dtype=torch.bool)
        if modality.kind in ("image", "depth"):
            equal = torch.floor(seconds * modality.rate_hz + 1e-4) + 1
            return equal >= self._content.frozen_pictures
        watched = modality.kind == "vector" and modality.shape[-1] == 6
        return seconds >= self._content.frozen_force_s if watched else never

    def _disturbed(
        self, modality: Modality, tensor: Tensor, kind: str, levels: Tensor, rng: torch.Generator
    ) -> Tensor:
        """A tensor noisy, saturated or biased."""
        if modality.kind == "image":
            return self._picture(tensor, kind, levels, rng)
        if modality.kind == "depth":
            return self._cloud(tensor, kind, levels, rng)
        level = levels.unsqueeze(1)
        if kind == "saturated":
            shrunk = self._worst.saturated_share**level
            return effects.saturated(tensor, self._worst.ranges(modality) * shrunk)
        amount = self._worst.scales(modality) * level
        if kind == "noisy":
            return effects.noisy(tensor, amount, rng)
        if modality.kind == "joints":
            return effects.shifted(tensor, amount, rng)
        return effects.biased(tensor, amount[:, ::3], rng)

    def _picture(
        self, pictures: Tensor, kind: str, levels: Tensor, rng: torch.Generator
    ) -> Tensor:
        if kind == "noisy":
            return effects.noisy_picture(pictures, levels * self._worst.intensity, rng)
        if kind == "saturated":
            return effects.bright_picture(pictures, self._worst.gain**levels)
        return effects.moved_picture(pictures, levels * self._worst.shift_px, rng)

    def _cloud(self, cloud: Tensor, kind: str, levels: Tensor, rng: torch.Generator) -> Tensor:
        if kind == "noisy":
            return effects.noisy_cloud(cloud, levels * self._worst.point_m, rng)
        if kind == "saturated":
            return effects.dazzled_cloud(cloud, 1.0 - levels)
        return effects.moved_cloud(cloud, levels * self._worst.point_m, rng)

    def _colours(self, cloud: Tensor, kind: str, levels: Tensor, rng: torch.Generator) -> Tensor:
        """The cloud with the colours that a corrupted scene picture gives its points.

        A late, frozen or knocked picture leaves them here, for rows have no camera to colour the
        points anew with. In the loop it colours today's depth, and a stale one none: not the same.
        """
        colours, level = cloud[..., 3:6], levels[:, None, None]
        if kind not in ("noisy", "saturated"):
            return cloud
        if kind == "saturated":
            return effects.recoloured(cloud, colours * self._worst.gain**level)
        noise = torch.randn(colours.shape, generator=rng) * (self._worst.intensity / 255.0)
        return effects.recoloured(cloud, colours + noise * level)


class History:
    """The inputs of one robot's recent steps, by time: an `Earlier` for code that has tensors.

    A closed loop has messages instead: `corruption.readings` makes those late or stale.
    """

    def __init__(self, keep_s: float = 1.5) -> None:
        self._keep_s = keep_s
        self._steps: list[tuple[float, Inputs]] = []

    def push(self, time_s: float, inputs: Inputs) -> None:
        """Remember a step; a time before the last one begins anew."""
        if self._steps and time_s < self._steps[-1][0]:
            self._steps.clear()
        recent = [step for step in self._steps if step[0] >= time_s - self._keep_s]
        self._steps = [*recent, (time_s, inputs)]

    def earlier(self, seconds: Tensor) -> Inputs:
        """Inputs of the last step not later than `seconds` `(1,)` ago, else of the first."""
        if not self._steps:
            raise LoaderError("a history without steps", "`push` before `earlier`")
        wanted = self._steps[-1][0] - float(seconds) + 1e-6
        known = [inputs for time_s, inputs in self._steps if time_s <= wanted]
        return known[-1] if known else self._steps[0][1]


def _samples(modality: Modality, seconds: Tensor) -> Tensor:
    """How many samples of a window some seconds are."""
    return torch.round(seconds / modality.period_s).long()


def _tensor(modality: Modality) -> str:
    """Name of the tensor that a modality becomes."""
    return "cloud" if modality.kind == "depth" else modality.name


def _chosen(rows: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Rows of `one` where told, of `other` elsewhere."""
    return torch.where(rows.reshape(-1, *([1] * (one.dim() - 1))), one, other)


def _grey(cloud: Tensor) -> Tensor:
    """A cloud as lifted without a colour picture."""
    return effects.recoloured(cloud, torch.full_like(cloud[..., 3:6], _GREY))
