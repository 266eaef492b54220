"""Which topic of a foreign bag becomes which of ours, given by a person."""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from sensorium_core.bounded import load_yaml, one_line
from sensorium_core.errors import TopicMapError, UnknownNameError

_NAME = re.compile(r"/?[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z_][A-Za-z0-9_]*)*")
_LONGEST_NAME = 256


def parse_map(pairs: Iterable[str], file: Path | None = None) -> dict[str, str]:
    """Absolute names by absolute names, from `from=to` texts and a YAML mapping.

    Raises `TopicMapError`.
    """
    found = dict(_read(file)) if file is not None else {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not equals:
            raise TopicMapError(
                pair[:60], "is no mapping", "FROM=TO, such as /ft_sensor/raw=wrench"
            )
        found[old] = new
    return {_absolute(old): _absolute(new) for old, new in found.items()}


def renamed(topic_map: Mapping[str, str], topics: Collection[str]) -> dict[str, str]:
    """New name by old name, of all topics of a bag.

    Raises:
        UnknownNameError: the map names a topic that the bag lacks.
        TopicMapError: two topics would become one.
    """
    for old in topic_map:
        if old not in topics:
            raise UnknownNameError("topic in the map", old, sorted(topics))
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for old in topics:
        new = topic_map.get(old, old)
        if new in owners:
            raise TopicMapError(
                new,
                f"would come from both {owners[new]} and {old}",
                "one source each; map the other one to a name of its own",
            )
        owners[new], names[old] = old, new
    return names


def _read(file: Path) -> Mapping[str, str]:
    try:
        data = load_yaml(file)
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({one_line(error)})"
        raise TopicMapError(str(file), problem, "YAML: FROM: TO") from None
    texts = isinstance(data, dict) and all(
        isinstance(old, str) and isinstance(new, str) for old, new in data.items()
    )
    if not texts:
        raise TopicMapError(str(file), "is no mapping of names", "YAML lines FROM: TO")
    return dict(data)


def _absolute(name: str) -> str:
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise TopicMapError(name[:60], "is no topic name", "letters, digits, _ and / between them")
    return "/" + name.lstrip("/")
