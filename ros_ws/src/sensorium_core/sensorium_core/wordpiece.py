"""Uncased WordPiece, as BERT defines it, in plain Python: text to vocabulary ids.

Source: Devlin et al. 2018, and the reference tokenizer whose output the tests compare.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sensorium_core.errors import TextTooLongError
from sensorium_core.instruction import MAX_CHARACTERS

_MAX_WORD = 100
_CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


@dataclass(frozen=True)
class Pieces:
    """A tokenised text, [CLS] and [SEP] included."""

    ids: tuple[int, ...]
    words: tuple[str, ...]
    """The words of the text after normalisation."""
    word_of: tuple[int, ...]
    """For each id, the index of its word; -1 for [CLS] and [SEP]."""


class WordPiece:
    """A vocabulary and the greedy longest-match-first split into it."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        self._id_of = {piece: at for at, piece in enumerate(vocabulary)}
        self._unknown, self._begin, self._end = (
            self._id_of[piece] for piece in ("[UNK]", "[CLS]", "[SEP]")
        )

    def split(self, text: str) -> Pieces:
        """Tokenise a text.

        Raises:
            TextTooLongError: the text has more than `MAX_CHARACTERS` characters.
        """
        if len(text) > MAX_CHARACTERS:
            raise TextTooLongError(len(text), MAX_CHARACTERS)
        words = tuple(split_words(text))
        ids, word_of = [self._begin], [-1]
        for at, word in enumerate(words):
            pieces = self._split_word(word)
            ids.extend(pieces)
            word_of.extend([at] * len(pieces))
        return Pieces((*ids, self._end), words, (*word_of, -1))

    def _split_word(self, word: str) -> list[int]:
        if len(word) > _MAX_WORD:
            return [self._unknown]
        pieces: list[int] = []
        start = 0
        while start < len(word):
            end = self._longest(word, start)
            if end == start:
                return [self._unknown]
            pieces.append(self._id_of[_piece(word, start, end)])
            start = end
        return pieces

    def _longest(self, word: str, start: int) -> int:
        ends = range(len(word), start, -1)
        return next((end for end in ends if _piece(word, start, end) in self._id_of), start)


def split_words(text: str) -> Iterator[str]:
    """Yield normalised words and single punctuation marks."""
    for chunk in _normalise(text).split():
        word = ""
        for char in chunk:
            if _is_punctuation(char):
                yield from (part for part in (word, char) if part)
                word = ""
            else:
                word += char
        if word:
            yield word


def _piece(word: str, start: int, end: int) -> str:
    return ("##" if start else "") + word[start:end]


def _normalise(text: str) -> str:
    kept = (" " if char in "\t\n\r" or char.isspace() else char for char in _visible(text))
    spaced = "".join(f" {char} " if _is_cjk(char) else char for char in kept)
    decomposed = unicodedata.normalize("NFD", spaced)
    bare = (char for char in decomposed if unicodedata.category(char) != "Mn")
    return "".join(char.lower() for char in bare)


def _visible(text: str) -> Iterator[str]:
    for char in text:
        control = char not in "\t\n\r" and unicodedata.category(char).startswith("C")
        if not control and char != "\ufffd":
            yield char


def _is_cjk(char: str) -> bool:
    return any(low <= ord(char) <= high for low, high in _CJK)


def _is_punctuation(char: str) -> bool:
    ascii_mark = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
    return ascii_mark or unicodedata.category(char).startswith("P")
