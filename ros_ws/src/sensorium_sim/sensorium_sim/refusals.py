"""Words on which the arm must hold still, each with the reason and the words that give it away.

Patterns and vocabulary are split by the same stable hash as the phrasings: what measures a model
was never in its training.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import (
    ALL_FAMILIES,
    COLOURS,
    DIRECTIONS,
    FAMILIES,
    MANNERS,
    SHAPES,
    Goal,
)

from sensorium_sim.grammar import (
    action_templates,
    all_goals,
    fill_template,
    name_direction,
    name_object,
    name_onto,
)
from sensorium_sim.lexicon import (
    choose,
    expand,
    fields,
    is_heldout,
    known_words,
    load,
    one_of,
    split_words,
    tidy,
)

REASONS = (
    "negation",
    "unknown_skill",
    "unknown_object",
    "incomplete",
    "multiple",
    "not_a_command",
)
_LISTS = {
    "strange_colour": "strange_colours",
    "strange_shape": "strange_shapes",
    "noun": "nouns",
    "skill": "skills",
    "skill_tail": "skill_tails",
    "errand": "errands",
    "bodypart": "bodyparts",
    "smalltalk": "smalltalk",
    "foreign": "foreign",
    "strange_peg": "strange_pegs",
    "strange_quality": "strange_qualities",
}
_BY_VOCABULARY = ("unknown_skill", "unknown_object")
_SHARED = {"verb": "verbs", "pushverb": "pushverbs", "shoveverb": "shoveverbs", "polite": "polite"}
_DICTIONARY_SHARE = {"noun": 0.25, "strange_shape": 0.25, "strange_colour": 0.4}
TABLETOP_SHARE = 0.6
"""How often an action is of the tabletop families, else of any of the nine: from nine alike, a
pick and then a push would be one pair in eighty, too few to be told from a single command."""
_NAMED = {"peg": "insert", "weight": "give", "feel": "feel"}
"""Which family's goals name what these places stand for."""
_VOWELS, _CONSONANTS = "aeiou", "bcdfghjklmnprstvwz"


@dataclass(frozen=True)
class Refusal:
    """One out-of-scope line."""

    text: str
    """The line; the words that give the reason stand between "<" and ">"."""
    reason: str

    @property
    def plain(self) -> str:
        """The line without the marks."""
        return self.text.replace("<", "").replace(">", "")


