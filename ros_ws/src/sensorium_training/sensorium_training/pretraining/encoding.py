"""The policy's own sense encoders, and what the objectives see of rows through them.

The modules are those of `PolicyNet`, with the names of its weights; there is no second definition.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from sensorium_core.contract import Contract
from torch import Tensor, nn

from sensorium_training.encoders import CloudEncoder, ImageEncoder, NetConfig
from sensorium_training.fusion.interface import SENSES
from sensorium_training.network import PolicyNet
from sensorium_training.objectives.compose import Composition, parse
from sensorium_training.objectives.gather import gather
from sensorium_training.objectives.interface import (
    Batch,
    Future,
    SenseShape,
    Shapes,
    Terms,
    exact,
    plain_arithmetic,
    wiped,
)
from sensorium_training.pretraining.config import INSTRUCTION, ObjectivesConfig, needs
from sensorium_training.pretraining.rows import ACTION, MOTION, Rows

_WORD = 32
"""Channels of a command token."""
Seen = tuple[Tensor, Tensor | None, Tensor | None]
"""Embedding `(b, width)`; tokens `(b, n, width)` and their mask `(b, n)`, where there are any."""


def shapes_of(contract: Contract, net: NetConfig) -> Shapes:
    """Sizes of every sense. A cloud is no window: it has no sample that could be masked.

    Of a window of joints the newest alone is encoded.
    """
    pads = contract.modality("touch_left").shape
    samples = {
        "scene_rgb": contract.modality("scene_rgb").shape,
        "cloud": (),
        "wrist_rgb": contract.modality("wrist_rgb").shape,
        "wrench": contract.modality("wrench").shape,
        "pads": (pads[0], 2 * pads[1]),
        "joints": contract.modality("joints").shape[-1:],
    }
    senses = {sense: SenseShape(net.width, samples[sense]) for sense in SENSES}
    return Shapes({**senses, INSTRUCTION: SenseShape(_WORD)}, ACTION, MOTION, ("joints",))


class SenseEncoders(nn.Module):
    """One encoder per sense, with the weights' names of `PolicyNet`."""

    def __init__(self, net: NetConfig, trained: tuple[str, ...]) -> None:
        """Encoders that are not trained keep their weights."""
        super().__init__()
        policy = PolicyNet(net)
        for sense in SENSES:
            encoder: nn.Module = getattr(policy, sense)
            encoder.requires_grad_(sense in trained)
            self.add_module(sense, encoder)

    def embed(self, sense: str, sample: Tensor) -> Tensor:
        """Embedding `(b, width)` of what the encoder of a sense takes."""
        return self.see(sense, sample, tokens=False)[0]

    def see(self, sense: str, sample: Tensor, tokens: bool) -> Seen:
        """Embedding, and if wanted the tokens that it is made from, in float32 at least."""
        encoder: Any = getattr(self, sense)
        if isinstance(encoder, ImageEncoder):
            maps = encoder.maps(sample)
            places = exact(encoder.places(maps)) if tokens else None
            return exact(encoder.summary(maps)), places, None
        if isinstance(encoder, CloudEncoder):
            return self._cloud(encoder, sample)
        if sense == "joints":
            sample = torch.cat([torch.sin(sample), torch.cos(sample)], -1)
        return exact(encoder(sample)), None, None

    @staticmethod
    def _cloud(encoder: CloudEncoder, cloud: Tensor) -> Seen:
        """Anchors as tokens and their mean; metres are too fine for bfloat16, so in float32."""
        with plain_arithmetic(cloud):
            _, features, mask = encoder(cloud)
            real = mask > 0.5
            count = real.sum(1, keepdim=True).clamp(min=1)
            return wiped(features, real).sum(1) / count, features, real


class Pretraining(nn.Module):
    """Encoders and objectives in one module: rows in, the weighted loss and its logs out."""

    def __init__(self, objectives: ObjectivesConfig, net: NetConfig, contract: Contract) -> None:
        """Build all; raises as `compose` does."""
        super().__init__()
        self.needs = needs(parse(objectives))
        self.encoders = SenseEncoders(net, self.needs.senses)
        self.objectives = Composition(objectives, shapes_of(contract, net))

    def forward(
        self,
        rows: Rows,
        first: Mapping[str, Tensor],
        second: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Terms:
        """Loss over the rows of all processes.

        Args:
            rows: this process's share.
            first: samples by sense, augmented: what is encoded.
            second: the same, augmented otherwise; empty where no objective wants it.
            generator: for the objectives, in the same state in all processes.
        """
        return self.objectives(gather(self.encode(rows, first, second)), generator)

    def encode(
        self, rows: Rows, first: Mapping[str, Tensor], second: Mapping[str, Tensor]
    ) -> Batch:
        """What the objectives are given of some rows."""
        embeddings: dict[str, Tensor] = {}
        tokens: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        for sense in self.needs.senses:
            seen = self.encoders.see(sense, first[sense], self.needs.tokens)
            embeddings[sense] = seen[0]
            if self.needs.tokens and seen[1] is not None:
                tokens[sense] = seen[1]
                if seen[2] is not None:
                    masks[sense] = seen[2]
        views = {sense: self.encoders.embed(sense, sample) for sense, sample in second.items()}
        if self.needs.words:
            embeddings[INSTRUCTION], tokens[INSTRUCTION] = rows.words.mean(1), rows.words
            if second:
                views[INSTRUCTION] = embeddings[INSTRUCTION]
        future = Future(rows.there, rows.action, rows.motion, rows.later, rows.later_valid)
        return Batch(
            embeddings, rows.valid, views, tokens, masks,
            {sense: rows.samples[sense] for sense in self.needs.samples},
            self._encoders(), future if self.needs.future else None,
            rows.instruction, rows.episode, rows.time_s,
        )  # fmt: skip

    def _encoders(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {sense: partial(self.encoders.embed, sense) for sense in self.needs.senses}
