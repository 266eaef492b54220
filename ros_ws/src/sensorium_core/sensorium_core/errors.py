"""Every error that Sensorium raises on purpose. One root; each class writes its own message.

A message says what was wrong, what was got, what is allowed and what to do next.
"""

from collections.abc import Iterable


class SensoriumError(Exception):
    """Root of all deliberate errors; the command line prints it without a traceback."""


class UnknownNameError(SensoriumError):
    """A name that is not one of a closed set."""

    def __init__(self, field: str, got: object, allowed: Iterable[str]) -> None:
        super().__init__(f"unknown {field} {got!r}; allowed: {', '.join(allowed)}")


class TrajectoryError(SensoriumError):
    """A joint trajectory that is not well formed."""

    def __init__(self, got: str, allowed: str) -> None:
        super().__init__(f"joint trajectory {got}; expected {allowed}")


class ShapeError(SensoriumError):
    """An array whose shape or type differs from what the contract says."""

    def __init__(self, name: str, got: object, expected: object) -> None:
        super().__init__(f"{name}: got {got}, expected {expected}; check the driver's encoding")


class ContractError(SensoriumError):
    """A contract that cannot be read or does not fit what is live."""

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"contract {where}: {problem}; {remedy}")


class PolicyFileError(SensoriumError):
    """A policy file that cannot be used."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"policy {path}: {problem}; {remedy}")


class KinematicsError(SensoriumError):
    """A URDF without what the arm needs, or a pose that the arm cannot reach."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")


class GateConfigError(SensoriumError):
    """A setting of the gate, or `of` another node, outside its legal range."""

    def __init__(self, field: str, got: object, allowed: str, of: str = "gate") -> None:
        super().__init__(f"{of} setting {field} = {got!r}; expected {allowed}")


class CalibrationError(SensoriumError):
    """A calibration file that cannot be used."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"calibration {path}: {problem}; {remedy}")


class InstructionError(SensoriumError):
    """Text that cannot be an instruction."""

    def __init__(self, problem: str, allowed: str) -> None:
        super().__init__(f"instruction {problem}; expected {allowed}")


class BagError(SensoriumError):
    """A recording that cannot be read or written."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"bag {path}: {problem}; {remedy}")


class RecorderConfigError(SensoriumError):
    """A setting of the recorder outside its legal range."""

    def __init__(self, field: str, got: object, allowed: str) -> None:
        super().__init__(f"recorder setting {field} = {got!r}; expected {allowed}")


