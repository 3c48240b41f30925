"""dedup.rouge: keeps one of several records whose words are much the same in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta

from datakit.outcome import Drop
from datakit.pairs import KEEP, View, best_first, fields_of
from datakit.record import Record
from datakit.step import step

_BLOCK = 256


@step("dedup.rouge")
class Rouge:
    """Drops records that are too much like a kept one by ROUGE-L, the filter of Self-Instruct.

    ROUGE-L F is twice the longest common subsequence of words over the words of both, as Google's
    `rouge-score` has it without stemming. Each record is compared with all that are kept, so the
    time grows with the square of their number: some seconds for 5,000, an hour for 200,000; take
    `dedup.minhash` for those. Wang et al. 2022, arXiv 2212.10560.

    Args:
        threshold: A record with a ROUGE-L F above it is dropped.
        view: What is compared; see `dedup.exact`.
        keep: Which one is kept: `first` in the corpus, `longest`, or `best:SCORE`.
        nearest: How many of the most similar ones are told in the reason.
    """

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.7
    view: View = "instruction"
    keep: Annotated[str, Meta(pattern=KEEP)] = "first"
    nearest: Annotated[int, Meta(ge=1, le=100)] = 10

    def select(self, records: Iterable[Record]) -> dict[str, Drop]:
        """Drops what is too much like a kept record before it."""
        from datakit.rouge import Pool

        kept, names = Pool(), list[str]()
        drops: dict[str, Drop] = {}
        ordered = list(best_first(records, self.keep))
        for start in range(0, len(ordered), _BLOCK):
            block = ordered[start : start + _BLOCK]
            texts = [" ".join(fields_of(record, self.view)) for record in block]
            own = Pool()
            own.add(texts)
            before, within = kept.to(texts), own.to(texts)
            let: list[int] = []
            for at, record in enumerate(block):
                scores = np.concatenate([before[at], within[at, let]])
                if len(scores) and scores.max() > self.threshold:
                    drops[record.id] = self._drop(scores, [*names, *(block[k].id for k in let)])
                else:
                    let.append(at)
            kept.add([texts[at] for at in let])
            names += [block[at].id for at in let]
        return drops

    def _drop(self, scores: np.ndarray, names: Sequence[str]) -> Drop:
        order = np.argsort(-scores, kind="stable")[: self.nearest]
        near = [[names[at], round(float(scores[at]), 4)] for at in order]
        return Drop("too_similar", of=near[0][0], score=near[0][1], nearest=near)
