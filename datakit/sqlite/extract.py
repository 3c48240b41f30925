"""The SQL in a model's answer: out of a fenced block, from among prose, the first statement."""

from __future__ import annotations

import re

__all__ = ["extract_sql"]

MAX_CHARS = 100_000

# A block may be cut off where the answer ends.
_FENCE = re.compile(r"```[ \t]*([A-Za-z0-9_+-]*)[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
# "With" and "select" are words of prose too: what follows tells.
_START = r"(?:SELECT\b|VALUES\s*\(|WITH\s+(?:RECURSIVE\s+)?[\w\"`\[\]]+\s*(?:\([^()]*\)\s*)?AS\b)"
_AT_LINE = re.compile(rf"^[ \t(]*{_START}", re.IGNORECASE | re.MULTILINE)
_SHOUTED = re.compile(r"\b(?:SELECT\b|WITH\s+(?:RECURSIVE\s+)?\w+\s*(?:\([^()]*\)\s*)?AS\b)")
_ANYWHERE = re.compile(rf"\b{_START}", re.IGNORECASE)
_TOKEN = re.compile(
    # Three backticks end a block: they come before one, which quotes a name.
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|```|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|;"
    r"|\n[ \t]*\r?\n",
    re.DOTALL,
)


def extract_sql(answer: str) -> str:
    """Returns the first query of an answer, without the semicolon that ends it.

    It is looked for in the first fenced block that has one, else from the first line that starts
    like one, else within a line. A statement ends at a semicolon, or, in prose, at an empty line.
    An answer without any query comes back as it is: whoever runs it finds the fault.

    Args:
        answer: What a model wrote.
    """
    text = answer[:MAX_CHARS].replace("\r\n", "\n").strip()
    blocks = [match[2] for match in _FENCE.finditer(text)]
    for block in blocks:
        if start := _AT_LINE.search(block):
            # Comments in front belong to it; words in front do not.
            return _first(block[start.start() :], prose=False)
    if blocks and blocks[0].strip():
        return _first(blocks[0], prose=False)
    for match in _INLINE.finditer(text):
        if _AT_LINE.match(match[1]):
            return _first(match[1], prose=False)
    for pattern in (_AT_LINE, _SHOUTED, _ANYWHERE):
        if start := pattern.search(text):
            return _first(text[start.start() :], prose=True)
    return text


def _first(text: str, *, prose: bool) -> str:
    text = text.strip()
    ends = [match for match in _TOKEN.finditer(text) if match[0][0] in ";`\n"]
    stops = [match.start() for match in ends if match[0] in (";", "```")]
    if prose:
        # A query may hold empty lines, but then it goes on to its semicolon.
        blank = next((match.start() for match in ends if match[0][0] == "\n"), None)
        if blank is not None and (not stops or _is_prose(text[blank : stops[0]])):
            return text[:blank].strip()
    return text[: stops[0]].strip() if stops else text


def _is_prose(rest: str) -> bool:
    """Whether what follows an empty line begins like a sentence and not like a clause."""
    word = rest.split(maxsplit=1)[0] if rest.split() else ""
    return word[:1].isupper() and not word.isupper()
