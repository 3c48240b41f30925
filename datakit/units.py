"""Tokens and characters of many texts at once, as hashes.

The tokens are those of `datakit.text.tokens`. They are hashed eight bytes at a time, all of them
at once; no Python loop goes over them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from datakit.text import Hashes, fold

__all__ = ["Ints", "character_hashes", "mixed", "token_hashes"]

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

# Characters of a piece of a longer text, which is cut where there is white space.
_PIECE = 1 << 20
# Bytes of a token that are hashed by arrays; there are hardly any that are longer.
_LONGEST = 64
_MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
# Kinds of tokens, of which a hyphen is either of the last two; and what is told beside.
_WORD, _SIGN, _HYPHEN, _KIND, _LETTER, _UNKNOWN = 1, 2, 4, 7, 8, 255
_SIGNS = "#$€£¥%&*+/<=>@^|~"
# Filled as characters are met: there are over a million, and few of them are.
_CLASSES = np.full(0x110000, _UNKNOWN, dtype=np.uint8)


def token_hashes(texts: Sequence[str]) -> tuple[Hashes, Ints]:
    """Returns the hashes of all tokens, and how many each text has."""
    folded = [text.lower() if text.isascii() else fold(text) for text in texts]
    pieces: list[str] = []
    owners: list[int] = []
    for at, text in enumerate(folded):
        if len(text) <= _PIECE:
            pieces.append(text)
            owners.append(at)
        else:
            cut = list(_cut(text))
            pieces += cut
            owners += [at] * len(cut)
    if len(pieces) == len(texts):
        return _of_pieces(pieces)
    hashes, counts = zip(*(_of_pieces([each]) for each in pieces), strict=True)
    owned = np.bincount(owners, weights=np.concatenate(counts), minlength=len(texts))
    return np.concatenate(hashes), owned.astype(np.int64)


def _cut(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _PIECE:
        # No token has white space in it, so none is cut there.
        at = max(text.rfind(" ", start, start + _PIECE), text.rfind("\n", start, start + _PIECE))
        end = at + 1 if at >= start else start + _PIECE
        yield text[start:end]
        start = end
    yield text[start:]


def _of_pieces(pieces: Sequence[str]) -> tuple[Hashes, Ints]:
    # White space at both ends, and between two: no token begins or ends outside.
    text = "\n".join(["", *pieces, ""])
    data = text.encode("utf-8", "surrogatepass")
    kinds = _kinds(text, data)
    edge = kinds[1:] != kinds[:-1]
    # One may end a token and begin the next.
    first = np.flatnonzero(edge & (kinds[1:] != 0)) + 1
    last = np.flatnonzero(edge & (kinds[:-1] != 0)) + 1
    bounds = np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)) + 1)
    counts = np.diff(np.searchsorted(first, bounds), prepend=0)
    if len(data) > len(text):
        widths = _widths(_codes(text))
        places = np.cumsum(widths) - widths
        first, last = places[first], places[last]
    return _of_bytes(data, first, last), counts


def _of_bytes(data: bytes, starts: Ints, ends: Ints) -> Hashes:
    """Returns the hashes of pieces of some bytes, eight of them at a time."""
    eights = np.ndarray((len(data),), dtype="<u8", buffer=data + bytes(8), strides=(1,))
    lengths = ends - starts
    # No token has a zero in it: one is not another that is filled up with zeros.
    hashes = mixed(eights.take(starts) & _MASKS.take(np.minimum(lengths, 8)))
    more = np.flatnonzero(lengths > 8)
    for at in range(8, _LONGEST, 8):
        if not len(more):
            return hashes
        part = eights.take(starts[more] + at) & _MASKS[np.minimum(lengths[more] - at, 8)]
        hashes[more] = mixed(hashes[more] * _MIX1 + part)
        more = more[lengths[more] > at + 8]
    for at in more.tolist():
        whole = hashlib.blake2b(data[starts[at] : ends[at]], digest_size=8).digest()
        hashes[at] = int.from_bytes(whole, "little")
    return hashes


def _widths(codes: npt.NDArray[Any]) -> Ints:
    """Returns how many bytes each character takes in UTF-8."""
    widths = np.ones(len(codes), dtype=np.int64)
    for last in (0x7F, 0x7FF, 0xFFFF):
        widths += codes > last
    return widths


def character_hashes(texts: Sequence[str]) -> tuple[Hashes, Ints]:
    """Returns the hashes of all characters of the folded, collapsed texts, and their numbers."""
    folded = [" ".join((t.lower() if t.isascii() else fold(t)).split()) for t in texts]
    counts = np.fromiter(map(len, folded), dtype=np.int64, count=len(folded))
    return _salted(_codes("".join(folded))), counts


def _codes(text: str) -> npt.NDArray[Any]:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _kinds(text: str, data: bytes) -> Bytes:
    """Returns for each character what token it is in: a word, signs, one hyphen, or none (0)."""
    plain = len(data) == len(text)
    kinds: Bytes = (
        np.frombuffer(bytearray(data.translate(_ASCII)), dtype=np.uint8)
        if plain
        else _classes(_codes(text)) & np.uint8(_KIND)
    )
    if "-" in text:
        _part(kinds, _codes(text))
    return kinds


def _part(kinds: Bytes, codes: npt.NDArray[Any]) -> None:
    """Takes out the hyphens between letters; each other one is a token of its own."""
    hyphens = np.flatnonzero(kinds == _HYPHEN)
    # The first and the last character are white space.
    sides = [_classes(codes[hyphens + side]) & _LETTER for side in (-1, 1)]
    inner = (sides[0] & sides[1]) != 0
    kinds[hyphens[inner]] = 0
    others = hyphens[~inner]
    # Neighbours must differ.
    kinds[others] = _HYPHEN + (others & 1)


def _classes(codes: npt.NDArray[Any]) -> Bytes:
    """Returns the kind of each character, and whether it is a letter."""
    classes: Bytes = _CLASSES.take(codes)
    unknown = np.flatnonzero(classes == _UNKNOWN)
    if len(unknown):
        for code in set(codes[unknown].tolist()):
            _CLASSES[code] = _class_of(chr(code))
        classes = _CLASSES.take(codes)
    return classes


def _class_of(char: str) -> int:
    if char.isalnum() or char == "_":
        return _WORD if char == "_" or char.isdecimal() else _WORD | _LETTER
    return _HYPHEN if char == "-" else _SIGN if char in _SIGNS else 0


_ASCII = bytes(_class_of(chr(code)) & _KIND for code in range(128)) + bytes(128)


def _salted(codes: npt.NDArray[Any]) -> Hashes:
    if codes.dtype == np.uint8:
        salted: Hashes = _salts()[codes]
        return salted
    return mixed(codes.astype(np.uint64) + np.uint64(1))


@cache
def _salts() -> Hashes:
    return mixed(np.arange(1, 257, dtype=np.uint64))


def mixed(values: Hashes) -> Hashes:
    """Returns the values with their bits spread, as in splitmix64 (Steele, Lea, Flood 2014)."""
    values = values ^ (values >> np.uint64(30))
    values *= _MIX1
    values ^= values >> np.uint64(27)
    values *= _MIX2
    values ^= values >> np.uint64(31)
    return values
