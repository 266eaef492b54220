"""Makes the texts of an entity within a scope, and points at the file when one has no value."""

from __future__ import annotations

import shlex

from sensorium_core.errors import PackageNotFoundError, SubstitutionError

from sensorium_cli.launch.functions import perform
from sensorium_cli.launch.grammar import Entity, Text, substitution_mark
from sensorium_cli.launch.scope import Scope


class Texts:
    """A view of one scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def make(self, text: Text) -> str:
        """Make a text.

        Raises:
            LaunchFileError: if a substitution has no value.
        """
        try:
            return perform(text.template, self._scope)
        except SubstitutionError as error:
            mark = substitution_mark(text.mark, error.offset)
            raise mark.error(error.problem, error.remedy) from error
        except PackageNotFoundError as error:
            problem, _, remedy = str(error).partition("; ")
            raise text.mark.error(problem, remedy) from error

    def required(self, entity: Entity, key: str) -> str:
        """The made text of a key that the grammar demands."""
        return self.make(entity.texts[key])

    def optional(self, entity: Entity, key: str) -> str | None:
        """The made text of a key, or None where it is absent."""
        return self.make(entity.texts[key]) if key in entity.texts else None

    def pairs(self, entity: Entity, key: str, left: str, right: str) -> list[tuple[str, str]]:
        """Two texts of each item below a key."""
        items = entity.items.get(key, ())
        return [(self.required(i, left), self.required(i, right)) for i in items]

    def words(self, entity: Entity, key: str) -> list[str]:
        """A command line, split at blanks as a shell would; what a substitution gives stays whole.

        Raises:
            LaunchFileError: if a quote does not end.
        """
        text = entity.texts.get(key)
        if text is None:
            return []
        stand_ins = {f"\0{n}\0": part for n, part in enumerate(text.template)}
        line = "".join(part if isinstance(part, str) else name for name, part in stand_ins.items())
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise text.mark.error(f"{error}", "close every quote") from error
        for name, part in stand_ins.items():
            if not isinstance(part, str):
                made = self.make(Text(text.mark, (part,), text.raw))
                words = [word.replace(name, made) for word in words]
        return words
