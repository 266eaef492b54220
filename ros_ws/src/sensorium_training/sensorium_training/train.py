"""Imitation training of the policy network: resumable, seeded, on one machine.

State is a directory: `last.pt` (weights only, no pickle of code), `ema.safetensors`, `log.jsonl`.
The averaged weights carry the network's configuration in their metadata.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sensorium_core.errors import LoaderError
from torch import Tensor

from sensorium_training.allocator import keep_freed_memory
from sensorium_training.batches import Augmentation, Batches
from sensorium_training.corruption.corruptor import Corruptor
from sensorium_training.corruption.sampling import corrupt_some
from sensorium_training.curriculum import BlurCurriculum
from sensorium_training.dataset import RowSource
from sensorium_training.encoders import Coarse, NetConfig, contract_of
from sensorium_training.imputation.config import ImputationConfig
from sensorium_training.imputation.interface import hide
from sensorium_training.losses import Labels, policy_losses, total
from sensorium_training.network import NetOutput, PolicyNet
from sensorium_training.pretraining.transfer import take_encoders
from sensorium_training.recipe import PRECISIONS
from sensorium_training.weights import DEAD, put, take_weights

Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainConfig:
    """How to train. `sensorium train` sets what it has options for; the rest is for code."""

    minutes: float = 30.0
    """Wall-clock budget; the learning rate's cosine ends with it."""
    steps: int = 0
    """If not 0, the budget is this many steps instead: the same on a machine of any speed."""
    batch: int = 192
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    ema: float = 0.998
    seed: int = 0
    threads: int = 2
    validation_share: float = 0.05
    """Share of episodes kept aside to watch for overfitting."""
    checkpoint_s: float = 60.0
    validation_batches: int = 20
    """Batches of 256 rows in the last validation; a quarter of that at each checkpoint."""
    device: str = "auto"
    net: NetConfig = field(default_factory=NetConfig)
    """What is trained; its fusion operator among it."""
    blur: BlurCurriculum = field(default_factory=BlurCurriculum)
    """How blurred vision starts out; not at all by default."""
    corrupt: float = 0.0
    """Share of rows in which one sense fails in one way of `corruption`, beside those dropped."""
    felt: float = 0.2
    """Share of each batch that is drawn where an expert says what to feel; contract version 2."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How rows are made harder; which senses are dropped how often among it."""
    dead: tuple[str, ...] = ()
    """Senses that are never there, in training or validation."""
    precision: str = PRECISIONS[0]
    """`bfloat16`: mixed. Validation is in float32 all the same."""
    imputation: ImputationConfig = field(default_factory=ImputationConfig)
    """How the network's imputer is trained, if it has one."""


