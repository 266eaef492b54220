"""The policy network: sense tokens meet, text points at the object meant, a chunk comes out.

Inputs and outputs are the tensors of `sensorium_core.inputs` and `sensorium_core.policy`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sensorium_training.encoders import CloudEncoder, ImageEncoder, NetConfig, WindowEncoder
from sensorium_training.fusion.choice import fusion_class
from sensorium_training.fusion.interface import SENSES, peak_forces, present
from sensorium_training.imputation.choice import imputer_of
from sensorium_training.pointing import PointingHead
from sensorium_training.recall import felt_geometry, felt_wrench

_CHUNK_SCALE = (0.1, 0.1, 0.1, 0.5, 1.0)
"""Network units to m, m, m, rad, open fraction."""
_INTENT_SCALE = (20.0, 1.0)
"""The largest intent: N, and all."""


@dataclass
class NetOutput:
    """What the policy says, and what training looks at besides."""

    chunk: Tensor
    target: Tensor
    present: Tensor
    """Logit."""
    done: Tensor
    """Logit."""
    weights: Tensor
    attention: Tensor
    """Logits over anchors `(b, a)`."""
    anchors: Tensor
    """Anchor centres `(b, a, 3)` [m]."""
    anchor_mask: Tensor
    classes: Tensor
    """Logits of colour (7) and shape of each anchor `(b, a, 7 + shapes)`; last class = none."""
    heading: Tensor
    """cos and sin of four times the target's yaw `(b, 2)`."""
    tokens: Tensor
    """Of the senses `(b, senses, width)` as encoded, zeros for missing ones."""
    intent: Tensor | None = None
    """Force downwards [N] and yielding 0..1 `(b, 2)`; zeros in contract version 1."""


