"""The rules by which Self-Instruct and Alpaca refuse an instruction, and an instance of one.

Wang et al. 2022, arXiv 2212.10560, `self_instruct/bootstrap_instructions.py` and
`prepare_for_finetuning.py` of yizhongw/self-instruct; Taori et al. 2023, `generate_instruction.py`
of tatsu-lab/stanford_alpaca, adds words for what a text model cannot make.
"""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterable, Mapping

from datakit.outcome import Drop

__all__ = ["ALPACA", "FEWEST_WORDS", "MOST_WORDS", "ORIGINAL", "broken", "in_force", "instance"]

# An instruction has more words than the one, and no more than the other.
FEWEST_WORDS, MOST_WORDS = 3, 150

ORIGINAL = (
    *("image", "images", "graph", "graphs", "picture", "pictures", "file", "files"),
    *("map", "maps", "draw", "plot", "go to"),
)
ALPACA = (*ORIGINAL, "video", "audio", "music", "flowchart", "diagram")

_PROGRAM = "Write a program"
# A rule that more of the seeds break than this is not one of their domain.
_MOST_BREAK = 0.1
_NAMES = ("word_count", "blacklisted", "program", "punctuation", "not_ascii")


def broken(instruction: str, words: Collection[str]) -> Mapping[str, Drop]:
    """Returns the rules that an instruction breaks, each with what it breaks it by.

    Args:
        instruction: The instruction.
        words: Words, whole ones, that ask for what a text model cannot make.
    """
    found: dict[str, Drop] = {}
    count = len(instruction.split())
    if count <= FEWEST_WORDS or count > MOST_WORDS:
        found["word_count"] = Drop("word_count", words=count)
    for word in words:
        if re.search(rf"\b{re.escape(word)}\b", instruction, re.IGNORECASE):
            found["blacklisted"] = Drop("blacklisted", word=word)
            break
    if instruction.startswith(_PROGRAM):
        found["program"] = Drop("program")
    if instruction[:1] in string.punctuation:
        found["punctuation"] = Drop("punctuation", begins=instruction[:1])
    elif not instruction[:1].isascii():
        found["not_ascii"] = Drop("not_ascii", begins=instruction[:1])
    return found


def in_force(seeds: Iterable[str], words: Collection[str]) -> frozenset[str]:
    """Returns the rules that hold: those that the seeds themselves keep, nearly all of them.

    The rules are of general English tasks. Seeds about maps, or in Chinese, show that one of them
    does not fit their domain.

    Args:
        seeds: Instructions of the user's own.
        words: As for `broken`.
    """
    listed = list(seeds)
    counts = dict.fromkeys(_NAMES, 0)
    for seed in listed:
        for name in broken(seed, words):
            counts[name] += 1
    return frozenset(name for name in _NAMES if counts[name] <= _MOST_BREAK * len(listed))


def instance(given: str, output: str) -> Drop | None:
    """Returns why an instance of a task is of no use for training, or None.

    Args:
        given: The input; may be empty.
        output: The output.
    """
    if not output:
        return Drop("incomplete", missing="output")
    if given == output:
        return Drop("same_as_input")
    if given.endswith(":") or output.endswith(":"):
        return Drop("unfinished", ends=":")
    return None
