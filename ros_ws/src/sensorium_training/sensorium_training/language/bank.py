"""Real instructions and their tokens for every goal, encoded once, drawn fast.

Policy training draws from it, so that the policy sees the tokens that real wording produces. Only
training phrasings that the encoder understands rightly are kept: others never reach the policy.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_core.codebook import SLOTS, TOKEN_SIZE, goal_classes, goal_tokens
from sensorium_core.goal import Goal
from sensorium_core.language import LanguageEncoder
from sensorium_sim.grammar import all_goals, phrases
from sensorium_sim.noise import disturb

_RETYPED_SHARE = 0.5


class TokenBank:
    """Texts and tokens by goal."""

    def __init__(
        self, texts: NDArray[np.str_], tokens: NDArray[np.float32], classes: NDArray[np.int64]
    ) -> None:
        """`texts` `(n,)`, `tokens` `(n, 7, 32)`, `classes` `(n, 7)`, as in `goal_classes`."""
        self.texts, self.tokens = texts, tokens
        self._classes = classes
        rows: dict[tuple[int, ...], list[int]] = {}
        for row, key in enumerate(classes.tolist()):
            rows.setdefault(tuple(key), []).append(row)
        self._rows = {key: np.asarray(found) for key, found in rows.items()}

    def sample(self, goal: Goal, rng: np.random.Generator) -> tuple[str, NDArray[np.float32]]:
        """Draw one text for a goal and its tokens `(7, 32)`; the exact codes if it has none."""
        rows = self._rows.get(goal_classes(goal))
        if rows is None:
            return "", goal_tokens(goal)
        row = rows[int(rng.integers(len(rows)))]
        return str(self.texts[row]), self.tokens[row]

    def command_tokens(
        self, goals: Sequence[Goal], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Draw tokens for many goals, `(n, 7, 32)`."""
        return np.stack([self.sample(goal, rng)[1] for goal in goals])

    def save(self, path: Path) -> None:
        """Write the arrays, without pickle."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, texts=self.texts, tokens=self.tokens, classes=self._classes)

    @classmethod
    def load(cls, path: Path) -> "TokenBank":
        """Read the arrays."""
        with np.load(path, allow_pickle=False) as file:
            return cls(file["texts"], file["tokens"], file["classes"])


def build_bank(encoder: LanguageEncoder, per_goal: int = 48, seed: int = 3) -> TokenBank:
    """Say every goal that the encoder knows in training phrasings and encode what was said.

    `per_goal` times each.
    """
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    tokens: list[NDArray[np.float32]] = []
    classes: list[tuple[int, ...]] = []
    for goal in (goal for family in encoder.families for goal in all_goals(family)):
        for _ in range(per_goal):
            text = phrases(goal, rng)
            text = disturb(text, rng) if rng.random() < _RETYPED_SHARE else text
            command = encoder.encode(text)
            if command.in_scope and command.goal == goal:
                texts.append(text)
                tokens.append(command.tokens)
                classes.append(goal_classes(goal))
    return TokenBank(np.asarray(texts), np.stack(tokens), np.asarray(classes))


def open_bank(encoder_path: Path, bank_path: Path) -> TokenBank:
    """Load the bank; made first where missing, older than the encoder, or of fewer slots."""
    current = bank_path.is_file() and bank_path.stat().st_mtime >= encoder_path.stat().st_mtime
    if current:
        bank = TokenBank.load(bank_path)
        if bank.tokens.shape[1:] == (len(SLOTS), TOKEN_SIZE):
            return bank
    build_bank(LanguageEncoder(encoder_path)).save(bank_path)
    return TokenBank.load(bank_path)
