"""The tokenizer agrees with the reference implementation, on odd input too."""

import json
import random
import unicodedata
from pathlib import Path

import pytest
from sensorium_core.errors import TextTooLongError
from sensorium_core.language import LanguageEncoder
from sensorium_core.wordpiece import MAX_CHARACTERS, WordPiece, split_words

ENCODER = Path(__file__).parents[4] / "models/language/encoder.onnx"
REFERENCE = Path(__file__).with_name("wordpiece_reference.json")
ODD = [
    "",
    "   ",
    "Pick up the RED cube!",
    "don't, won't; can’t—ever",
    "😀 push the 🔴 ball",
    "ارفع المكعب الأحمر",
    "הרם את הכדור",
    "拿起红色的方块 now",
    "赤い箱を取って",
    "빨간 공을 집어",
    "naïve café Ünïcode e\u0301",
    "a\x00b\x07c\u200bd\ufffde",
    "tab\there\nnew\rline\x0bvt\x85nel",
    "\u202eright to left\u202c",
    "ｆｕｌｌ　ｗｉｄｔｈ",
    "ΑΣ ΌΔΟΣ İstanbul ẞ ﬁne",
    "²³½ 3.14 $5+3 ~`^|<>",
    "x" * 101,
    "y" * 100,
    "[CLS] [SEP] ##ing",
]


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return LanguageEncoder(ENCODER).tokenizer


@pytest.fixture(scope="module")
def reference(tokenizer):
    library = pytest.importorskip("tokenizers")
    pieces = {piece: at for at, piece in enumerate(tokenizer.vocabulary)}
    return library.BertWordPieceTokenizer(vocab=pieces, lowercase=True)


def test_odd_text_has_the_words_that_the_reference_found():
    """The file holds what `tokenizers` 0.23.3 (BertNormalizer, BertPreTokenizer) gave."""
    recorded = json.loads(REFERENCE.read_text(encoding="utf-8"))
    assert [text for text, _ in recorded] == ODD
    for text, words in recorded:
        assert list(split_words(text)) == words


def test_odd_text_splits_as_the_reference_does(tokenizer, reference):
    for text in (text for text in ODD if "[CLS]" not in text):
        assert list(tokenizer.split(text).ids) == reference.encode(text).ids, ascii(text)


def test_random_text_splits_as_the_reference_does(tokenizer, reference):
    rng = random.Random(0)
    letters = [chr(code) for code in range(0x20, 0x2FFF) if _is_old(chr(code))]
    for _ in range(500):
        text = "".join(rng.choice(letters) for _ in range(12))
        assert list(tokenizer.split(text).ids) == reference.encode(text).ids, ascii(text)


def test_words_split_into_the_longest_pieces():
    small = WordPiece(["[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "##a", "una", "."])
    pieces = [small.vocabulary[at] for at in small.split("unaffable. xyz").ids]
    assert pieces == ["[CLS]", "[UNK]", ".", "[UNK]", "[SEP]"]
    assert [small.vocabulary[at] for at in small.split("unaable").ids[1:-1]] == ["una", "##able"]


def test_marks_in_user_text_are_plain_text(tokenizer):
    ids = tokenizer.split("[SEP] [PAD] [CLS]").ids
    special = {tokenizer.vocabulary.index(mark) for mark in ("[CLS]", "[SEP]", "[PAD]")}
    assert not special & set(ids[1:-1])


def test_every_piece_knows_its_word(tokenizer):
    pieces = tokenizer.split("Grab the vermilion cuboid!")
    assert pieces.words == ("grab", "the", "vermilion", "cuboid", "!")
    assert [pieces.word_of[0], pieces.word_of[-1]] == [-1, -1]
    assert sorted(set(pieces.word_of[1:-1])) == [0, 1, 2, 3, 4]


def test_too_long_text_is_an_error_that_says_the_limit(tokenizer):
    tokenizer.split("a" * MAX_CHARACTERS)
    with pytest.raises(TextTooLongError, match=r"513.*512"):
        tokenizer.split("a" * (MAX_CHARACTERS + 1))


def _is_old(char: str) -> bool:
    """Whether every Unicode table in use knows this character."""
    return unicodedata.category(char) != "Cn" and unicodedata.ucd_3_2_0.category(char) != "Cn"
