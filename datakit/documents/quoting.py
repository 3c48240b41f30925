"""Quotes found again: white space, quotation marks and dashes may differ, nothing else."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

__all__ = ["find_quote", "paragraphs_around", "plain"]

_MARKS = {
    # Single quotation marks, accents that stand alone, primes.
    "'": "\u2018\u2019\u201a\u201b\u0060\u00b4\u2032\u02b9\u02bc",
    # Double quotation marks, guillemets, the double prime.
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u301d\u301e\uff02",
    # Hyphens, dashes, the minus sign.
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d",
}
_PLAIN = {ord(mark): to for to, marks in _MARKS.items() for mark in marks}
# Invisible: a hint for hyphenation, or of no width.
_NOTHING = "\u00ad\u200b\u200e\u200f\u2060\ufeff"
_PIECE = re.compile(
    r"(?P<hyphen>(?<=\w)[-\u2010\u00ad][^\S\n]*\n\s*(?=\w))"
    rf"|(?P<space>(?:\s[{_NOTHING}]*)+)|(?P<nothing>[{_NOTHING}]+)"
    r"|.[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]*",
    re.DOTALL,
)
# Stands for a hyphen at the end of a line, which a reader drops or keeps; space is " " by then.
_HYPHEN = "\n"
_PARAGRAPH = re.compile(r"\n[^\S\n]*\r?\n\s*")


@dataclass(frozen=True)
class _Plain:
    text: str
    starts: list[int]
    ends: list[int]


def plain(quote: str) -> str:
    """Returns a text as it is compared: one kind of space, quotation mark and dash, in NFKC."""
    return _plain(quote).text.strip()


def _plain(text: str) -> _Plain:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for found in _PIECE.finditer(text):
        if found["nothing"]:
            continue
        if found["hyphen"]:
            piece = _HYPHEN
        elif found["space"]:
            piece = " "
        else:
            # A mark that NFKC would take apart is a mark first; one that it gives is one after.
            whole = unicodedata.normalize("NFKC", found[0].translate(_PLAIN))
            piece = whole.translate(_PLAIN)
        pieces.append(piece)
        starts += [found.start()] * len(piece)
        ends += [found.end()] * len(piece)
    return _Plain("".join(pieces), starts, ends)


def find_quote(quote: str, text: str) -> tuple[int, int] | None:
    """Returns where a quote stands in a text, or None.

    Every run of white space is one space; typographic quotation marks, dashes, ligatures and
    accents are their plain forms; a word that is hyphenated at the end of a line is found whole,
    too. Upper and lower case count.

    Args:
        quote: What is said to be in the text.
        text: The text.

    Returns:
        Start and end of its first occurrence in the text as it is.
    """
    wanted, given = plain(quote), _plain(text)
    if not wanted:
        return None
    at, size = given.text.find(wanted), len(wanted)
    if at < 0 and _HYPHEN in given.text:
        found = re.search(_pattern(wanted), given.text)
        at, size = (found.start(), len(found[0])) if found else (-1, 0)
    return None if at < 0 else (given.starts[at], given.ends[at + size - 1])


def _pattern(wanted: str) -> str:
    """Returns the pattern of a quote in a text whose lines end in hyphens."""
    parts: list[str] = []
    last = ""
    for letter in re.findall(r"(?<=\w)- (?=\w)|.", wanted, re.DOTALL):
        if last.isalnum() and letter.isalnum():
            parts.append(f"{_HYPHEN}?")
        if letter == "- ":
            parts.append(f"(?:- |{_HYPHEN})")
        elif letter == "-":
            parts.append(f"[-{_HYPHEN}]")
        else:
            parts.append(re.escape(letter))
        last = letter
    return "".join(parts)


def paragraphs_around(text: str, start: int, end: int) -> str:
    """Returns the paragraphs of a text that a span touches.

    Args:
        text: The text.
        start: Where the span begins.
        end: Where it ends.
    """
    breaks = list(_PARAGRAPH.finditer(text))
    first = max((each.end() for each in breaks if each.end() <= start), default=0)
    last = min((each.start() for each in breaks if each.start() >= end), default=len(text))
    return text[first:last].strip()
