r"""Words, shingles and their hashes: one named normalisation for every step that compares texts.

`fold` is NFKC, then case folding. `words` are the `\w+` words of the folded text: contamination
compares them. `tokens` are words and operators, so that "2+2" is not "2-2": dedup compares them.
`shingles` is the set of a text's n-grams as 64-bit hashes, the same on every machine. `spans` says
where each word stands in the text as the user wrote it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "Hashes",
    "Shingle",
    "clip",
    "collapse",
    "combine",
    "covered",
    "fold",
    "grams",
    "hash64",
    "shingles",
    "spans",
    "tokens",
    "word_hashes",
    "words",
]

Hashes = npt.NDArray[np.uint64]
Shingle = Literal["word", "char"]

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+|[#$€£¥%&*+/<=>@^|~]+|(?<![^\W\d_])-|-(?![^\W\d_])")
_SPACE = re.compile(r"\s+")

# Odd multipliers of splitmix64 (Steele, Lea, Flood 2014) and the golden ratio in 64 bits.
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def collapse(text: str) -> str:
    """Returns the text stripped, with every run of white space as one space."""
    return _SPACE.sub(" ", text).strip()


def fold(text: str) -> str:
    """Returns the text in NFKC, then case folded: the form in which texts are compared."""
    return unicodedata.normalize("NFKC", text).casefold()


def words(text: str) -> list[str]:
    r"""Returns the `\w+` words of the folded text; numbers are words."""
    return _WORD.findall(fold(text))


def tokens(text: str) -> list[str]:
    """Returns words and operators of the folded text; ordinary punctuation does not count."""
    return _TOKEN.findall(fold(text))


def clip(text: str, limit: int = 200) -> str:
    """Returns at most `limit` characters of the text; an ellipsis shows that there was more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def spans(text: str) -> list[tuple[str, int, int]]:
    """Returns each of `words(text)` with its start and end in the text as it was written.

    Folding may change lengths (a ligature, a letter with its accent apart): a word then covers
    all characters that it was made of.
    """
    if text.isascii():
        return [(m.group().lower(), m.start(), m.end()) for m in _WORD.finditer(text)]
    folded, starts, ends = _align(text)
    return [(m.group(), starts[m.start()], ends[m.end() - 1]) for m in _WORD.finditer(folded)]


def _align(text: str) -> tuple[str, list[int], list[int]]:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        piece = fold(text[start:end])
        pieces.append(piece)
        starts += [start] * len(piece)
        ends += [end] * len(piece)
    folded = "".join(pieces)
    if folded != fold(text):
        # Characters that compose over a wider range than a cluster: give up on exact places.
        folded = fold(text)
        starts, ends = [0] * len(folded), [len(text)] * len(folded)
    return folded, starts, ends


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Cuts a text where NFKC of the whole is NFKC of the parts, one after the other."""
    start = 0
    for at in range(1, len(text)):
        if unicodedata.combining(text[at]):
            continue
        if text[at].isascii() or _apart(text[start:at], text[at]):
            yield start, at
            start = at
    if text:
        yield start, len(text)


def _apart(left: str, right: str) -> bool:
    nfkc = unicodedata.normalize("NFKC", left + right)
    parts = unicodedata.normalize("NFKC", left) + unicodedata.normalize("NFKC", right)
    return nfkc == parts


@lru_cache(maxsize=1 << 17)
def hash64(text: str) -> int:
    """Returns the 64-bit BLAKE2b hash of a text."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def word_hashes(parts: Sequence[str]) -> Hashes:
    """Returns the 64-bit hash of every word."""
    return np.fromiter(map(hash64, parts), dtype=np.uint64, count=len(parts))


def grams(hashes: Hashes, size: int) -> Hashes:
    """Returns one hash for every `size` consecutive hashes, in their order.

    There are `len(hashes) - size + 1`, none if there are fewer than `size`.
    """
    count = max(len(hashes) - size + 1, 0)
    return combine([hashes[at : at + count] for at in range(size)])


def combine(columns: Sequence[Hashes]) -> Hashes:
    """Returns one hash for each row of hashes; their order counts."""
    mixed = np.full(len(columns[0]), len(columns), dtype=np.uint64)
    for column in columns:
        mixed = mixed * _STEP + column
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX2
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


def shingles(text: str, size: int = 5, kind: Shingle = "word") -> Hashes:
    """Returns the set of a text's n-grams as sorted 64-bit hashes; never empty.

    A text shorter than a shingle is one shingle, the whole of it: otherwise all short texts
    would share the one empty set (https://github.com/ChenghaoMou/text-dedup/issues/77).

    Args:
        text: The text as it was written.
        size: Tokens, or characters, of a shingle.
        kind: `word` (tokens) or `char` (characters of the folded, collapsed text).
    """
    if kind == "word":
        units = word_hashes(tokens(text))
    else:
        units = np.frombuffer(
            collapse(fold(text)).encode("utf-32-le", "surrogatepass"), dtype=np.uint32
        ).astype(np.uint64)
    if len(units) == 0:
        return np.array([hash64(collapse(text))], dtype=np.uint64)
    return np.unique(grams(units, min(size, len(units))))


def covered(starts: npt.NDArray[np.intp], size: int, length: int) -> npt.NDArray[np.bool_]:
    """Returns for `length` words whether a gram of `size` words at one of `starts` covers it."""
    edge = np.zeros(length + 1, dtype=np.int64)
    np.add.at(edge, starts, 1)
    np.add.at(edge, np.minimum(starts + size, length), -1)
    inside: npt.NDArray[np.bool_] = np.cumsum(edge[:-1]) > 0
    return inside
