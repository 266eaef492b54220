"""What touch, sight and action say of each other in time (Lee et al. 2019).

"Making sense of vision and touch": from a fused latent, are the two senses of one moment, is there
contact at the next step, how does the tool move next. Labels come from the recording itself. The
fourth task, flow, is in `latent_flow`.

Each task logs what a policy of persistence would score beside it.
"""

from typing import Annotated

import torch
from pydantic import Field, model_validator
from sensorium_core.errors import GateConfigError
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium_training.objectives.interface import (
    Batch,
    Objective,
    ObjectiveConfig,
    Pair,
    Senses,
    Shapes,
    Terms,
    exact,
    mean_over,
    needed,
)
from sensorium_training.objectives.masking import contact_strength


class AlignmentConfig(ObjectiveConfig):
    """Which two senses are told to be of the same moment, and from which others."""

    pair: Pair
    width: int = Field(default=64, gt=0)
    least_s: float = Field(default=0.3, gt=0)
    """A negative of the same episode is at least this far away in time."""
    most_s: float = Field(default=3.0, gt=0)
    far_share: float = Field(default=0.25, ge=0, le=1)
    """Share of negatives taken from another episode, where there is one."""

    @model_validator(mode="after")
    def _ordered(self) -> "AlignmentConfig":
        if self.least_s > self.most_s:
            raise ValueError("least_s may not exceed most_s")
        return self


class ContactConfig(ObjectiveConfig):
    """Whose contact is told ahead, from what."""

    senses: Senses
    touch: str
    """The sense `(steps, channels)` whose force makes the label."""
    fingers: int = Field(default=1, gt=0)
    threshold_n: float = Field(default=0.5, gt=0)
    newest: int = Field(default=8, gt=0)
    """Samples at the end of the next window that the label looks at."""
    width: int = Field(default=64, gt=0)


class MotionConfig(ObjectiveConfig):
    """From what the tool's next motion is told."""

    senses: Senses
    scale: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    """An error of this size costs one, for each number of the motion [m, rad]."""
    width: int = Field(default=64, gt=0)


