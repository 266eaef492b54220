"""The environment in which every ROS process of ours runs: this host only, images that arrive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sensorium_cli.packages import BRINGUP, package_share

LOCAL = "LOCALHOST"
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def profile_path(environment: Mapping[str, str]) -> Path:
    """Our Fast DDS profile: deaf to other hosts, unless discovery is opened to them.

    Raises:
        PackageNotFoundError: if the bringup package is not installed.
    """
    reach = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE") or LOCAL
    name = "fastdds.xml" if reach == LOCAL else "fastdds_network.xml"
    return package_share(BRINGUP, environment) / "config" / name


def middleware_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """A copy of `environment` with what ROS needs; what the user has set stays as it is."""
    made = dict(environment)
    made.setdefault("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    made.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", LOCAL)
    if not any(name in made for name in PROFILE_VARIABLES):
        made[PROFILE_VARIABLES[0]] = str(profile_path(environment))
    return made