class Trainer:
    """One training run in a directory; `run` continues where a checkpoint left off."""

    def __init__(
        self,
        train: Sequence[RowSource],
        validation: Sequence[RowSource],
        directory: Path,
        config: TrainConfig,
        weights: Path | None = None,
        encoders: Path | None = None,
    ) -> None:
        """Begin, or go on.

        Args:
            train: rows to learn from.
            validation: rows kept aside.
            directory: of the run.
            config: how to train.
            weights: of the whole network, where a new run starts from.
            encoders: pretrained ones, where those of a new run start from.
        """
        torch.set_num_threads(config.threads)
        keep_freed_memory()
        torch.manual_seed(config.seed)
        self.config, self.directory = config, directory
        directory.mkdir(parents=True, exist_ok=True)
        self.device = torch.device(_device(config.device))
        self.net = _made_coarse(PolicyNet(config.net), config.precision).to(self.device)
        if weights is not None:
            take_weights(self.net, weights, config.dead)
        begins = encoders is not None and not (directory / "last.pt").is_file()
        self.taken = take_encoders(self.net, encoders) if encoders and begins else None
        """What a new run took of pretrained encoders."""
        self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self.step, self.spent_s = 0, 0.0
        self._resume()
        begun = config.seed + 10 * self.step
        self._train = _to_draw_from(train, config, begun)
        self._corruptor = Corruptor(contract_of(config.net))
        self._rng = torch.Generator().manual_seed(begun)
        self._watch = [Batches(rows, 1, config.dead) for rows in validation if len(rows)]

    def _resume(self) -> None:
        path = self.directory / "last.pt"
        if not path.is_file():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        begun = NetConfig.of(json.loads(state.get("config", "{}")))
        if begun != self.config.net:
            raise LoaderError(f"{path} is of {begun}", f"{self.config.net}; name another run")
        put(self.net, state["net"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        self.average = state["average"]
        self.step, self.spent_s = state["step"], state["spent_s"]

    def run(self, progress: Progress) -> Path:
        """Train until the budget is spent; returns the averaged weights' file."""
        last = saved = time.monotonic()
        while (share := self._share_spent()) < 1.0:
            terms = self._one_step(share)
            now = time.monotonic()
            self.spent_s, last = self.spent_s + now - last, now
            if self.step % 50 == 0:
                progress(int(1000 * share), 1000, terms)
            if now - saved > self.config.checkpoint_s:
                self._checkpoint(terms)
                saved = now
        self._checkpoint(self.validate(self.config.validation_batches))
        return self.directory / "ema.safetensors"

    def _share_spent(self) -> float:
        """Of the budget; of none, all."""
        if self.config.steps:
            return self.step / self.config.steps
        budget = self.config.minutes * 60.0
        return self.spent_s / budget if budget else 1.0

    def _one_step(self, progress: float) -> dict[str, float]:
        rate = self.config.learning_rate * min(1.0, (self.step + 1) / 200)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * (0.02 + 0.49 * (1 + math.cos(math.pi * min(progress, 1.0))))
        source = self._train[self.step % len(self._train)]
        inputs, labels = source.draw(self.config.batch, self.config.augmentation)
        if self.config.corrupt:
            forgetful = self.config.augmentation.forget
            share, rng = self.config.corrupt, self._rng
            inputs = corrupt_some(inputs, share, self._corruptor, rng, forgetful, source.earlier)
        inputs, labels = _to(inputs, labels, self.device)
        inputs = self.config.blur.apply(inputs, progress)
        _, terms = self._terms(self.net, inputs, labels, self._rng)
        self.optimizer.zero_grad(set_to_none=True)
        total(terms, self.config.imputation.weights()).backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self._average()
        self.step += 1
        return {name: float(term.detach()) for name, term in terms.items()}

    def _terms(
        self, net: PolicyNet, inputs: dict[str, Tensor], labels: Labels, rng: torch.Generator
    ) -> tuple[NetOutput, dict[str, Tensor]]:
        """Terms of the policy and of its imputer; without one the generator is not drawn from."""
        out = net(**inputs)
        terms = policy_losses(out, labels)
        if net.imputer is not None:
            hidden = hide(inputs["valid"], self.config.imputation.hide, rng)
            terms |= net.imputation_losses(out.tokens, inputs["valid"], hidden)
        return out, terms

    def _average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.net.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[name].lerp_(value.detach(), 1 - decay)

    @torch.no_grad()
    def validate(self, batches: int = 20) -> dict[str, float]:
        """Mean terms of the averaged network over held-aside episodes, without augmentation."""
        if not self._watch:
            return {}
        net = PolicyNet(self.config.net).to(self.device).eval()
        net.load_state_dict(self.average)
        sums: dict[str, float] = {}
        rng = torch.Generator().manual_seed(1)
        for i in range(batches):
            watch = self._watch[i % len(self._watch)]
            inputs, labels = _to(*watch.draw(256, None), self.device)
            out, losses = self._terms(net, inputs, labels, rng)
            terms = {k: float(v) for k, v in losses.items()}
            here, asked = labels.present > 0.75, labels.present != 0.5
            miss = (out.target - labels.target).norm(dim=-1)[here]
            terms["target_mm"] = float(miss.median()) * 1000
            terms["target_within_2cm"] = float((miss < 0.02).float().mean())
            terms["presence_right"] = float(((out.present > 0) == here)[asked].float().mean())
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value / batches
        return sums

    def _checkpoint(self, terms: dict[str, float]) -> None:
        state = {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
            "spent_s": self.spent_s,
            "config": json.dumps(asdict(self.config.net)),
        }
        partial = self.directory / "last.pt.part"
        torch.save(state, partial)
        partial.replace(self.directory / "last.pt")
        told = {"config": json.dumps(asdict(self.config.net))}
        if self.config.dead:
            told[DEAD] = ",".join(self.config.dead)
        save_file(self.average, self.directory / "ema.safetensors", metadata=told)
        (self.directory / "config.json").write_text(json.dumps(asdict(self.config), indent=1))
        spent = {"step": self.step, "spent_s": round(self.spent_s, 1)}
        row: dict[str, object] = {
            **spent,
            **self.validate(max(self.config.validation_batches // 4, 1)),
            "last": terms,
        }
        with (self.directory / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")


def _made_coarse(net: PolicyNet, precision: str) -> PolicyNet:
    """The network, which computes from now on as its training is to."""
    for module in net.modules():
        if isinstance(module, Coarse):
            module.is_coarse = precision == "bfloat16"
    return net


def load_network(weights: Path) -> PolicyNet:
    """The averaged network of a run, in evaluation mode; weights without words are default's.

    Raises `WeightsError` when they are of another version of the network.
    """
    with safe_open(weights, "pt") as file:
        told = (file.metadata() or {}).get("config", "{}")
    net = PolicyNet(NetConfig.of(json.loads(told)))
    put(net, load_file(weights), weights)
    return net.eval()


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _to(
    inputs: dict[str, Tensor], labels: Labels, device: torch.device
) -> tuple[dict[str, Tensor], Labels]:
    if device.type == "cpu":
        return inputs, labels
    moved = {k: v.to(device, non_blocking=True) for k, v in inputs.items()}
    known = {k: v for k, v in vars(labels).items() if v is not None}
    return moved, Labels(**{k: v.to(device) for k, v in known.items()})


def _to_draw_from(train: Sequence[RowSource], config: TrainConfig, seed: int) -> list[Batches]:
    """Of each set of rows, its batches."""
    felt = config.felt if config.net.version > 1 else 0.0
    sets = [
        Batches(rows, seed + i, config.dead, felt) for i, rows in enumerate(train) if len(rows)
    ]
    if not sets:
        raise LoaderError("no rows to train on", "more episodes, so that one is not kept aside")
    return sets
