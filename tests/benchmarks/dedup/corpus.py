"""Documents with planted near duplicates, whose true similarity is known.

The texts are public instruction data where they are at hand, and this repository's own documents
else. Where there are too few, sentences of different texts are put together. A planted duplicate is
a text in which words were replaced.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

from datakit.rows import read_rows
from datakit.text import tokens

__all__ = ["Corpus", "corpus"]

_KEYS = ("instruction", "question", "input", "context", "output", "response", "answer")
_FILES = (
    "alpaca/alpagasus_random_9k.json",
    "alpaca/alpaca_5000.json",
    "alpaca/longest_1k.json",
    "dolly/alpagasus_dolly_3k.json",
    "codealpaca/code_alpaca_2k.json",
    "gsm8k/train.jsonl",
)
_OWN = Path(__file__).parents[3]
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_PLANTED = 0.1
_MOST_CHANGED = 0.12


@dataclass(frozen=True)
class Corpus:
    """Texts, and which of them were made from which.

    Args:
        texts: The documents, mixed.
        planted: Pairs of places: a text, and the one it was made from.
    """

    texts: list[str]
    planted: list[tuple[int, int]]


def corpus(count: int, folder: Path | None, seed: int = 0) -> Corpus:
    """Returns so many documents, a tenth of them planted.

    Args:
        count: How many.
        folder: Where public data is, or None.
        seed: Another one draws others.
    """
    rng = random.Random(f"corpus {seed}")
    whole = _texts(folder)
    rng.shuffle(whole)
    texts = whole[: count - int(count * _PLANTED)]
    known = set(texts)
    sentences = sorted({s for text in whole for s in _SENTENCE.split(text) if len(s) > 20})
    while len(texts) < count - int(count * _PLANTED):
        made = " ".join(rng.sample(sentences, 6))
        if made not in known:
            known.add(made)
            texts.append(made)
    # A text of a few words is another one when a word is.
    long = [at for at, text in enumerate(texts) if len(text.split()) >= 20]
    origins = [rng.choice(long) for _ in range(count - len(texts))]
    texts += [_changed(texts[at], rng) for at in origins]
    order = list(range(count))
    rng.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    first = count - len(origins)
    planted = [(place[first + at], place[origin]) for at, origin in enumerate(origins)]
    return Corpus([texts[at] for at in order], planted)


def _texts(folder: Path | None) -> list[str]:
    files = [folder / name for name in _FILES if (folder / name).is_file()] if folder else []
    found = [
        "\n".join(str(row[key]) for key in _KEYS if row.get(key))
        for file in files
        for _, row in read_rows(str(file))
    ]
    if not found:
        own = [*_OWN.glob("*.md"), *(_OWN / "docs").glob("*.md")]
        parts = [part for file in sorted(own) for part in file.read_text().split("\n\n")]
        found = [part for part in parts if len(part) > 80]
    # A lone surrogate is no text that every peer can read.
    return sorted({text for text in found if tokens(text)})


def _changed(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    for at in rng.sample(range(len(words)), 1 + int(len(words) * rng.uniform(0, _MOST_CHANGED))):
        words[at] = rng.choice(words)
    return " ".join(words)
