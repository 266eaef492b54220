"""The doctor tells a sick machine from a well one, and says what to type."""

import json
import shutil
from collections import namedtuple

import pytest
from click.testing import CliRunner
from sensorium_cli.commands import doctor as doctor_command
from sensorium_cli.doctor import machine, software, transport
from sensorium_cli.doctor.finding import FAIL, OK, WARN, Finding

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("version", "status"),
    [((3, 9), FAIL), ((3, 10), WARN), ((3, 11), OK), ((3, 12), OK), ((3, 13), FAIL)],
)
def test_python_versions(monkeypatch, version, status):
    monkeypatch.setattr(machine.sys, "version_info", (*version, 0))
    assert machine.check_python().status == status


@pytest.mark.parametrize(("cores", "status"), [(1, WARN), (2, OK)])
def test_processors(monkeypatch, cores, status):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(cores)))
    assert machine.check_processors().status == status


@pytest.mark.parametrize(("free_gb", "status"), [(0.1, FAIL), (2, WARN), (50, OK)])
def test_disk(monkeypatch, tmp_path, free_gb, status):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free_gb * 1e9))
    assert machine.check_disk(tmp_path).status == status


@pytest.mark.parametrize(("free_mb", "status"), [(60, FAIL), (200, WARN), (1000, OK)])
def test_shared_memory_of_a_container_is_too_small(monkeypatch, tmp_path, free_mb, status):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free_mb * 1e6))
    finding = machine.check_shared_memory(tmp_path)
    assert finding.status == status
    assert ("--shm-size" in finding.remedy) == (status != OK)


def test_stale_files_are_counted(tmp_path):
    (tmp_path / "fastrtps_a_el").touch()
    finding = machine.check_stale_files(tmp_path)
    assert (finding.status, finding.remedy) == (WARN, "sensorium doctor --clean")


def test_libraries_are_compared_with_the_lock(tmp_path):
    lock = tmp_path / "run.txt"
    lock.write_text("# comment\nclick==0.0.1\nnever-there==1 ; python_full_version < '3'\n")
    finding = software.check_libraries(lock)
    assert finding.status == WARN
    assert "(locked: 0.0.1)" in finding.detail
    lock.write_text("no-such-library==1.0\n")
    assert software.check_libraries(lock).status == FAIL


def test_a_missing_system_library_gives_the_apt_line(monkeypatch):
    monkeypatch.setattr(software, "_SYSTEM_LIBRARIES", {"libnowhere.so.9": "libnowhere9"})
    finding = software.check_system_libraries()
    assert finding.status == FAIL
    assert "apt-get install -y libnowhere9" in finding.remedy


def test_rendering_without_a_backend_fails_in_words(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    finding = software.check_rendering()
    assert finding.status == FAIL
    assert "nonsense" in finding.detail
    assert "apt-get install" in finding.remedy


def test_profile_of_the_user_is_respected_but_told(tmp_path):
    assert transport.check_profile({}).status == OK
    own = tmp_path / "own.xml"
    name = "FASTRTPS_DEFAULT_PROFILES_FILE"
    assert transport.check_profile({name: str(own)}).status == FAIL
    own.touch()
    assert transport.check_profile({name: str(own)}).status == WARN


@pytest.mark.parametrize(("received", "status"), [(60, OK), (58, WARN), (31, FAIL), (0, FAIL)])
def test_lost_images_are_judged(received, status):
    out = json.dumps({"received": received, "p50_ms": 1.5})
    assert transport._judge(out, "").status == status


def test_images_arrive_between_processes(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "181")
    finding = transport.check_images(doctor_command.os.environ)
    assert finding.status in (OK, WARN), finding


@pytest.mark.parametrize(("status", "code"), [(OK, 0), (WARN, 0), (FAIL, 1)])
def test_exit_code_tells_failure_from_warning(monkeypatch, status, code):
    finding = Finding("a", status, "detail", "" if status == OK else "type this")
    monkeypatch.setattr(doctor_command, "CHECKS", (("a", lambda: finding),))
    result = CliRunner().invoke(doctor_command.doctor)
    assert result.exit_code == code
    assert ("type this" in result.output) == (status != OK)
    as_json = CliRunner().invoke(doctor_command.doctor, ["--json"])
    assert json.loads(as_json.stdout)[0]["status"] == status
