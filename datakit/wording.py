"""What was changed in a text, word by word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Piece", "word_changes"]

_PIECE = re.compile(r"\s+|\w+|[^\w\s]")
# The comparison takes a bit for each pair of words.
_MOST = 4_000


@dataclass(frozen=True)
class Piece:
    """A piece of either text; all but `added` make the earlier one, all but `removed` the later."""

    kind: Literal["same", "removed", "added"]
    text: str


def word_changes(before: str, after: str) -> list[Piece]:
    """Returns how a text became another, in words, spaces and other characters.

    Args:
        before: The earlier text.
        after: The later one.

    Returns:
        Pieces in their order, what was removed before what was added in its place. Of texts that
        differ over more than 4,000 words, the middle is removed and added whole.
    """
    from rapidfuzz.distance import Indel

    old, new = _PIECE.findall(before), _PIECE.findall(after)
    start = _shared(old, new)
    end = _shared(old[start:][::-1], new[start:][::-1])
    middle = (old[start : len(old) - end], new[start : len(new) - end])
    pieces = [Piece("same", "".join(old[:start]))]
    if max(map(len, middle)) > _MOST:
        pieces += [Piece("removed", "".join(middle[0])), Piece("added", "".join(middle[1]))]
    else:
        for code in Indel.opcodes(*middle):
            gone = "".join(middle[0][code.src_start : code.src_end])
            came = "".join(middle[1][code.dest_start : code.dest_end])
            if code.tag == "equal":
                pieces.append(Piece("same", gone))
            else:
                pieces += [Piece("removed", gone), Piece("added", came)]
    pieces.append(Piece("same", "".join(old[len(old) - end :])))
    return _merged([each for each in pieces if each.text])


def _shared(old: list[str], new: list[str]) -> int:
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Joins what stands apart by nothing but a space, so that a phrase is one change."""
    runs: list[tuple[str, str]] = []
    made: list[Piece] = []

    def close() -> None:
        gone, came = ("".join(each) for each in zip(*runs, strict=True)) if runs else ("", "")
        made.extend(p for p in (Piece("removed", gone), Piece("added", came)) if p.text)
        runs.clear()

    for at, each in enumerate(pieces):
        inner = 0 < at < len(pieces) - 1 and each.text.isspace()
        if each.kind == "same" and not (runs and inner):
            close()
            made.append(each)
        else:
            gone = each.text if each.kind != "added" else ""
            came = each.text if each.kind != "removed" else ""
            runs.append((gone, came))
    close()
    return made
