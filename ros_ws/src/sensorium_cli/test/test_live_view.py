"""The status shows what a person wants to know, with and without a terminal."""

import io
import socket

from rich.console import Console
from sensorium_cli.domain import DOMAINS, free_domain
from sensorium_cli.live_view import LiveView, render
from sensorium_cli.nodes.speaker import Report

REPORTS = {
    "policy": Report("policy/step", 0, "acting: acting", {
        "planned": "true", "latency_s/total": "0.0152", "latency_s/policy": "0.0021",
        "age_s/scene_depth": "0.012", "valid/scene_depth": "true", "weight/cloud": "0.6",
        "age_s/wrench": "inf", "valid/wrench": "false", "weight/wrench": "0.0",
    }),
    "gate": Report("gate/status", 0, "armed: armed", {}),
    "sim": Report("sim/outcome", 0, "running: not done yet", {}),
    "sim health": Report("diagnostics", 0, "real time", {"real_time_factor": "1.000"}),
}  # fmt: skip


def test_a_terminal_shows_words_latency_and_every_sense():
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(render("grab the cube", "told", REPORTS))
    text = console.file.getvalue()
    for expected in ("grab the cube", "acting", "armed", "15.2 ms", "1.000 x real time"):
        assert expected in text
    depth = next(line for line in text.splitlines() if "scene_depth" in line)
    assert all(word in depth for word in ("12 ms", "yes", "60 %"))
    wrench = next(line for line in text.splitlines() if "wrench" in line)
    assert all(word in wrench for word in ("never", "no", "0 %"))


def test_a_pipe_gets_each_change_once():
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    with LiveView(console, "grab the cube") as view:
        view.say("waiting for wrench")
        view.show(REPORTS)
        view.show(REPORTS)
    assert console.file.getvalue().splitlines() == [
        "demo: waiting for wrench",
        "policy: acting: acting",
        "gate: armed: armed",
        "sim: running: not done yet",
    ]


def test_nothing_is_shown_of_nodes_that_have_not_spoken():
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(render("grab the cube", "starting the nodes", {}))
    assert "starting the nodes" in console.file.getvalue()


def test_a_domain_in_use_is_not_offered(monkeypatch):
    monkeypatch.setattr("sensorium_cli.domain.DOMAINS", range(90, 92))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 7410 + 250 * 90))
        assert {free_domain() for _ in range(20)} == {91}


def test_offered_domains_leave_ephemeral_ports_alone():
    assert 7410 + 250 * max(DOMAINS) < 32768 + 250
