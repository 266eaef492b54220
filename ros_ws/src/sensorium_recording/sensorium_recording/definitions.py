"""Message definitions that a foreign bag carries: which are Jazzy's, which are its own."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore
from sensorium_core.errors import UnknownNameError

from sensorium_recording.typestore import type_hash

_IDL_SECTION = "=" * 80 + "\n"
_UNREADABLE = (TypesysError, KeyError, ValueError, AssertionError, IndexError, RecursionError)


class Definition(NamedTuple):
    """What to write for a type of a foreign bag."""

    schema: str | None
    """Its text where it is not Jazzy's own; None: Jazzy's."""
    problem: str = ""
    """Why messages of this type cannot be kept."""
    note: str = ""
    """What to know about those that are."""


def definition_of(type_name: str, carried: MessageDefinition) -> Definition:
    """Decide by what the bag carries and what Jazzy knows."""
    known_hash = _jazzy_hash(type_name)
    if carried.format == MessageDefinitionFormat.NONE or not carried.data.strip():
        if known_hash:
            return Definition(None)
        return Definition(None, f"{type_name} is not Jazzy's and the bag does not define it")
    try:
        store = _store_of(type_name, carried)
        if store.hash_rihs01(type_name) == known_hash:
            return Definition(None)
        text = _text(type_name, carried, store)
    except _UNREADABLE as error:
        if known_hash:
            return Definition(
                None, note=f"{type_name}: its definition cannot be read; Jazzy's is used"
            )
        return Definition(
            None, f"the bag's definition of {type_name} cannot be read ({error!r:.80})"
        )
    if known_hash:
        note = f"{type_name} is defined otherwise than in Jazzy; kept with the bag's definition"
        return Definition(text, note=note)
    return Definition(text)


@lru_cache(maxsize=256)
def _jazzy_hash(type_name: str) -> str:
    try:
        return type_hash(type_name)
    except UnknownNameError:
        return ""


def _store_of(type_name: str, carried: MessageDefinition) -> Typestore:
    """A store that knows the fields of the bag's types, and no more.

    `Typestore.register` would make Python code of the bag's text and execute it.
    """
    store = get_typestore(Stores.EMPTY)
    for types in _parsed(type_name, carried):
        for name, found in types.items():
            if store.fielddefs.setdefault(name, found[:2]) != found[:2]:
                raise TypesysError(f"{name} is defined twice, in two ways")
    return store


def _parsed(type_name: str, carried: MessageDefinition) -> Iterator[dict[str, Any]]:
    """Names and fields of the types in a definition, section by section."""
    if carried.format == MessageDefinitionFormat.MSG:
        yield get_types_from_msg(carried.data, type_name)
    elif not carried.data.startswith(_IDL_SECTION):
        yield get_types_from_idl(carried.data)
    else:
        for section in carried.data.split(_IDL_SECTION)[1:]:
            yield get_types_from_idl(section.split("\n", 1)[1])


def _text(type_name: str, carried: MessageDefinition, store: Typestore) -> str:
    if carried.format == MessageDefinitionFormat.MSG:
        return carried.data
    return store.generate_msgdef(type_name, ros_version=2)[0]
