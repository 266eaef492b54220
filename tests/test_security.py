"""What is said in docs/security.md and can be checked here."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sensorium_cli.launch.interpreter import interpret
from sensorium_cli.middleware import middleware_environment

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted((ROOT / "ros_ws" / "src").glob("*/sensorium_*/**/*.py"))
_NEVER = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
_CALLS = {"eval", "exec", "compile"}
_DOMAIN = 97
"""Its ports lie below those that the kernel gives to sockets that only send."""
_PORT = 7400 + 250 * _DOMAIN
PROBE = """
import sys, rclpy
from rclpy.node import Node
rclpy.init()
node = Node("probe")
print("up", flush=True)
sys.stdin.read()
"""


def names(tree: ast.AST) -> set[str]:
    """Modules imported anywhere in a file."""
    found = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    found |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    return {name.partition(".")[0] for name in found}


def calls(tree: ast.AST) -> list[str]:
    """Every call, as it is written."""
    return [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Call)]


def test_nothing_that_is_read_is_ever_code():
    for path in CODE:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not names(tree) & _NEVER, path
        for call in calls(tree):
            function = call.partition("(")[0]
            assert function not in _CALLS, (path, call)
            assert function not in ("yaml.unsafe_load", "yaml.full_load"), (path, call)
            if function == "yaml.load":
                assert "Loader=_LOADER" in call, (path, call)
            if function == "np.load":
                assert "allow_pickle=False" in call, (path, call)
            if function == "torch.load":
                assert "weights_only=True" in call, (path, call)


def test_the_one_loader_of_yaml_builds_plain_data_only():
    from sensorium_core.bounded import _LOADER

    assert _LOADER in (yaml.SafeLoader, yaml.CSafeLoader)


def test_no_process_is_started_through_a_shell():
    for path in CODE:
        for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
            assert "shell=True" not in call, (path, call)
            assert not call.startswith(("os.system(", "os.popen(")), (path, call)


def test_the_profiles_differ_only_in_whom_they_hear_and_how():
    local, network, gate = (
        re.sub(r"<!--.*?-->", "", (ROOT / "config" / name).read_text(), flags=re.DOTALL)
        for name in ("fastdds.xml", "fastdds_network.xml", "fastdds_gate.xml")
    )
    white = r"\s*<interfaceWhiteList>\s*<address>127\.0\.0\.1</address>\s*</interfaceWhiteList>"
    assert len(re.findall(white, local)) == 1
    assert re.sub(white, "", local) == network
    memory = r"\s*<transport_descriptor>\s*<transport_id>sensorium_shm.*?</transport_descriptor>"
    without = re.sub(memory, "", local, count=1, flags=re.DOTALL)
    assert without != local
    assert (
        without.replace("<transport_id>sensorium_shm</transport_id>", "").split() == gate.split()
    )


@pytest.mark.parametrize(
    ("reach", "profile"),
    [(None, "fastdds.xml"), ("LOCALHOST", "fastdds.xml"), ("SUBNET", "fastdds_network.xml")],
)
def test_only_who_opens_discovery_gets_the_open_profile(reach, profile):
    given = {"PATH": os.environ["PATH"]}
    given |= {"ROS_AUTOMATIC_DISCOVERY_RANGE": reach} if reach else {}
    plan = interpret(ROOT / "launch" / "robot.launch.yaml", {}, given)
    local = profile == "fastdds.xml"
    for process in plan.processes:
        made = process.environment["FASTRTPS_DEFAULT_PROFILES_FILE"]
        if local and process.label == "gate":
            assert Path(made).resolve() == ROOT / "config" / "fastdds_gate.xml"
            assert process.environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT"
            continue
        assert Path(made).resolve() == ROOT / "config" / profile
        assert process.environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == (reach or "LOCALHOST")
    assert Path(middleware_environment(given)["FASTRTPS_DEFAULT_PROFILES_FILE"]).name == profile


def test_a_keystore_switches_security_on_for_every_process():
    launch = ROOT / "launch" / "robot.launch.yaml"
    for keystore in ("", "/keys"):
        plan = interpret(launch, {"security_keystore": keystore}, {"PATH": "/usr/bin"})
        for process in plan.processes:
            found = {k: v for k, v in process.environment.items() if k.startswith("ROS_SECURITY")}
            assert found == ({} if not keystore else {
                "ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce",
                "ROS_SECURITY_KEYSTORE": "/keys",
            })  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    """That of our processes, on a domain of this test's own, and nothing that the user set."""
    clear = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    kept = {key: value for key, value in os.environ.items() if key not in clear}
    return middleware_environment({**kept, "ROS_DOMAIN_ID": str(_DOMAIN), **more})


def receiving(pid: int) -> set[str]:
    """Addresses that a process hears UDP on, at the ports of its domain."""
    inodes = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        link = os.readlink(handle)
        if link.startswith("socket:["):
            inodes.add(link[8:-1])
    found = set()
    for line in Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]:
        parts = line.split()
        address, port = parts[1].split(":")
        if parts[9] in inodes and _PORT <= int(port, 16) < _PORT + 250:
            found.add(".".join(str(b) for b in bytes.fromhex(address)[::-1]))
    return found


@pytest.mark.skipif(not Path("/proc/net/udp").is_file(), reason="Linux only")
def test_a_node_hears_this_host_alone():
    probe = subprocess.Popen(
        [sys.executable, "-c", PROBE], env=environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert probe.stdout.readline() == "up\n"
        assert receiving(probe.pid) == {"127.0.0.1"}
    finally:
        probe.communicate("", timeout=60)


def test_a_node_that_cannot_be_secured_does_not_start_at_all(tmp_path):
    secured = environment(
        ROS_SECURITY_ENABLE="true", ROS_SECURITY_STRATEGY="Enforce",
        ROS_SECURITY_KEYSTORE=str(tmp_path),
    )  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", PROBE], env=secured, input="", capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert "up" not in ended.stdout
    assert "RCLError" in ended.stderr