class ExportError(SensoriumError):
    """A dataset that cannot be written."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"dataset {path}: {problem}; {remedy}")


class PlayerConfigError(SensoriumError):
    """A setting of the player outside its legal range."""

    def __init__(self, field: str, got: object, allowed: str) -> None:
        super().__init__(f"player setting {field} = {got!r}; expected {allowed}")


class TopicTakenError(SensoriumError):
    """Topics of a bag that somebody publishes already."""

    def __init__(self, topics: Iterable[str]) -> None:
        super().__init__(
            f"other nodes publish {', '.join(topics)} too, and two voices may move an arm; "
            "set another ROS_DOMAIN_ID, leave the topics out with --exclude, or use --force"
        )


class MessageDecodeError(SensoriumError):
    """Bytes that are not the message that they claim to be."""

    def __init__(self, type_name: str, got: str, expected: str) -> None:
        super().__init__(f"{type_name} {got}; expected {expected}")


class TextTooLongError(SensoriumError):
    """An instruction longer than the language encoder reads."""

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(
            f"instruction of {length} characters; at most {limit} are read; say it in one sentence"
        )


class LanguageFileError(SensoriumError):
    """A language encoder file that cannot be used."""

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(
            f"language encoder {path}: {problem}; "
            "make it with: python -m sensorium_training.language.train"
        )


class PhrasesFileError(SensoriumError):
    """A file of test phrases with a line that cannot be read."""

    def __init__(self, path: object, line: int, problem: str, allowed: str) -> None:
        super().__init__(f"{path}:{line}: {problem}; expected {allowed}")


class WeightsError(SensoriumError):
    """Pretrained weights that cannot be fetched or are not the pinned ones."""

    def __init__(self, what: object, problem: str, remedy: str) -> None:
        super().__init__(f"pretrained weights {what}: {problem}; {remedy}")


class LaunchFileError(SensoriumError):
    """A place in a launch file that cannot be run; the message points at it with a caret."""

    def __init__(
        self, path: object, line: int, column: int, text: str, problem: str, remedy: str
    ) -> None:
        """Point at a place.

        Args:
            path: the launch file.
            line: counted from 1.
            column: counted from 1.
            text: the whole line.
            problem: what was got.
            remedy: what is allowed or what to do.
        """
        super().__init__(
            f"{path}:{line}:{column}: {problem}\n    {text}\n    {' ' * (column - 1)}^\n  {remedy}"
        )
        self.line = line


class LaunchArgumentError(SensoriumError):
    """A launch argument on the command line that the launch file does not take."""

    def __init__(self, path: object, problem: str, allowed: Iterable[str]) -> None:
        names = ", ".join(allowed) or "none"
        super().__init__(
            f"{path}: {problem}; its arguments: {names}. See `sensorium launch {path} --show-args`"
        )


class SubstitutionError(SensoriumError):
    """A `$(...)` that cannot be read or has no value."""

    def __init__(self, problem: str, remedy: str, offset: int = 0) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.offset = offset


class PackageNotFoundError(SensoriumError):
    """A ROS package that is neither built by colcon nor installed by pip."""

    def __init__(self, package: str, known: Iterable[str]) -> None:
        super().__init__(
            f"package {package!r} is not installed; known: {', '.join(known)}. "
            "Install it with pip, or source the workspace that has it"
        )


class ExecutableNotFoundError(SensoriumError):
    """A package without the wanted executable."""

    def __init__(self, package: str, executable: str, known: Iterable[str]) -> None:
        super().__init__(
            f"package {package!r} has no executable {executable!r}; "
            f"it has: {', '.join(known) or 'none'}"
        )


class CommandUnavailableError(SensoriumError):
    """A subcommand whose libraries are not installed."""

    def __init__(self, command: str, missing: str) -> None:
        super().__init__(
            f"`sensorium {command}` needs {missing!r}, which is not installed here; "
            "`scripts/setup dev` installs what training and tests need"
        )


class NodeUnavailableError(SensoriumError):
    """Nobody on the other side of a topic."""

    def __init__(self, topic: str, waited_s: float) -> None:
        super().__init__(
            f"nothing listens to {topic!r} after {waited_s:.0f} s; start the nodes with "
            "`sensorium launch launch/sim.launch.yaml`, and use the same ROS_DOMAIN_ID "
            "and namespace here"
        )


class CacheError(SensoriumError):
    """A training cache that cannot be used."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"cache {path}: {problem}; {remedy}")


class LoaderError(SensoriumError):
    """A setting of the loader, or a division of episodes, outside its legal range."""

    def __init__(self, got: str, allowed: str) -> None:
        super().__init__(f"loader: {got}; expected {allowed}")


class ParityError(SensoriumError):
    """An exported file that does not compute what torch computes."""

    def __init__(self, worst: float, tolerance: float) -> None:
        super().__init__(
            f"the exported policy differs from torch by {worst:.2g}, more than {tolerance:g}; "
            "do not ship it: compare the exporter's versions with requirements/"
        )


class FaultError(SensoriumError):
    """A sensor fault that the simulator does not know."""

    def __init__(self, sensor: str, got: str, allowed: str) -> None:
        super().__init__(f"fault.{sensor} = {got!r}; expected {allowed}")


class EpisodeError(SensoriumError):
    """An episode that the simulator cannot set up."""

    def __init__(self, problem: str, allowed: str) -> None:
        super().__init__(f"episode {problem}; expected {allowed}")


class CloudConfigError(SensoriumError):
    """A setting of the cloud outside its legal range."""

    def __init__(self, field: str, got: object, allowed: str) -> None:
        super().__init__(f"cloud setting {field} = {got!r}; expected {allowed}")


class CalibrationDataError(SensoriumError):
    """Readings from which a calibration cannot be computed."""

    def __init__(self, got: str, expected: str) -> None:
        super().__init__(f"calibration from {got}; expected {expected}")


class GenerateError(SensoriumError):
    """Demonstrations that cannot be made."""

    def __init__(self, directory: object, problem: str, remedy: str) -> None:
        super().__init__(f"{directory}: {problem}; {remedy}")


class TopicMapError(SensoriumError):
    """A topic map that cannot be used."""

    def __init__(self, got: str, problem: str, allowed: str) -> None:
        super().__init__(f"topic map: {got!r} {problem}; expected {allowed}")
