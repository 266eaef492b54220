"""What goes wrong with disks, clocks and files: is it said, what is kept, does the arm go on?"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from recording_stack import Recording
from results_page import table
from running_cell import Acting
from sensorium_cli.over_ros import RosCell
from sensorium_core.errors import BagError, SensoriumError
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.repair import repair

_WAIT_S = 20.0


@dataclass
class Fault:
    """How one fault went."""

    name: str
    said: str
    after_s: float | None
    """From the fault to the recorder's words."""
    kept: str
    control: str


def faults(folder: Path) -> dict[str, object]:
    """Inject each fault in the running stack."""
    found: list[Fault] = []
    with RosCell({"record": "false"}) as cell:
        acting = Acting(cell)
        for inject in (_disk_full, _room_runs_out, _read_only, _deleted, _unmounted):
            found.append(inject(acting, folder))
        found.append(_stamps(acting, folder))
        found.append(_type_changes(acting, folder))
    found += _files(folder)
    return {"faults": [vars(fault) for fault in found]}


def faults_page(result: dict[str, object]) -> str:
    """The table of faults."""
    rows = [
        [
            f["name"],
            f["said"],
            "-" if f["after_s"] is None else f"{f['after_s']:.2f} s",
            f["kept"],
            f["control"],
        ]
        for f in result["faults"]
    ]
    return table(["fault", "what is said", "after", "what is kept", "the arm meanwhile"], rows)


@contextmanager
def _small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    path.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=False, capture_output=True)
        path.rmdir()


def _during(
    acting: Acting,
    folder: Path,
    name: str,
    fault: Callable[[], None],
    said: str,
    **parameters: object,
) -> tuple[str, float, str]:
    """Record, break something, wait for the recorder's words; returns words, delay, control."""
    acting.forget_health()
    with Recording(folder, name, **parameters) as recording:
        acting.await_recording()
        acting.act(3.0)
        before = time.monotonic()
        fault()
        broken_s = time.monotonic()
        seen = acting.act(_WAIT_S, lambda: said in acting.health()[0])
        words, after_s = acting.health()[0], time.monotonic() - broken_s
        acting.act(3.0)
        control = (
            f"{acting.rate_hz(before - 3.0, before):.1f} → "
            f"{acting.rate_hz(broken_s, time.monotonic()):.1f} trajectories/s"
        )
        recording.end()
    return (words if seen else f"NOT SAID: {words}"), after_s, control


def _short(words: str, folder: Path) -> str:
    words = words.replace(str(folder), "…")
    return words if len(words) < 150 else words[:147] + "..."


def _disk_full(acting: Acting, folder: Path) -> Fault:
    with _small_disk(folder / "small", 400) as disk:
        filler = disk / "filler"

        def fill() -> None:
            with filler.open("wb") as file:
                try:
                    while True:
                        file.write(bytes(1 << 20))
                        file.flush()
                except OSError:
                    pass

        words, after_s, control = _during(
            acting, disk, "full", fill, "No space left", min_free_gb=0.0
        )
        filler.unlink()
        result = repair(disk / "full.partial", folder / "full_repaired")
    shutil.rmtree(result.bag)
    kept = f"{result.messages} messages repaired, {sum(result.missing.values())} missing between"
    return Fault("disk full", _short(words, folder), after_s, kept, control)


def _room_runs_out(acting: Acting, folder: Path) -> Fault:
    with _small_disk(folder / "small", 1500) as disk:
        words, _, control = _during(
            acting, disk, "guard", lambda: None, "are kept free", min_free_gb=1.0
        )
        count = sum(1 for _ in BagReader(disk / "guard").messages())
    kept = f"closed whole: {count} messages"
    return Fault("room runs out (guard)", _short(words, folder), None, kept, control)


def _read_only(acting: Acting, folder: Path) -> Fault:
    with _small_disk(folder / "small", 2000) as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        acting.forget_health()
        with Recording(disk, "ro", min_free_gb=0.0) as recording:
            begun_s = time.monotonic()
            acting.act(_WAIT_S, lambda: "cannot be written" in acting.health()[0])
            words = acting.health()[0]
            acting.act(4.0)
            control = f"{acting.rate_hz(begun_s, time.monotonic()):.1f} trajectories/s"
            recording.end()
    return Fault("read-only directory", _short(words, folder), None, "nothing begun", control)


def _deleted(acting: Acting, folder: Path) -> Fault:
    words, after_s, control = _during(
        acting, folder, "gone", lambda: shutil.rmtree(folder / "gone.partial"), "No such file"
    )
    return Fault(
        "directory deleted", _short(words, folder), after_s, "nothing is left to keep", control
    )


