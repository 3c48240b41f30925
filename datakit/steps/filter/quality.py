"""filter.quality: drops answers that are broken whatever the question."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

import numpy as np
from msgspec import Meta

from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import step
from datakit.text import clip, covered, grams, word_hashes, words

# Openings only: lists of topic words ("illegal", "ethics") delete topics, not refusals.
_REFUSAL = re.compile(
    r"""\s*
    (?:(?:i['\u2019]m|i\s+am|we\s+are)\s+(?:very\s+|really\s+|so\s+)?sorry\b[,.]?\s*(?:but\s+)?
      |sorry[,.]?\s*(?:but\s+)?|i\s+apologi[sz]e[,.]?\s*(?:but\s+)?|unfortunately[,.]?\s*)*
    (?:as\s+an?\s+(?:ai|artificial\s+intelligence|(?:large\s+)?language\s+model)\b[^,.]{0,60}[,.]\s*
      (?:but\s+)?)?
    (?:i|we)\s*(?:['\u2019]m|\s+am|\s+are)?\s*
    (?:can\s*not|can['\u2019]?t|won['\u2019]?t|will\s+not|unable\s+to|not\s+able\s+to|not\s+comfortable)\s+
    (?:\w+ly\s+)?
    (?:assist|help|fulfil|comply|engage\s+in|provide|answer|generate|create|write|produce|complete
      |access|browse|open|view|see\s+(?:the|any)|support|encourag|promot|do\s+that|participate)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PLACEHOLDER = re.compile(
    r"\W*(?:n/?a|todo|tbd|no\s*(?:input|output|answer)|output|answer|response|placeholder"
    r"|(?:insert|your|the)\s+(?:answer|output|response|text)(?:\s+(?:here|goes here))?"
    r"|lorem ipsum\b.*)?\W*\Z",
    re.IGNORECASE | re.DOTALL,
)
_BRACKETED = re.compile(
    r"\s*(?:<\s*no\s*(?:input|output)\s*>|\[[^\]]{0,40}\b(?:here|goes)\b[^\]]*\])\s*"
)
_TEMPLATE = re.compile(
    r"^\#{3,}\s*(?:instruction|input|response|human|assistant)s?\s*(?::|$)"
    r"|<\|(?:im_start|im_end|endoftext|eot_id|user|assistant|system)\|>|\[/?INST\]|<</?SYS>>"
    r"|\A\s*as\s+an?\s+(?:ai|artificial\s+intelligence)(?:\s+language)?\s*(?:model|assistant)?\s*,"
    r"|\A\s*as\s+a\s+(?:large\s+)?language\s+model\b",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBERED = re.compile(
    r"\A\W*(?:question|task|instruction|example|problem)\s*\#?\d+\s*[:.)]", re.IGNORECASE
)
_FENCE = re.compile(r"^\s*(?:>\s*)*(?:[-*]\s+|\d+\.\s+)?```", re.MULTILINE)
_GRAM = 8
# Good answers say a phrase twice; a loop goes on.
_TIMES = 3
_FEWEST_CHARS = 20


@step("filter.quality")
class Quality:
    """Drops answers that are broken whatever was asked: empty, refused, looping, leaked, cut short.

    Rules for web pages (Gopher, C4, FineWeb) drop 18 to 100 % of good short answers; these drop
    under 1 %.

    Args:
        max_repeated: Largest share of the words that stand in a run of 8 words that occurs 3
            times; 1 turns it off. Above it: `repetitive`.
        min_alnum: Smallest share of letters and digits among the visible characters of an output
            of 20 and more; 0 turns it off. Below it: `low_alnum`.
        refusals: Drop answers that open with a refusal: `refusal`.
        echoes: Drop answers that only repeat the instruction or the input: `echo`.
        leaks: Drop what has the marks of a prompt template: `template_leak`.
        cut_short: Drop answers with a code fence that is not closed: `cut_short`.
        placeholders: Drop answers such as `N/A` or `[your answer here]`: `placeholder`.
    """

    max_repeated: Annotated[float, Meta(ge=0, le=1)] = 0.3
    min_alnum: Annotated[float, Meta(ge=0, le=1)] = 0.1
    refusals: bool = True
    echoes: bool = True
    leaks: bool = True
    cut_short: bool = True
    placeholders: bool = True

    def check(self, record: Record) -> Drop | None:
        """Drops a record at the first fault that is found."""
        if not record.output.strip():
            return Drop("empty_output")
        return next(self._faults(record), None)

    def _faults(self, record: Record) -> Iterator[Drop]:
        if self.placeholders and _is_placeholder(record.output):
            yield Drop("placeholder", text=record.output)
        if self.refusals and (found := _REFUSAL.match(record.output)):
            yield _spanned("refusal", found, "output")
        if self.leaks:
            yield from _leaks(record)
        if self.echoes:
            yield from _echoes(record)
        fences = len(_FENCE.findall(record.output))
        if self.cut_short and fences % 2:
            yield Drop("cut_short", fences=fences)
        share = repeated_share(record.output)
        if share > self.max_repeated:
            yield Drop("repetitive", share=round(share, 4), max_repeated=self.max_repeated)
        visible = "".join(record.output.split())
        alnum = sum(map(str.isalnum, visible)) / len(visible)
        if len(visible) >= _FEWEST_CHARS and alnum < self.min_alnum:
            yield Drop("low_alnum", share=round(alnum, 4), min_alnum=self.min_alnum)


def repeated_share(text: str) -> float:
    """Returns the share of a text's words that stand in a run of 8 words that occurs 3 times."""
    found = words(text)
    runs = grams(word_hashes(found), _GRAM)
    if len(runs) < 2:
        return 0.0
    _, which, counts = np.unique(runs, return_inverse=True, return_counts=True)
    return float(covered(np.flatnonzero(counts[which] >= _TIMES), _GRAM, len(found)).mean())


def _is_placeholder(text: str) -> bool:
    asks = _PLACEHOLDER.match(text) if any(map(str.isalnum, text)) else None
    return bool(asks or _BRACKETED.fullmatch(text) or not text.strip(" .…\n\t"))


def _spanned(reason: str, found: re.Match[str], field: str) -> Drop:
    text = clip(found.group())
    return Drop(reason, field=field, start=found.start(), end=found.end(), text=text)


def _leaks(record: Record) -> Iterator[Drop]:
    for field in ("instruction", "output"):
        if found := _TEMPLATE.search(getattr(record, field)):
            yield _spanned("template_leak", found, field)
    if found := _NUMBERED.match(record.instruction):
        yield _spanned("template_leak", found, "instruction")


def _echoes(record: Record) -> Iterator[Drop]:
    # Letter by letter: "put this into capitals" has an answer that differs in no more.
    for field in ("instruction", "input"):
        if record.output.strip() == getattr(record, field).strip():
            yield Drop("echo", field=field, text=clip(record.output))
