"""A document cut into chunks: at paragraphs, else at sentences, else between words."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from datakit.documents.reading import Document

__all__ = ["Chunk", "cut"]

_CLOSING = "\"')\\]}\u2019\u201d\u00bb\u203a\u300d\u300f\uff09"
# Chinese and Japanese end a sentence with these, and no space follows.
_STOPS = "\u3002\uff01\uff1f\uff61"
# A word; where no space is written, as much as ends a sentence.
_WORD = re.compile(rf"[^\s{_STOPS}]*[{_STOPS}]+[{_CLOSING}]*|[^\s{_STOPS}]+")
_ENDS = re.compile(rf"[.!?\u2026{_STOPS}][{_CLOSING}]*\Z")
_BLANK = re.compile(r"\n[^\S\n]*\r?\n|\r\r")
# Items, headings, rows and quotations of Markdown begin a line of their own.
_MARK = re.compile(r"(?:[-*+>|]|#{1,6}|\d{1,4}[.)])\Z|[|>]")
_WORDS_APART, _SENTENCES, _PARAGRAPHS = 1, 2, 3


@dataclass(frozen=True)
class Chunk:
    """A part of a document.

    Args:
        document: The document.
        start: Where the chunk begins in the document's text.
        end: Where it ends.
    """

    document: Document
    start: int
    end: int

    @property
    def text(self) -> str:
        """Its text, without space around it."""
        return self.document.text[self.start : self.end]


@dataclass(frozen=True)
class _Words:
    starts: list[int]
    ends: list[int]
    # What the gap before a word is: 0 within a word, else one of the three above.
    ranks: list[int]


def cut(document: Document, size: int, overlap: int) -> list[Chunk]:
    """Cuts a document into chunks, in their order; all of its text is in them.

    A chunk ends with the last paragraph that fits, if that fills half of it, else with the last
    such sentence, else with the last word. The next one begins so much earlier that it repeats
    whole sentences, or words, of at most `overlap` characters. Only a word that is longer than a
    chunk is cut.

    Args:
        document: The document.
        size: Most characters of a chunk.
        overlap: Most characters that a chunk repeats of the one before; at most half of `size`.

    Raises:
        ValueError: If the sizes cannot be kept.
    """
    if size < 1 or not 0 <= overlap <= size // 2:
        raise ValueError(f"an overlap is at most half of a chunk: {overlap} of {size} characters")
    words = _words(document.text, document.begin, size)
    return [
        Chunk(document, words.starts[first], words.ends[last])
        for first, last in _parts(words, size, overlap)
    ]


def _parts(words: _Words, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    count, first, before = len(words.starts), 0, -1
    while before < count - 1:
        limit = words.starts[first] + size
        most = bisect_right(words.ends, limit) - 1
        if most <= before:
            # What follows does not fit behind what would be repeated.
            first = before + 1
            continue
        least = bisect_left(words.ends, words.starts[first] + size // 2)
        last = most if most == count - 1 else _border(words, max(before + 1, least), most)
        yield first, last
        first, before = _next(words, first, last, overlap), last


def _border(words: _Words, least: int, most: int) -> int:
    """Returns the last word before the best border, if there is one."""
    for rank in (_PARAGRAPHS, _SENTENCES, _WORDS_APART):
        for last in range(most, least - 1, -1):
            if words.ranks[last + 1] >= rank:
                return last
    return most


def _next(words: _Words, first: int, last: int, overlap: int) -> int:
    """Returns the word that the next chunk begins with."""
    earliest = bisect_left(words.starts, words.ends[last] - overlap, lo=first + 1)
    for rank in (_SENTENCES, _WORDS_APART):
        for at in range(earliest, last + 1):
            if words.ranks[at] >= rank:
                return at
    return last + 1


def _words(text: str, begin: int, size: int) -> _Words:
    words, end = _Words([], [], []), begin
    for found in _WORD.finditer(text, begin):
        rank = _rank(text, words, end, found)
        for start in range(found.start(), found.end(), size):
            end = min(start + size, found.end())
            words.starts.append(start)
            words.ends.append(end)
            words.ranks.append(rank if start == found.start() else 0)
    return words


def _rank(text: str, words: _Words, end: int, found: re.Match[str]) -> int:
    gap = text[end : found.start()]
    if not words.starts or _BLANK.search(gap):
        return _PARAGRAPHS
    if _ENDS.search(text, max(words.starts[-1], end - 8), end):
        return _SENTENCES
    if "\n" in gap and _MARK.match(found[0]):
        return _SENTENCES
    return _WORDS_APART if gap else 0