class PolicyNet(nn.Module):
    """Every sense to one token, the tokens to one by the fusion operator, that one to a chunk.

    The operator says for which senses a token stands in while they are missing, and which tokens
    the head sees besides; an operator without the one or the other has no weights for it. The
    token that stands in is an imputer's guess, or a learned one for what no imputer guesses.
    """

    def __init__(self, config: NetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetConfig()
        w = config.width
        self.scene_rgb = ImageEncoder(w)
        self.wrist_rgb = ImageEncoder(w)
        self.cloud = CloudEncoder(config)
        self.wrench = WindowEncoder(6, w, 20.0)
        self.pads = WindowEncoder(6, w, 20.0)
        self.joints = nn.Sequential(nn.Linear(28, w), nn.ReLU(), nn.Linear(w, w))
        self.pointing = PointingHead(config)
        fusion = fusion_class(config.fusion)
        self.imputer = imputer_of(config, fusion.stand_ins)
        guessed = () if self.imputer is None else self.imputer.guessed
        self.learned = tuple(sense for sense in fusion.stand_ins if sense not in guessed)
        if self.learned:
            self.missing = nn.Parameter(torch.randn(len(self.learned), w) * 0.1)
        self.identity = nn.Parameter(torch.randn(config.senses, w) * 0.1)
        self.mix = fusion(config)
        if self.mix.squeezed:
            self.squeeze = nn.Linear(w, 24)
        self.heading = nn.Linear(w, 2)
        geometry, h = config.geometry * (1 + self.mix.modulates), config.head
        self.head = nn.Sequential(
            nn.Linear(geometry + config.text_channels + w + 24 * len(self.mix.squeezed), h),
            nn.ReLU(),
            nn.Linear(h, h),
            nn.ReLU(),
            nn.Linear(h, h),
            nn.ReLU(),
        )
        self.chunk = nn.Linear(h, config.horizon * 5)
        self.done = nn.Linear(h, 1)
        if config.version > 1:
            self.intent = nn.Linear(h, 2)
        self.register_buffer("chunk_scale", torch.tensor(_CHUNK_SCALE))

    def forward(self, **tensors: Tensor) -> NetOutput:
        """All contract tensors by name, batch first; of `text`, it takes the first tokens."""
        valid, text = tensors["valid"], tensors["text"][:, : self.config.words].flatten(1)
        tensors = _believed(tensors, valid)
        tensors["joints"] = _newest(tensors["joints"])
        tensors["memory"] = self.mix.remembered(tensors["memory"])
        centres, features, mask = self.cloud(tensors["cloud"])
        target, feature, attention, there, classes = self.pointing(
            centres, features, mask, text, tensors["memory"], tensors["reference"]
        )
        encoded = self._encoded(tensors, feature)
        tokens = self._completed(encoded, valid)
        forces = peak_forces(tensors["wrench"], tensors["pads"])
        fused = self.mix(tokens, valid, text, forces)
        heading = self.heading(feature)
        geometry = self._geometry(tensors, target, heading, forces)
        besides = [*self._squeezed(tokens), *self.mix.modulated(geometry, text)]
        hidden = self.head(torch.cat([geometry, text, fused.token, *besides], -1))
        motion = self.chunk(hidden).unflatten(1, (self.config.horizon, 5)) * self.chunk_scale
        return NetOutput(
            _into_yaw_frame(motion, tensors["reference"][:, 3]),
            target,
            there,
            self.done(hidden).squeeze(-1),
            fused.weights,
            attention,
            centres,
            mask,
            classes,
            heading,
            present(encoded, valid),
            self._intent(hidden),
        )

    def imputation_losses(
        self, tokens: Tensor, valid: Tensor, hidden: Tensor
    ) -> dict[str, Tensor]:
        """Terms of the imputer by name, of `NetOutput.tokens`; none with learned tokens.

        Args:
            tokens: `(b, senses, width)`.
            valid: `(b, senses)`, 1 where a sense is there.
            hidden: `(b, senses)`, 1 where one is hidden from the imputer on purpose.
        """
        if self.imputer is None:
            return {}
        return self.imputer.losses(tokens, valid, hidden)

    def _intent(self, hidden: Tensor) -> Tensor:
        """What is to be felt `(b, 2)`; nothing in contract version 1."""
        if self.config.version == 1:
            return torch.zeros_like(hidden[:, :2])
        return torch.sigmoid(self.intent(hidden)) * hidden.new_tensor(_INTENT_SCALE)

    def _encoded(self, tensors: dict[str, Tensor], target: Tensor) -> Tensor:
        """Sense tokens `(b, senses, width)` in the contract's order, of missing ones any."""
        arm = tensors["joints"]
        return torch.stack(
            [
                self.scene_rgb(tensors["scene_rgb"]),
                target,
                self.wrist_rgb(tensors["wrist_rgb"]),
                self.wrench(tensors["wrench"]),
                self.pads(tensors["pads"]),
                self.joints(torch.cat([torch.sin(arm), torch.cos(arm)], -1)),
            ],
            1,
        )

    def _completed(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Tokens with those of missing senses replaced, each marked with its sense's identity."""
        here = valid.unsqueeze(-1) > 0.5
        return torch.where(here, tokens, self._in_place(tokens, valid)) + self.identity

    def _in_place(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """What stands in place of missing senses `([b,] senses, width)`; zeros where nothing."""
        if len(self.learned) == tokens.shape[1]:
            return self.missing
        rows = [torch.zeros_like(self.identity[0])] * tokens.shape[1]
        for row, sense in enumerate(self.learned):
            rows[sense] = self.missing[row]
        if self.imputer is None:
            return torch.stack(rows)
        guesses = self.imputer(tokens, valid)
        rows = [row.expand(len(tokens), -1) for row in rows]
        for column, sense in enumerate(self.imputer.guessed):
            rows[sense] = guesses[:, column]
        return torch.stack(rows, 1)

    def _squeezed(self, tokens: Tensor) -> list[Tensor]:
        """What the head sees of tokens besides the fused one: `(b, 24 n)` once, or nothing."""
        senses = self.mix.squeezed
        if not senses:
            return []
        seen = tokens if len(senses) == tokens.shape[1] else tokens[:, list(senses)]
        return [torch.relu(self.squeeze(seen)).flatten(1)]

    def _geometry(
        self, tensors: dict[str, Tensor], target: Tensor, heading: Tensor, forces: Tensor
    ) -> Tensor:
        """Where things are relative to the commanded tool `(b, 26)`, in 10 cm and radians.

        Contract version 2 has `recall.felt_geometry` and `recall.felt_wrench` besides `(b, 124)`.
        Places are in the axes of base_link, the wrench in those of the tool.
        """
        reference, memory = tensors["reference"], tensors["memory"]
        tool, yaw = reference[:, :3], reference[:, 3:4]
        known = memory[:, 3:4]
        to_target = (target - tool) * 10.0
        moved = (target - memory[:, :3]) * 10.0 * known
        more = []
        if self.config.version > 1:
            felt = self.mix.heard(felt_wrench(tensors["wrench"]), forces)
            more = [felt_geometry(memory, tool, target), felt]
        return torch.cat(
            [
                to_target,
                to_target * 5.0,
                (memory[:, :3] - tool) * 10.0 * known,
                moved,
                moved * 3.0,
                known,
                memory[:, 4:5],
                tool[:, 2:3] * 10.0,
                target[:, 2:3] * 10.0,
                yaw,
                reference[:, 4:5],
                tensors["joints"][:, 6:7] * 20.0,
                tensors["joints"][:, 13:14] * 5.0,
                (reference[:, 4:5] - tensors["joints"][:, 6:7] / 0.0425),
                _turned(heading, yaw),
                *more,
            ],
            -1,
        )


def _turned(heading: Tensor, yaw: Tensor) -> Tensor:
    """A heading of four-fold symmetry `(b, 2)` as seen from a tool at `yaw` `(b, 1)` [rad]."""
    cos4, sin4 = torch.cos(4 * yaw), torch.sin(4 * yaw)
    ahead, aside = heading[:, :1], heading[:, 1:]
    return torch.cat([ahead * cos4 + aside * sin4, aside * cos4 - ahead * sin4], -1)


def _newest(joints: Tensor) -> Tensor:
    """The newest row of a window of joints; what is no window stays as it is."""
    return joints if joints.dim() == 2 else joints[:, -1]


def _believed(tensors: dict[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
    """A copy of the inputs by name, zeros for missing senses; both pads as `pads` `(b, n, 6)`."""
    both = torch.cat([tensors["touch_left"], tensors["touch_right"]], -1)
    wiped = {
        name: _wipe(tensors.get(name, both), valid[:, SENSES.index(name)])
        for name in ("cloud", "wrench", "pads", "joints")
    }
    return {**tensors, **wiped}


def _wipe(x: Tensor, valid: Tensor) -> Tensor:
    """Zeros where the sense is invalid, whatever the bytes (NaN included)."""
    here = (valid > 0.5).reshape(-1, *([1] * (x.dim() - 1)))
    return torch.where(here, x, torch.zeros_like(x))


def _into_yaw_frame(motion: Tensor, yaw: Tensor) -> Tensor:
    """Base-aligned displacements `(b, n, 5)` expressed in the tool's yaw frame."""
    c, s = torch.cos(yaw).unsqueeze(-1), torch.sin(yaw).unsqueeze(-1)
    x, y = motion[..., 0], motion[..., 1]
    turned = torch.stack([c * x + s * y, c * y - s * x], -1)
    return torch.cat([turned, motion[..., 2:]], -1)