class RefusalGrammar:
    """Draws refusals of one split."""

    def __init__(self, split: str = "train", dictionary: Sequence[str] = ()) -> None:
        """`dictionary`: more words for nonsense and unknown objects, known ones left out."""
        strange = load("strange")
        self._lists = {key: split_words(strange[name], split) for key, name in _LISTS.items()}
        self._lists |= {key: tuple(strange[name]) for key, name in _SHARED.items()}
        self._past = tuple(strange["past"])
        unknown = [word for word in dictionary if word not in known_words()]
        self._dictionary = split_words(unknown, split) if unknown else self._lists["noun"]
        self._heldout = split != "train"
        self._goals = {family: all_goals(family) for family in ALL_FAMILIES}

    @cached_property
    def patterns(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """Per reason, per line of the data, the expansions that belong to this split."""
        return {reason: self._split_lines(reason) for reason in REASONS}

    def draw(self, rng: np.random.Generator, reason: str | None = None) -> Refusal:
        """Draw one line, of a given reason or of any."""
        reason = reason or one_of(REASONS, rng)
        lines = self.patterns[reason]
        pattern = one_of(lines[int(rng.integers(len(lines)))], rng)
        return Refusal(self._fill(pattern, rng), reason)

    def _split_lines(self, reason: str) -> tuple[tuple[str, ...], ...]:
        lines = load("refusals")[reason]
        kept = (
            tuple(text for text in expand(line) if self._keeps(reason, text)) for line in lines
        )
        return tuple(texts for texts in kept if texts)

    def _keeps(self, reason: str, pattern: str) -> bool:
        """Patterns are split by hash, except where the split vocabulary alone is the point."""
        if reason in _BY_VOCABULARY and set(fields(pattern)) & set(_LISTS):
            return True
        return is_heldout(pattern) == self._heldout

    def _fill(self, pattern: str, rng: np.random.Generator) -> str:
        colours = rng.permutation(COLOURS)
        ways = rng.permutation(DIRECTIONS)
        shape = one_of(SHAPES, rng)
        makers: dict[str, Callable[[], str]] = {
            "do": lambda: self._action(rng, "{do}"),
            "do2": lambda: self._action(rng, "{do}"),
            "doing": lambda: self._action(rng, "{doing}"),
            "doing2": lambda: self._action(rng, "{doing}"),
            "done": lambda: self._action(rng, "{done}"),
            "done_object": lambda: f"{one_of(self._past, rng)} {self._thing(rng)}",
            "object": lambda: self._thing(rng),
            "object2": lambda: self._thing(rng),
            "button": lambda: self._button(str(colours[0]), rng),
            "button2": lambda: self._button(str(colours[1]), rng),
            "direction": lambda: name_direction(str(ways[0]), rng),
            "direction2": lambda: name_direction(str(ways[1]), rng),
            "known_colour": lambda: _word("colours", str(colours[0]), rng),
            "known_colour2": lambda: _word("colours", str(colours[1]), rng),
            "known_shape": lambda: _word("shapes", shape, rng),
            "det": lambda: one_of(load("words")["determiners"], rng),
            "then": lambda: one_of((",", "then", ""), rng),
            "gibberish": lambda: _gibberish(rng),
            "randomword": lambda: one_of(self._dictionary, rng),
            "digits": lambda: str(rng.integers(10 ** int(rng.integers(1, 9)))),
            "punctuation": lambda: "".join(rng.choice(list("?!.,;:-_#*~ "), rng.integers(1, 6))),
            "noun": lambda: self._strange("noun", rng),
            "strange_colour": lambda: self._strange("strange_colour", rng),
            "strange_shape": lambda: self._strange("strange_shape", rng),
            **self._touch_makers(rng, colours),
        }
        for name in self._lists:
            makers.setdefault(name, partial(one_of, self._lists[name], rng))
        return tidy(re.sub(r"\{(\w+)\}", lambda found: makers[found[1]](), pattern))

    def _touch_makers(
        self, rng: np.random.Generator, colours: NDArray[np.str_]
    ) -> dict[str, Callable[[], str]]:
        """What fills the places that only the words of touch have."""
        manners = rng.permutation(MANNERS)
        named = {name: self._goals[family] for name, family in _NAMED.items()}
        return {
            "whole": lambda: self._whole(rng, 0),
            "whole2": lambda: self._whole(rng, 1),
            "bowl": lambda: _bowl(str(colours[0]), rng),
            "bowl2": lambda: _bowl(str(colours[1]), rng),
            "manner": lambda: _word("manners", str(manners[0]), rng),
            "manner2": lambda: _word("manners", str(manners[1]), rng),
            "push_or_press": lambda: self._action(rng, "{do}", ("push", "press", "hold")),
            **{name: partial(_one_named, goals, name, rng) for name, goals in named.items()},
        }

    def _strange(self, name: str, rng: np.random.Generator) -> str:
        """A strange word from its list, or now and then any word of the dictionary."""
        words = self._dictionary if rng.random() < _DICTIONARY_SHARE[name] else self._lists[name]
        return one_of(words, rng)

    def _thing(self, rng: np.random.Generator) -> str:
        goals = self._goals["pick"]
        return name_object(goals[int(rng.integers(len(goals)))], "thing", rng)

    def _whole(self, rng: np.random.Generator, half: int) -> str:
        """An object with colour and shape; the halves share none."""
        whole = [goal for goal in self._goals["pick"] if goal.colour and goal.shape][half::2]
        return name_object(whole[int(rng.integers(len(whole)))], "thing", rng)

    def _button(self, colour: str, rng: np.random.Generator) -> str:
        return name_object(Goal("press", colour), "button", rng)

    def _action(self, rng: np.random.Generator, form: str, families: tuple[str, ...] = ()) -> str:
        goals = self._goals[one_of(families or any_families(rng), rng)]
        goal = goals[int(rng.integers(len(goals)))]
        templates, objects = action_templates(goal.family, goal.direction, form)
        return fill_template(one_of(templates, rng), goal, objects, rng)


def any_families(rng: np.random.Generator) -> tuple[str, ...]:
    """From which families to draw an action: the tabletop's alone at `TABLETOP_SHARE`, or all."""
    return FAMILIES if rng.random() < TABLETOP_SHARE else ALL_FAMILIES


def _word(kind: str, name: str, rng: np.random.Generator) -> str:
    return choose(one_of(load("words")[kind][name], rng), rng)


def _bowl(colour: str, rng: np.random.Generator) -> str:
    return name_onto(Goal("put", colour, "cube", onto_colour=colour), rng)


def _one_named(goals: Sequence[Goal], objects: str, rng: np.random.Generator) -> str:
    return name_object(goals[int(rng.integers(len(goals)))], objects, rng)


def _gibberish(rng: np.random.Generator) -> str:
    letters = []
    for at in range(int(rng.integers(2, 10))):
        source = _VOWELS if at % 2 and rng.random() < 0.7 else _CONSONANTS
        letters.append(source[int(rng.integers(len(source)))])
    return "".join(letters)