def near_in_time(
    episode: Tensor,
    time_s: Tensor,
    least_s: float,
    most_s: float,
    far_share: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """For each row another one that is not of the same moment.

    Returns its index `(n,)`, whether there is one, and whether it is near: of the same episode,
    `least_s` to `most_s` away. Where only one kind is there, it is taken.
    """
    same = episode.unsqueeze(0) == episode.unsqueeze(1)
    apart = (time_s.unsqueeze(0) - time_s.unsqueeze(1)).abs()
    near = same & (apart >= least_s) & (apart <= most_s)
    n = len(episode)
    wants_far = torch.rand(n, generator=generator).to(episode.device) < far_share
    takes_near = near.any(1) & ~(wants_far & (~same).any(1))
    pool = torch.where(takes_near.unsqueeze(1), near, ~same)
    draw = torch.rand(n, n, generator=generator).to(episode.device)
    if n == 0:
        return torch.zeros_like(episode), takes_near, takes_near
    return torch.where(pool, draw, -1.0).argmax(1), pool.any(1), takes_near


class Fusion(nn.Module):
    """Senses and an action to one latent; a learned token stands for a sense that is missing.

    There is none for the senses that are there in every row that this is asked about: those of
    `shapes.always_ahead`, and the one that is `always` there for the task's own reasons.
    """

    def __init__(
        self, senses: tuple[str, ...], shapes: Shapes, width: int, always: str = ""
    ) -> None:
        super().__init__()
        self.senses = senses
        self.project = nn.ModuleDict({s: nn.Linear(shapes.of(s).width, width) for s in senses})
        there = {*shapes.always_ahead, always}
        self.missing = nn.ParameterDict(
            {s: nn.Parameter(torch.randn(width) * 0.1) for s in senses if s not in there}
        )
        inputs = width * len(senses) + shapes.action
        self.mix = nn.Sequential(
            nn.Linear(inputs, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.GELU()
        )

    def forward(self, batch: Batch, rows: Tensor, action: Tensor) -> Tensor:
        """Latent `(n, width)` of some rows and the action that followed `(n, k)`."""
        parts = []
        for sense in self.senses:
            here = torch.isin(rows, batch.rows(sense)).unsqueeze(1)
            seen = batch.embedding(sense, rows)
            told = self.project[sense](torch.where(here, seen, torch.zeros_like(seen)))
            if sense in self.missing:
                told = torch.where(here, told, self.missing[sense].to(told.dtype))
            parts.append(told)
        return self.mix(torch.cat([*parts, action.to(parts[0].dtype)], -1))

    def rows(self, batch: Batch) -> Tensor:
        """Rows with at least one of the senses and a next step."""
        seen = torch.cat([batch.rows(sense) for sense in self.senses]).unique()
        return seen[batch.needed_future().there.bool()[seen]]


class Alignment(Objective):
    """Binary cross entropy: are the two senses of the same moment?"""

    def __init__(self, config: AlignmentConfig, shapes: Shapes) -> None:
        super().__init__()
        self.config, w = config, config.width
        self.project = nn.ModuleList(nn.Linear(shapes.of(s).width, w) for s in config.pair)
        self.judge = nn.Sequential(nn.Linear(3 * w, w), nn.GELU(), nn.Linear(w, 1))

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs embeddings of the pair, `episode` and `time_s`."""
        c = self.config
        rows = batch.rows(*c.pair)
        a, b = (
            project(batch.embedding(s, rows))
            for s, project in zip(c.pair, self.project, strict=True)
        )
        other, has, near = near_in_time(
            needed(batch.episode, "episode")[rows], needed(batch.time_s, "time_s")[rows],
            c.least_s, c.most_s, c.far_share, generator,
        )  # fmt: skip
        other, keep = other[has], has.nonzero().squeeze(1)
        same = exact(self._judge(a, b))
        wrong = exact(self._judge(a[keep], b[other]))
        loss = mean_over(F.softplus(-same), 2 * len(same))
        loss = loss + mean_over(F.softplus(wrong), 2 * len(wrong))
        found_near = wrong[near[has]]
        logs = {
            "accuracy_same": mean_over((same > 0).float(), len(same)),
            "accuracy_near": mean_over((found_near < 0).float(), len(found_near)),
            "near": mean_over(near.float(), len(rows)),
            "rows": torch.tensor(float(len(rows))),
        }
        return Terms(loss, logs)

    def _judge(self, a: Tensor, b: Tensor) -> Tensor:
        return self.judge(torch.cat([a, b, a * b], -1)).squeeze(-1)


class NextContact(Objective):
    """Binary cross entropy: is there contact at the next step, given the action?"""

    def __init__(self, config: ContactConfig, shapes: Shapes) -> None:
        super().__init__()
        self.config = config
        shapes.of(config.touch)
        self.fusion = Fusion(config.senses, shapes, config.width)
        self.judge = nn.Linear(config.width, 1)

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs embeddings, `future` with samples of the touch sense, and samples of it now."""
        c, future = self.config, batch.needed_future()
        felt = Batch(valid=future.valid, samples=future.samples)
        later = felt.rows(c.touch)
        rows = self.fusion.rows(batch)
        rows = rows[torch.isin(rows, later)]
        truth = self._contact(felt.sample(c.touch, rows))
        logits = exact(self.judge(self.fusion(batch, rows, future.action[rows])).squeeze(-1))
        loss = mean_over(
            F.binary_cross_entropy_with_logits(logits, truth, reduction="none"), len(rows)
        )
        felt_now = torch.isin(rows, batch.rows(c.touch))
        now = self._contact(batch.sample(c.touch, rows[felt_now]))
        logs = {
            "accuracy": mean_over(((logits > 0) == (truth > 0.5)).float(), len(rows)),
            "accuracy_of_persistence": mean_over((now == truth[felt_now]).float(), len(now)),
            "contact": mean_over(truth, len(rows)),
            "rows": torch.tensor(float(len(rows))),
        }
        return Terms(loss, logs)

    def _contact(self, window: Tensor) -> Tensor:
        """1 where the newest samples of `(n, steps, channels)` press harder than the threshold."""
        strength = contact_strength(exact(window)[:, -self.config.newest :], self.config.fingers)
        return (strength.amax(1) > self.config.threshold_n).float()


class NextMotion(Objective):
    """Huber error of the tool's next motion, given the action."""

    def __init__(self, config: MotionConfig, shapes: Shapes) -> None:
        """Raises `GateConfigError` unless there is a scale for each number of the motion."""
        super().__init__()
        if len(config.scale) != shapes.motion:
            allowed = f"{shapes.motion} numbers above 0, one for each number of the motion"
            raise GateConfigError("scale", config.scale, allowed, of="objective motion")
        self.fusion = Fusion(config.senses, shapes, config.width)
        self.tell = nn.Linear(config.width, len(config.scale))
        self.register_buffer("scale", torch.tensor(config.scale))

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs embeddings and `future`, whose motion has as many numbers as `scale`."""
        future, rows = batch.needed_future(), self.fusion.rows(batch)
        truth = exact(future.motion[rows]) / self.scale
        told = exact(self.tell(self.fusion(batch, rows, future.action[rows])))
        loss = mean_over(F.huber_loss(told, truth, reduction="none"), truth.numel())
        still = F.huber_loss(torch.zeros_like(truth), truth, reduction="none")
        logs = {
            "error": loss.detach(),
            "error_of_stillness": mean_over(still, truth.numel()),
            "rows": torch.tensor(float(len(rows))),
        }
        return Terms(loss, logs)
