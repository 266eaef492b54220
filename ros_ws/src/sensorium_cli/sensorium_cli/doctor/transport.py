"""The middleware: its profile, and real images between two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sensorium_cli.doctor.finding import FAIL, OK, WARN, Finding
from sensorium_cli.middleware import PROFILE_VARIABLES, middleware_environment, profile_path

IMAGES = 60
_LIMIT_S = 30.0


def check_profile(environment: Mapping[str, str]) -> Finding:
    """Which Fast DDS profile our processes get."""
    ours = profile_path(environment)
    name = next((n for n in PROFILE_VARIABLES if n in environment), None)
    if name is None:
        return Finding("DDS profile", OK, f"{ours} (set by sensorium; for other programs: "
                       f"export {PROFILE_VARIABLES[0]}={ours})")  # fmt: skip
    chosen = Path(environment[name])
    if not chosen.is_file():
        return Finding("DDS profile", FAIL, f"{name}={chosen} is not a file", f"unset {name}")
    if chosen.resolve() != ours.resolve():
        return Finding("DDS profile", WARN, f"{name}={chosen} is not ours", f"unset {name}")
    return Finding("DDS profile", OK, str(ours))


def check_ros(environment: Mapping[str, str]) -> Finding:
    """ROS can be imported, and comes from one place."""
    script = "import rclpy, sensor_msgs; print(rclpy.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=dict(environment), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        causes = [line for line in lines if line.startswith("ImportError: lib")]
        why = causes or lines[-1:] or ["no reason given"]
        mixed = "/opt/ros" in environment.get("PYTHONPATH", "")
        remedy = (
            "unset PYTHONPATH   (a sourced ROS of another Python)"
            if mixed
            else "scripts/setup run"
        )
        return Finding("ROS", FAIL, why[0], remedy)
    domain = environment.get("ROS_DOMAIN_ID", "0")
    reach = middleware_environment(environment)["ROS_AUTOMATIC_DISCOVERY_RANGE"]
    return Finding("ROS", OK, f"domain {domain}, discovery {reach}")


def check_images(environment: Mapping[str, str]) -> Finding:
    """Best-effort 640x480 images at 30 Hz from one process to another."""
    made = middleware_environment(environment)
    command = [sys.executable, "-m", "sensorium_cli.nodes.image_probe"]
    topic = f"sensorium_doctor_{os.getpid()}"
    quiet = {"env": made, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    listener = subprocess.Popen([*command, "listen", topic, str(IMAGES)], **quiet)  # type: ignore[call-overload]
    talker = subprocess.Popen([*command, "talk", topic, str(IMAGES)], **quiet)  # type: ignore[call-overload]
    try:
        out, err = listener.communicate(timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        out, err = "", f"nothing arrived within {_LIMIT_S:.0f} s"
    finally:
        for process in (listener, talker):
            process.kill()
            process.communicate()
    return _judge(out, err)


def _judge(out: str, err: str) -> Finding:
    remedy = "sensorium doctor --clean; then see 'shared memory' and 'DDS profile' above"
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if not lines:
        why = err.strip().splitlines()[-1:] or ["no result"]
        return Finding("images over DDS", FAIL, why[0], remedy)
    result = json.loads(lines[-1])
    detail = (
        f"{result['received']} of {IMAGES} images of 0.9 MB arrived, "
        f"{result['p50_ms']:.1f} ms at the median"
    )
    lost = IMAGES - result["received"]
    status = OK if lost == 0 else WARN if lost <= IMAGES // 20 else FAIL
    return Finding("images over DDS", status, detail, "" if lost == 0 else remedy)