def _unmounted(acting: Acting, folder: Path) -> Fault:
    with _small_disk(folder / "small", 2000) as disk:
        take_away = partial(subprocess.run, ["umount", "-l", disk], check=True)
        words, after_s, control = _during(acting, disk, "mount", take_away, "No such file")
    said = _short(words, folder)
    return Fault("mount vanishes", said, after_s, "nothing is left to keep", control)


def _stamps(acting: Acting, folder: Path) -> Fault:
    """Header stamps that are no time, and a clock that jumps back, on a topic of their own."""
    from geometry_msgs.msg import WrenchStamped

    seconds = [100, 101, 5, -7, 2_000_000_000, 6]
    acting.forget_health()
    with _other_node("bad_stamps") as node:
        publisher = node.create_publisher(WrenchStamped, "bad_wrench", 100)
        with Recording(folder, "stamps", topics='["bad_wrench", "wrench"]') as recording:
            end_s = time.monotonic() + _WAIT_S
            while publisher.get_subscription_count() == 0 and time.monotonic() < end_s:
                acting.cell.client.spin(0.05)
            begun_s = time.monotonic()
            for second in seconds:
                message = WrenchStamped()
                message.header.stamp.sec = second
                message.header.stamp.nanosec = 4_000_000_000
                message.wrench.force.x = float("nan")
                publisher.publish(message)
            acting.act(3.0)
            control = f"{acting.rate_hz(begun_s, time.monotonic()):.1f} trajectories/s"
            recording.end()
    found = list(BagReader(recording.bag).messages({"/bad_wrench"}))
    got = [int.from_bytes(m.payload[4:8], "little", signed=True) for m in found]
    shutil.rmtree(recording.bag)
    kept = f"{len(got)} of {len(seconds)} as sent" if got == seconds else f"CHANGED: {got}"
    words = "recorded as they are; `sensorium card` names them"
    return Fault("stamps that are no time, NaN, jumping back", words, None, kept, control)


def _type_changes(acting: Acting, folder: Path) -> Fault:
    """Another process publishes another type on the same topic."""
    from std_msgs.msg import Float64, String

    acting.forget_health()
    key = "problem//changing"
    with _other_node("one") as one, _other_node("two") as two:
        first = one.create_publisher(String, "changing", 10)
        with Recording(folder, "types", topics='["changing"]') as recording:
            end_s = time.monotonic() + _WAIT_S
            while first.get_subscription_count() == 0 and time.monotonic() < end_s:
                acting.cell.client.spin(0.05)
            first.publish(String(data="before"))
            begun_s = time.monotonic()
            two.create_publisher(Float64, "changing", 10).publish(Float64(data=1.0))
            seen = acting.act(_WAIT_S, lambda: key in acting.health()[1])
            after_s = time.monotonic() - begun_s
            words = acting.health()[1].get(key, "")
            first.publish(String(data="after"))
            acting.act(1.0)
            control = f"{acting.rate_hz(begun_s, time.monotonic()):.1f} trajectories/s"
            recording.end()
    kept = sum(1 for _ in BagReader(recording.bag).messages({"/changing"}))
    shutil.rmtree(recording.bag)
    said = words if seen else "NOT SAID"
    return Fault("topic type changes", said, after_s, f"{kept} of 2 of the first type", control)


@contextmanager
def _other_node(name: str) -> Iterator[object]:
    """A node of another participant."""
    import rclpy

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node(name, context=context)
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def _files(folder: Path) -> list[Fault]:
    """Files that are empty, cut short or have a flipped bit."""
    from sensorium_recording.bag_writer import BagWriter
    from sensorium_recording.messages import encode_string

    folder.mkdir(parents=True, exist_ok=True)
    with BagWriter(folder / "whole") as bag:
        for i in range(20_000):
            bag.write("/talk", "std_msgs/msg/String", i * 10**6, encode_string(f"{i}" * 50))
    data = (folder / "whole" / "whole_0.mcap").read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 4
    cases = {"0-byte bag": b"", "truncated bag": data[: len(data) * 2 // 3],
             "bit-flipped bag": bytes(flipped)}  # fmt: skip
    found = [_file(folder, name, broken) for name, broken in cases.items()]
    shutil.rmtree(folder / "whole")
    return found


def _file(folder: Path, name: str, broken: bytes) -> Fault:
    file = folder / "broken.mcap"
    file.write_bytes(broken)
    try:
        sum(1 for _ in BagReader(file).messages())
        words = "NOT SAID"
    except BagError as error:
        words = str(error)
    try:
        result = repair(file)
        kept = f"{result.messages} of 20000 repaired"
        shutil.rmtree(result.bag)
    except SensoriumError as error:
        kept = str(error).replace(str(folder), "…")
    file.unlink()
    return Fault(name, _short(words, folder), None, kept, "-")
