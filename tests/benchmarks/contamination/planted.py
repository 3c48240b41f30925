"""Benchmark items as they turn up in data: as they are, in another form, or edited."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

__all__ = ["KINDS"]

_CUT = 0.1


def _verbatim(text: str, rng: random.Random) -> str:
    return text


def _reformatted(text: str, rng: random.Random) -> str:
    """As a quotation in Markdown, in other letters, without its punctuation."""
    words = "".join(each if each.isalnum() else " " for each in text).upper().split()
    lines = (" ".join(words[at : at + 8]) for at in range(0, len(words), 8))
    return "**Problem**\n\n" + "\n".join(f"> {line}" for line in lines)


def _embedded(text: str, rng: random.Random) -> str:
    return f"Please read what follows and answer as well as you can. {text} Explain your steps."


def _cut(text: str, rng: random.Random) -> str:
    words = text.split()
    gone = set(rng.sample(range(len(words)), max(1, round(_CUT * len(words)))))
    return " ".join(word for at, word in enumerate(words) if at not in gone)


def _replaced(text: str, rng: random.Random) -> str:
    words = text.split()
    for at in rng.sample(range(len(words)), max(1, round(_CUT * len(words)))):
        words[at] = "thing"
    return " ".join(words)


def _numbers(text: str, rng: random.Random) -> str:
    return re.sub(r"\d+", lambda found: str(rng.randint(2, 99)), text)


def _half(text: str, rng: random.Random) -> str:
    words = text.split()
    return " ".join(words[: len(words) // 2 + 1])


KINDS: Mapping[str, Callable[[str, random.Random], str]] = {
    "verbatim": _verbatim,
    "reformatted": _reformatted,
    "in a prompt": _embedded,
    "10 % of words cut": _cut,
    "10 % replaced": _replaced,
    "numbers changed": _numbers,
    "first half": _half,
}
"""How an item is put into a record; one that leaves a text as it is makes no copy."""
