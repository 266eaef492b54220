"""Points at what is meant: the text attends to places in the cloud."""

import torch
from sensorium_core.memory import SHORT_WIDTH
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.recall import Recall

_MASKED = -1e4
COLOUR_CLASSES = 7
_REACH_M = {1: 0.03, 2: 0.06}
"""How far from its points, along each axis, the middle of a thing may be; version 2 has bowls."""
_ONE_M = {1: None, 2: 0.03}
"""Places that say the middle is this near to where the best one says it is mean the same thing."""


class PointingHead(nn.Module):
    """Text attends to anchors; the attended, offset-corrected centre is the target.

    In version 2 a command may name two things, of which one is pointed at: whether both are there
    is told from what answers to the text anywhere, too.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w = config.width
        self.film = nn.Linear(config.text_channels, 2 * w)
        self.score = nn.Sequential(nn.Linear(w, w), nn.ReLU(), nn.Linear(w, 1))
        self.offset = nn.Linear(w, 3)
        self.classes = nn.Linear(w, COLOUR_CLASSES + config.shapes)
        self.reach_m, self.one_m = _REACH_M[config.version], _ONE_M[config.version]
        if config.version > 1:
            self.recall = Recall(w)
        wide = w + 2 if config.version == 1 else 2 * w + 2
        self.present = nn.Sequential(nn.Linear(wide, w), nn.ReLU(), nn.Linear(w, 1))

    def forward(
        self,
        centres: Tensor,
        features: Tensor,
        mask: Tensor,
        text: Tensor,
        memory: Tensor,
        tool: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Target `(b, 3)` [m, base frame], the feature there, and logits of all that was told.

        Args:
            centres: of `a` anchors `(b, a, 3)` [m].
            features: of each `(b, a, width)`.
            mask: `(b, a)` 1 where an anchor stands for points, else 0.
            text: what was said `(b, text_channels)`.
            memory: `(b, 5)`, in version 2 `(b, 32)`.
            tool: where the tool is commanded to be, x and y first [m].

        Returns:
            Target, attended feature `(b, width)`, logits of attention `(b, a)` and presence
            `(b,)`, logits of colour and shape by anchor `(b, a, classes)`.
        """
        film, felt = self.film(text), features
        if memory.shape[1] > SHORT_WIDTH:
            film = film + self.recall(memory)
            felt = features + self.recall.at(centres, memory, tool)
        scale, shift = film.unsqueeze(1).chunk(2, -1)
        told = torch.relu(felt * (1 + scale) + shift)
        logits = self.score(told).squeeze(-1) + (1 - mask) * _MASKED
        points = centres + self.reach_m * torch.tanh(self.offset(features))
        chosen = logits if self.one_m is None else _of_one(logits, points, self.one_m)
        attention = torch.softmax(chosen, -1).unsqueeze(1)
        target = (attention @ points).squeeze(1)
        attended = (attention @ torch.cat([features, told], -1)).squeeze(1)
        feature, meant = attended.chunk(2, -1)
        peak = logits.amax(-1, keepdim=True).clamp(min=-20) * 0.1
        any_point = mask.amax(-1, keepdim=True)
        signs = [meant, peak, any_point]
        if self.one_m is not None:
            signs.append((told * mask.unsqueeze(-1)).amax(1))
        present = self.present(torch.cat(signs, -1)).squeeze(-1)
        return target, feature, logits, present, self.classes(features)


def _of_one(logits: Tensor, points: Tensor, near_m: float) -> Tensor:
    """Logits `(b, a)` without those of other things than the likeliest.

    A mean over two things that look alike lies between them, where nothing is (Qi et al. 2019 let
    points vote for a middle, too, and keep votes that agree).
    """
    best = logits.argmax(-1).reshape(-1, 1, 1).expand(-1, 1, 3)
    away = (points - torch.gather(points, 1, best)).square().sum(-1)
    return logits + (away > near_m**2).to(logits.dtype) * _MASKED
