"""How people really type: case, punctuation, abbreviations, lost articles, slips of the finger."""

import numpy as np

_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj",
    "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o",
    "q": "wa", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc",
    "y": "tu", "z": "x",
}  # fmt: skip
_SHORT = {
    "please": ("pls", "plz", "plse"),
    "you": ("u", "ya"),
    "thanks": ("thx", "tks"),
    "the": ("teh", "da", "th"),
    "can't": ("cant",),
    "don't": ("dont", "don`t", "don’t"),
    "i'd": ("id", "I’d"),
    "and": ("&", "n"),
    "to": ("2",),
    "could": ("cud",),
    "want": ("wanna",),
}
_ARTICLES = ("the", "a", "that", "this", "my", "your", "our")
_ENDS = (".", "!", "?", "...", "!!", " .", ";", ",")


def disturb(text: str, rng: np.random.Generator, typos: bool = True) -> str:
    """Retype a line as a person might; "<" and ">" around marked words stay in place."""
    words = text.split()
    if rng.random() < 0.12:
        words = [word for word in words if word not in _ARTICLES] or words
    if rng.random() < 0.10:
        words = [_shorten(word, rng) for word in words]
    if typos and rng.random() < 0.18:
        at = int(rng.integers(len(words))) if words else 0
        words = [_slip(word, rng) if at == place else word for place, word in enumerate(words)]
    text = " ".join(words)
    if rng.random() < 0.2:
        text = text.replace(",", "")
    if rng.random() < 0.35 and text and text[-1].isalnum():
        text += _ENDS[int(rng.integers(len(_ENDS)))] if rng.random() < 0.5 else "."
    return _recase(text, rng)


def _shorten(word: str, rng: np.random.Generator) -> str:
    forms = _SHORT.get(word)
    return forms[int(rng.integers(len(forms)))] if forms and rng.random() < 0.5 else word


def _slip(word: str, rng: np.random.Generator) -> str:
    """One slip in a word of at least four plain letters; shorter ones become other words."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = int(rng.integers(1, len(word) - 1))
    kind = int(rng.integers(4))
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    if kind == 2:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    near = _NEIGHBOURS.get(word[at], word[at])
    return word[:at] + near[int(rng.integers(len(near)))] + word[at + 1 :]


def _recase(text: str, rng: np.random.Generator) -> str:
    draw = rng.random()
    if draw < 0.35:
        return text[:1].upper() + text[1:]
    if draw < 0.40:
        return text.upper()
    return text.title() if draw < 0.42 else text
