"""lerobot in an environment of its own, made on first use and kept; nothing of it enters ours."""

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "0.4.4"
_SIDE = Path(__file__).with_name("lerobot_side.py")
_FFMPEG = {"avcodec", "avdevice", "avfilter", "avformat", "avutil", "swresample", "swscale"}


def default_folder() -> Path:
    """Where the environment lies unless told otherwise."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "sensorium" / f"lerobot-{VERSION}"


class LeRobot:
    """Runs things in lerobot's environment."""

    def __init__(self, folder: Path) -> None:
        """Make the environment if it is not there: about 8 GB, from PyPI."""
        self._folder = folder
        if not (folder / "complete").is_file():
            print(f"installing lerobot {VERSION} into {folder}", file=sys.stderr)
            venv.create(folder, with_pip=True, clear=True)
            wanted = f"lerobot=={VERSION}"
            subprocess.run([self._bin("pip"), "install", "--quiet", wanted], check=True)
            (folder / "complete").touch()
        self._environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(folder / "huggingface"),
            "LD_LIBRARY_PATH": str(self._ffmpeg()),
        }

    def _bin(self, name: str) -> str:
        return str(self._folder / "bin" / name)

    def _ffmpeg(self) -> Path:
        """FFmpeg for torchcodec, which brings none: PyAV's, under the names that it looks for."""
        folder = self._folder / "ffmpeg"
        folder.mkdir(exist_ok=True)
        for library in self._folder.glob("lib/python*/site-packages/av.libs/*"):
            names = {library.name}
            match = re.fullmatch(r"lib(\w+)-[0-9a-f]+\.so\.(\d+)\..*", library.name)
            if match and match[1] in _FFMPEG:
                names.add(f"lib{match[1]}.so.{match[2]}")
            for name in names:
                (folder / name).unlink(missing_ok=True)
                (folder / name).symlink_to(library)
        return folder

    def backend(self) -> str:
        """The video decoder that lerobot prefers, if it can be loaded here; else PyAV."""
        words = [self._bin("python"), "-c", "import torchcodec.decoders"]
        done = subprocess.run(words, env=self._environment, capture_output=True, check=False)
        return "pyav" if done.returncode else "torchcodec"

    @contextmanager
    def reader(self, root: Path, indices: Path, chunk: int, backend: str) -> Iterator["Reader"]:
        """A process that loads items of a dataset."""
        words = [self._bin("python"), str(_SIDE), str(root), "--indices", str(indices),
                 "--chunk", str(chunk), "--backend", backend]  # fmt: skip
        pipe = subprocess.PIPE
        with subprocess.Popen(
            words, env=self._environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL,
            text=True,
        ) as process:  # fmt: skip
            try:
                yield Reader(process)
            finally:
                process.stdin.close()

    def train_act(self, root: Path, out: Path, steps: int, backend: str) -> list[float]:
        """Losses of lerobot's own training of its ACT policy, on the CPU, one a step.

        The image encoder starts untrained, since its weights would have to be downloaded.
        """
        options = {
            "dataset.repo_id": "sensorium/export", "dataset.root": root,
            "dataset.video_backend": backend, "policy.type": "act", "policy.device": "cpu",
            "policy.push_to_hub": "false", "policy.pretrained_backbone_weights": "null",
            "policy.chunk_size": 16, "policy.n_action_steps": 16, "steps": steps,
            "batch_size": 4, "num_workers": 0, "log_freq": 1, "eval_freq": 0, "seed": 1,
            "save_checkpoint": "false", "wandb.enable": "false", "output_dir": out,
        }  # fmt: skip
        words = [self._bin("lerobot-train"), *(f"--{k}={v}" for k, v in options.items())]
        done = subprocess.run(
            words, env=self._environment, capture_output=True, text=True, check=True
        )
        return [float(loss) for loss in re.findall(r" loss:([\d.]+) ", done.stderr + done.stdout)]


class Reader:
    """The other end of `lerobot_side.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.about = self._answer()

    def ask(self, words: str) -> dict[str, object]:
        """Send a line; return the answer."""
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, object]:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._process.args)} ended; run it to see why")
        return json.loads(line)
