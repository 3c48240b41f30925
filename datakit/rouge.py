"""ROUGE-L between many texts at once: how much of two texts is the same words in the same order.

The values are those of Google's `rouge-score` without stemming (Lin 2004, ROUGE: A Package for
Automatic Evaluation of Summaries): lower-case runs of a-z and 0-9, F of precision and recall of
the longest common subsequence. Text without such runs has none in common with any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

__all__ = ["Pool", "rouge_l", "tokens"]

Floats = npt.NDArray[np.float32]

_TOKEN = re.compile(r"[a-z0-9]+")
# The first code points that stand for tokens; those of half characters are left out.
_FIRST, _HALF, _AFTER = 0x20, 0xD800, 0xE000


def tokens(text: str) -> list[str]:
    """Returns the tokens that are compared."""
    return _TOKEN.findall(text.lower())


def rouge_l(one: str, other: str) -> float:
    """Returns ROUGE-L F of two texts, from 0 to 1."""
    pool = Pool()
    pool.add([one])
    return float(pool.to([other])[0, 0])


class Pool:
    """Texts that others are compared with.

    A token is a character, so that a text is a string of them, and strings are compared fast.
    """

    def __init__(self) -> None:
        self._code: dict[str, str] = {}
        self._texts: list[str] = []
        self._sizes: list[int] = []

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, texts: Iterable[str]) -> None:
        """Adds texts; the first one of all has number 0."""
        for text in texts:
            coded = self._coded(text)
            self._texts.append(coded)
            self._sizes.append(len(coded))

    def to(self, texts: Sequence[str]) -> Floats:
        """Returns ROUGE-L F of each text with each of the pool.

        Args:
            texts: Any number.

        Returns:
            Of shape (texts, pool), from 0 to 1.
        """
        coded = [self._coded(text) for text in texts]
        if not coded or not self._texts:
            return np.zeros((len(coded), len(self._texts)), dtype=np.float32)
        common = cdist(coded, self._texts, scorer=LCSseq.similarity, dtype=np.uint32)
        sizes = np.array([len(each) for each in coded])[:, None] + np.array(self._sizes)
        found: Floats = (2.0 * common / np.maximum(sizes, 1)).astype(np.float32)
        return found

    def _coded(self, text: str) -> str:
        return "".join(self._char(token) for token in tokens(text))

    def _char(self, token: str) -> str:
        if token not in self._code:
            at = _FIRST + len(self._code)
            self._code[token] = chr(at if at < _HALF else at - _HALF + _AFTER)
        return self._code[token]
