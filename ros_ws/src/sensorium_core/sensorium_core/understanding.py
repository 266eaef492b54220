"""From what was understood to a goal, or to the words with which the arm refuses. No model here.

Owns the reasons for holding still, and what the arm says for each.
"""

from collections.abc import Mapping

from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import (
    ALL_FAMILIES,
    COLOURS,
    NEEDED,
    QUALITIES,
    SHAPES,
    Goal,
    allowed_words,
    missing,
)

REASONS = (
    "ok",
    "negation",
    "unknown_skill",
    "unknown_object",
    "incomplete",
    "multiple",
    "not_a_command",
)
_SURE = 0.6
"""A slot less probable than this is not acted on."""
_SKILLS: Mapping[str, str] = {
    "pick": "pick up",
    "push": "push",
    "press": "press a button",
    "insert": "insert a peg",
    "hold": "press a button gently or firmly",
    "give": "give you the heavier or lighter block",
    "feel": "find the soft or hard one",
    "put": "put something into a bowl",
    "stack": "stack one thing on another",
}
_KNOWN_NOUNS = (*COLOURS, *SHAPES, "button", "peg", "bowl")


def explain(kind: str, pointed: str, families: tuple[str, ...] = ALL_FAMILIES) -> str:
    """Say for a person why an instruction is refused.

    Args:
        kind: the reason, one of `REASONS` but the first.
        pointed: the words that give it away.
        families: what is known.
    """
    if kind == "unknown_object" and pointed in _KNOWN_NOUNS:
        return f'that does not go with "{pointed}": I know {_list_skills(families)}'
    return {
        "negation": f'I was told not to do it ("{pointed}")',
        "unknown_skill": f'I know {_list_skills(families)}; I do not know "{pointed}"',
        "unknown_object": f'I do not know "{pointed}": I know cubes, cylinders, balls and buttons'
        f" in red, green, blue, yellow, purple and orange{_list_more(families)}",
        "incomplete": "part of the command is missing: what to do, to which object or button, and,"
        f" {_list_needs(families)}",
        "multiple": f'I do one thing at a time, without conditions ("{pointed}")',
        "not_a_command": "I did not understand that as a command",
    }[kind]


def check(
    named: Mapping[str, str | None], slots: Mapping[str, tuple[str, float]]
) -> tuple[str, str | None]:
    """Refuse what the slots do not add up to, whatever the classifier says.

    Args:
        named: what is named in each slot of the codebook; None, or left out, is nothing.
        slots: per slot the likeliest class and its probability.
    """
    family = named.get("family")
    if family is None:
        return "not_a_command", explain("not_a_command", "")
    for slot, (name, probability) in slots.items():
        if probability < _SURE:
            where = slot.replace("_", " ")
            return "incomplete", f"I am not sure of the {where} (perhaps {name}); say it plainly"
    if family != "push" and named.get("direction") is not None:
        return "multiple", f"a {family} has no direction; I do one thing at a time"
    if family in NEEDED:
        return _check_touch(family, named)
    extra = [slot for slot in _TOUCH_SLOTS if named.get(slot) is not None]
    if extra:
        return "multiple", f"a {family} has no {extra[0].replace('_', ' ')}"
    return _check_tabletop(family, named)


def goal_of(named: Mapping[str, str | None]) -> Goal | None:
    """The goal that the named slots make; None if they make none, or half of one."""
    family = named.get("family")
    if family is None:
        return None
    fields = {slot: name for slot, name in named.items() if slot not in ("family", "detail")}
    detail = named.get("detail")
    if detail is not None:
        fields["quality" if family in QUALITIES else "manner"] = detail
    try:
        return Goal(family, **fields)
    except UnknownNameError:
        return None


_TOUCH_SLOTS = ("detail", "onto_colour", "onto_shape")
_QUESTIONS: Mapping[tuple[str, str], str] = {
    ("insert", "quality"): "which peg",
    ("hold", "colour"): "which button? say its colour",
    ("hold", "manner"): "how hard",
    ("give", "quality"): "which block",
    ("feel", "quality"): "which one",
    ("put", "onto_colour"): "which bowl? say its colour",
    ("stack", "onto_colour"): "on which object? say its colour",
    ("stack", "onto_shape"): "on which object? say its shape",
}


def _check_touch(family: str, named: Mapping[str, str | None]) -> tuple[str, str | None]:
    """Every word that the family needs was said, and none that it has not."""
    needs = NEEDED[family]
    detail = next((name for name in ("quality", "manner") if name in needs), None)
    fields = {slot: named.get(slot) for slot in named if slot not in ("family", "detail")}
    if detail:
        words = allowed_words(family, detail)
        fields[detail] = named.get("detail") if named.get("detail") in words else None
    for name in missing(family, fields):
        return "incomplete", _question(family, name)
    said = named.get("detail") is not None and not detail
    extra = ["detail"] * said + [name for name, v in fields.items() if v and name not in needs]
    if extra:
        return "unknown_object", f"I cannot {_SKILLS[family]} by its {extra[0].replace('_', ' ')}"
    if family == "stack" and (named["colour"], named["shape"]) == (
        named["onto_colour"], named["onto_shape"],
    ):  # fmt: skip
        return "multiple", f"I cannot stack the {named['colour']} {named['shape']} on itself"
    return "ok", None


def _question(family: str, field: str) -> str:
    asked = _QUESTIONS.get((family, field), f"which object? say its {field}")
    return asked if "?" in asked else f"{asked}? say {' or '.join(allowed_words(family, field))}"


def _check_tabletop(family: str, named: Mapping[str, str | None]) -> tuple[str, str | None]:
    colour, shape = named.get("colour"), named.get("shape")
    if family == "push" and named.get("direction") is None:
        return "incomplete", "which way? say left, right, away or closer"
    if family == "press":
        if shape is not None:
            return "unknown_object", f"I press buttons; I do not press a {shape}"
        return ("ok", None) if colour else ("incomplete", "which button? say its colour")
    if colour is None and shape is None:
        return "incomplete", "which object? say its colour or its shape"
    return "ok", None


def _list_skills(families: tuple[str, ...]) -> str:
    *most, last = (_SKILLS[family] for family in families)
    return f"{', '.join(most)} and {last}" if most else last


def _list_more(families: tuple[str, ...]) -> str:
    things = {"insert": "a round and a square peg", "put": "bowls in these colours"}
    more = [words for family, words in things.items() if family in families]
    return "".join(f", {words}" for words in more)


def _list_needs(families: tuple[str, ...]) -> str:
    """What the families ask for beside an object."""
    needs = {
        "push": "for a push, which way",
        "hold": "for holding a button, how hard",
        "insert": "for a peg, which one",
        "put": "for a bowl, its colour",
        "stack": "for stacking, colour and shape of both",
    }
    return "; ".join(words for family, words in needs.items() if family in families)
