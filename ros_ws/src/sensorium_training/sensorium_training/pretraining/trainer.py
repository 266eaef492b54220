"""The pretraining run: seeded, resumable bit for bit, the same on one process and on several.

State is a directory: `checkpoints/`, `encoders.safetensors`, `log.jsonl`, `config.json`.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from sensorium_core.errors import LoaderError
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from sensorium_training.encoders import contract_of
from sensorium_training.objectives.interface import Terms
from sensorium_training.pretraining.config import PretrainConfig
from sensorium_training.pretraining.encoding import Pretraining
from sensorium_training.pretraining.processes import Processes
from sensorium_training.pretraining.records import Checkpoints, RunLog, read_checkpoint
from sensorium_training.pretraining.rows import PretrainRows
from sensorium_training.pretraining.transfer import save_encoders
from sensorium_training.pretraining.views import Views
from sensorium_training.weights import put

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called with steps done, of how many, and the last terms."""
_CHANCE = ("rows", "views", "objectives")
"""What has a generator of its own."""
_VALIDATION_SEED = 1
_LONGEST_GRADIENT = 5.0


class Pretrainer:
    """One run in a directory; it goes on from its newest checkpoint, or from a named one."""

    def __init__(
        self,
        train: PretrainRows,
        watch: PretrainRows | None,
        directory: Path,
        config: PretrainConfig,
        processes: Processes | None = None,
        resume: Path | None = None,
    ) -> None:
        """Begin, or go on.

        Args:
            train: rows to learn from.
            watch: rows of other episodes, for validation.
            directory: of the run.
            resume: a checkpoint of this run; the newest by default.

        Raises:
            LoaderError: too few rows, or a checkpoint of other settings or rows.
        """
        self.config, self.directory = config, directory
        self.processes = processes or Processes()
        self._share = self.processes.share(config.batch)
        train.require(config.batch, "training")
        self._train, self._watch, self._views = train, watch, Views()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.net = Pretraining(config.objectives, config.net, contract_of(config.net))
        self._dtype = torch.float64 if config.precision == "float64" else torch.float32
        self.net.to(self.processes.device, self._dtype)
        trained = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            trained, config.learning_rate, weight_decay=config.weight_decay
        )
        self.step = 0
        self.chance = {
            name: torch.Generator().manual_seed(10 * config.seed + i)
            for i, name in enumerate(_CHANCE)
        }
        self._checkpoints = Checkpoints(directory)
        self._resume(resume or self._checkpoints.newest())
        self._parallel = self._spread()

    @property
    def validation_rows(self) -> int:
        """Rows of a validation batch, the same number in each process; 0: too few kept aside."""
        world = self.processes.world
        size = min(self.config.batch, len(self._watch) if self._watch is not None else 0)
        return size - size % world if size >= 2 * world else 0

    def run(self, progress: Progress, say: Callable[[str], None] = lambda line: None) -> Path:
        """Train to the last step; returns the encoders' file. `say` is told what to know."""
        config, writes = self.config, self.processes.writes
        log = RunLog(self.directory, self.step) if writes else None
        if log is not None:
            if log.missing:
                say(log.missing)
            (self.directory / "config.json").write_text(json.dumps(config.as_data(), indent=1))
        if self.step == 0:
            self._log(log, "validation", self.validate())
        began, since = time.monotonic(), self.step
        while self.step < config.steps:
            terms = self.train_step()
            last = self.step == config.steps
            if self.step % config.log_steps == 0 or last:
                pace = (self.step - since) / max(time.monotonic() - began, 1e-9)
                self._log(log, "train", {**terms, "steps_per_s": round(pace, 3)})
            if self.step % config.checkpoint_steps == 0 or last:
                self._log(log, "validation", self.validate())
                if writes:
                    self._write()
            progress(self.step, config.steps, terms)
        if log is not None:
            self._finish()
            log.close()
        self.processes.wait()
        return self.directory / "encoders.safetensors"

    def train_step(self) -> dict[str, float]:
        """One step over a batch; returns every objective's terms and the learning rate."""
        rate = self._rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._parallel.train()
        terms = self._terms(self._parallel, self._train, self.config.batch, self.chance)
        self.optimizer.zero_grad(set_to_none=True)
        terms.loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), _LONGEST_GRADIENT)
        if not torch.isfinite(norm):
            raise LoaderError(
                f"the gradient is {float(norm)} at step {self.step}",
                "a finite one; lower --learning-rate",
            )
        self.optimizer.step()
        self.step += 1
        return {**_numbers(terms), "learning_rate": rate}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean terms over rows kept aside, the same ones each time; nothing where there are none.

        All processes must call it at the same step.
        """
        size = self.validation_rows
        if self._watch is None or not size:
            return {}
        self.net.eval()
        chance = {name: torch.Generator().manual_seed(_VALIDATION_SEED) for name in _CHANCE}
        sums: dict[str, float] = {}
        for _ in range(self.config.validation_batches):
            terms = self._terms(self.net, self._watch, size, chance, plain=True)
            for name, value in _numbers(terms).items():
                sums[name] = sums.get(name, 0.0) + value / self.config.validation_batches
        return sums

    def _terms(
        self,
        net: nn.Module,
        source: PretrainRows,
        size: int,
        chance: Mapping[str, torch.Generator],
        plain: bool = False,
    ) -> Terms:
        """Loss of one batch, of which this process takes its share; `plain`: not augmented."""
        device, share = self.processes.device, self.processes.share(size)
        drawn = source.draw(size, self.config.rows_per_episode, chance["rows"])
        rows = source.take(drawn[share]).to(device, self._dtype)
        encoded = {sense: rows.samples[sense] for sense in self.net.needs.senses}
        first = encoded if plain else self._views(encoded, size, share, chance["views"])
        second = {}
        if self.net.needs.views:
            second = self._views(encoded, size, share, chance["views"])
        is_low = self.config.precision == "bfloat16"
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_low):
            return net(rows, first, second, chance["objectives"])

    def _spread(self) -> nn.Module:
        """The module as all processes share it."""
        if self.processes.world == 1:
            return self.net
        device = self.processes.device
        return DistributedDataParallel(
            self.net, device_ids=None if device.type == "cpu" else [device.index]
        )

    def _rate(self) -> float:
        """Learning rate of the next step: a ramp, then a cosine to 2 %."""
        done = self.step / self.config.steps
        warm_up = max(1, min(self.config.warm_up, self.config.steps // 10))
        ramp = min(1.0, (self.step + 1) / warm_up)
        cosine = 0.02 + 0.49 * (1 + math.cos(math.pi * done))
        return self.config.learning_rate * ramp * cosine

    def _log(self, log: RunLog | None, kind: str, terms: Mapping[str, float]) -> None:
        if log is not None and terms:
            log.write(self.step, kind, terms)

    def _write(self) -> None:
        self._checkpoints.write(
            self.step,
            {
                "net": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "chance": {name: one.get_state() for name, one in self.chance.items()},
                "step": self.step,
                "config": json.dumps(self.config.as_data()),
                "data": self._train.data_hash,
            },
        )

    def _resume(self, path: Path | None) -> None:
        if path is None:
            return
        state = read_checkpoint(path, self.config.as_data(), self._train.data_hash)
        put(self.net, state["net"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        for name, one in self.chance.items():
            one.set_state(state["chance"][name])
        self.step = state["step"]

    def _finish(self) -> None:
        """The encoders, and what they are of."""
        config = self.config.as_data()
        facts = {
            "config": config["net"],
            "objectives": config["objectives"],
            "seed": self.config.seed,
            "step": self.step,
            "data_hash": self._train.data_hash,
        }
        path = self.directory / "encoders.safetensors"
        save_encoders(self.net.encoders, self.net.needs.senses, path, facts)


def _numbers(terms: Terms) -> dict[str, float]:
    logs = {name: float(value.detach()) for name, value in terms.logs.items()}
    return {"loss": float(terms.loss.detach()), **logs}
