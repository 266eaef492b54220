"""Memory and speed of the export, and whether lerobot trains on what it wrote."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from lerobot_environment import LeRobot
from results_page import table
from sensorium_core import image_cdr
from sensorium_core.cdr import NS, joint_state_layout, wrench_layout
from sensorium_core.kinematics import JOINTS
from sensorium_core.trajectory import Trajectory
from sensorium_recording import messages
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.geometry_messages import encode_transforms

BAR_MB = 500
_WRENCH, _STATE = "geometry_msgs/msg/WrenchStamped", "sensor_msgs/msg/JointState"
_FRAME = "camera_scene_optical_frame"
_CHILD = """
from pathlib import Path
from sensorium_recording.commands.export_lerobot import export_lerobot
export_lerobot(standalone_mode=False)
print(next(r for r in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in r))
"""


def native_bag(path: Path, seconds: float) -> Path:
    """A bag of three 640x480 streams at 30 Hz and 500 Hz of force and joints, about 70 MB/s."""
    if path.exists():
        return path
    shutil.rmtree(path.with_name(path.name + ".partial"), ignore_errors=True)
    noise = np.random.default_rng(0).integers(0, 256, 2 * 640 * 480 * 3, dtype=np.uint8)
    with BagWriter(path) as bag:
        pose = np.eye(4)
        pose[:3, 3] = (0.5, 0.0, 0.7)
        bag.write(
            "/tf_static",
            messages.TRANSFORMS,
            NS,
            encode_transforms(NS, "base_link", {_FRAME: pose}),
        )
        bag.write("/instruction", messages.STRING, NS, messages.encode_string("press on"))
        for second in range(int(seconds)):
            for row in sorted(_second(second, noise), key=lambda row: row[2]):
                bag.write(*row)
    return bag.directory


def _second(second: int, noise: np.ndarray) -> list[tuple[str, str, int, bytes]]:
    begin = (1 + second) * NS
    fast, slow = begin + np.arange(500) * 2_000_000, begin + np.arange(100) * 10_000_000
    waves = np.sin(fast[:, None] / NS * np.arange(1, 15))
    rows = _rows("/joint_states", _STATE, fast, joint_state_layout(JOINTS).encode(fast, waves))
    rows += _rows("/wrench", _WRENCH, fast, wrench_layout("tool").encode(fast, waves[:, :6]))
    for side in ("left", "right"):
        payloads = wrench_layout(side).encode(slow, waves[::5, :6])
        rows += _rows(f"/touch/{side}", _WRENCH, slow, payloads)
    for i in range(30):
        rows += _pictures(begin + round(i * NS / 30), 7 * i + second, noise)
    for i in range(10):
        rows += _commands(begin + i * NS // 10)
    return rows


def _rows(topic: str, kind: str, stamps: np.ndarray, payloads: list[bytes]) -> list[tuple]:
    return [(topic, kind, int(t), p) for t, p in zip(stamps, payloads, strict=True)]


def _pictures(stamp: int, shift: int, noise: np.ndarray) -> list[tuple[str, str, int, bytes]]:
    k = np.array([[500.0, 0, 320], [0, 500.0, 240], [0, 0, 1]])
    size = 640 * 480
    colour = noise[shift : shift + 3 * size].reshape(480, 640, 3)
    depth = 600 + noise[shift : shift + size].reshape(480, 640).astype(np.uint16)
    encode = image_cdr.encode_image
    info = messages.encode_camera_info(stamp, _FRAME, (480, 640), k)
    return [
        ("/camera/scene/camera_info", messages.CAMERA_INFO, stamp, info),
        ("/camera/scene/image_raw", image_cdr.TYPE, stamp, encode(stamp, _FRAME, colour, "rgb8")),
        ("/camera/wrist/image_raw", image_cdr.TYPE, stamp, encode(stamp, _FRAME, colour, "rgb8")),
        ("/camera/scene/depth/image_rect_raw", image_cdr.TYPE, stamp,
         encode(stamp, _FRAME, depth, "16UC1")),
    ]  # fmt: skip


def _commands(stamp: int) -> list[tuple[str, str, int, bytes]]:
    whole = Trajectory(stamp, JOINTS, np.array([0.1, 0.2, 0.3]), np.full((3, 7), 0.1))
    return [
        (f"/{part}_controller/joint_trajectory", messages.TRAJECTORY, stamp,
         messages.encode_trajectory(whole.select(names)))
        for part, names in (("arm", JOINTS[:6]), ("gripper", JOINTS[6:]))
    ]  # fmt: skip


def export_apart(bags: Path, out: Path, images: str) -> dict[str, object]:
    """Export in a process of its own, which tells its peak memory at the end."""
    shutil.rmtree(out, ignore_errors=True)
    words = [sys.executable, "-c", _CHILD, str(bags), str(out), "--all", "--images", images]
    begun_s = time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    taken_s = time.perf_counter() - begun_s
    size = sum(f.stat().st_size for f in bags.rglob("*.mcap"))
    written = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    return {
        "bags": str(bags.name), "images": images, "read_mb": size / 2**20,
        "written_mb": written / 2**20, "seconds": taken_s,
        "peak_mb": int(done.stdout.split()[-2]) / 1024,
    }  # fmt: skip


def measure(bags: list[Path], out: Path, lerobot: LeRobot, steps: int) -> dict[str, object]:
    """Export each folder of bags both ways; train ACT on the first one's video."""
    rows = [
        export_apart(folder, out / f"export_{folder.name}_{images}", images)
        for folder in bags
        for images in ("video", "image")
    ]
    shutil.rmtree(out / "act", ignore_errors=True)
    begun_s = time.perf_counter()
    dataset = out / f"export_{bags[0].name}_video"
    losses = lerobot.train_act(dataset, out / "act", steps, lerobot.backend())
    return {"exports": rows, "losses": losses, "act_s": time.perf_counter() - begun_s}


def page(result: dict[str, object]) -> str:
    """The section's text."""
    rows = [
        [r["bags"], "MP4" if r["images"] == "video" else "PNG in Parquet", f"{r['read_mb']:,.0f}",
         f"{r['written_mb']:,.1f}", f"{r['seconds']:.1f}", f"{r['peak_mb']:.0f}"]
        for r in result["exports"]
    ]  # fmt: skip
    peak = max(r["peak_mb"] for r in result["exports"])
    losses = result["losses"]
    return "\n\n".join([
        f"`sensorium export-lerobot`, each in a process of its own. The bar is {BAR_MB} MB of "
        f"memory whatever the bags' size: {'met' if peak < BAR_MB else 'not met'}.",
        table(["bags", "images", "read, MB", "written, MB", "seconds", "peak memory, MB"], rows),
        f"`lerobot-train` trains its ACT (52 M parameters, untrained image encoder, batch of 4, "
        f"CPU) on the first of these for {len(losses)} steps: loss {losses[0]:.1f} at the first, "
        f"{losses[-1]:.1f} at the last, {result['act_s']:.0f} s with start-up.",
    ])  # fmt: skip
