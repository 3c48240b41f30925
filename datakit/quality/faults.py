"""What is broken about an answer, whatever was asked.

Rules for web pages (Gopher, C4, FineWeb) drop 18 to 100 % of good short answers; these drop under
1 %: `python -m tests.benchmarks.quality` prints what each drops of public data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from datakit.outcome import Drop
from datakit.quality.refusals import disclaimer, refusal
from datakit.record import Record
from datakit.text import clip, covered, grams, word_hashes, words

__all__ = ["alnum_share", "faults", "repeated_share"]

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
    r"|<\|(?:im_start|im_end|endoftext|eot_id|user|assistant|system)\|>|\[/?INST\]|<</?SYS>>",
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
_CUT = ("length", "max_tokens", "max_output_tokens")


def faults(record: Record) -> Iterator[tuple[Drop, float]]:
    """Yields what is broken about a record's answer, and how badly: 0 to 1.

    A share is yielded wherever there is one; the caller says how much is too much.

    Args:
        record: The record.
    """
    output = record.output
    if not output.strip():
        yield Drop("empty_output"), 1.0
        return
    if is_placeholder(output):
        yield Drop("placeholder", text=clip(output)), 1.0
    if found := refusal(output):
        yield _spanned("refusal", found, "output"), 1.0
    if found := disclaimer(output):
        yield _spanned("disclaimer", found, "output"), 1.0
    yield from ((drop, 1.0) for drop in leaks(record))
    yield from ((drop, 1.0) for drop in echoes(record))
    yield from ((drop, 1.0) for drop in _cut_short(record))
    if share := repeated_share(output):
        yield Drop("repetitive", share=round(share, 4)), share
    if (share := alnum_share(output)) < 1:
        yield Drop("low_alnum", share=round(share, 4)), 1 - share
    if found := mojibake(output):
        yield _spanned("mojibake", found, "output"), 1.0


def _cut_short(record: Record) -> Iterator[Drop]:
    for place in (record.meta, record.extra):
        reason = place.get("finish_reason", place.get("stop_reason"))
        if reason in _CUT:
            yield Drop("cut_short", finish_reason=reason)
            return
    fences = len(_FENCE.findall(record.output))
    if fences % 2:
        yield Drop("cut_short", fences=fences)


def mojibake(text: str) -> re.Match[str] | None:
    """Returns the first piece of a text that was decoded wrongly ("schÃ¶n"), or None.

    It is told by ftfy (https://github.com/rspeer/python-ftfy), and only where ftfy can mend it.
    """
    if text.isascii():
        return None
    from ftfy import fix_encoding
    from ftfy.badness import BADNESS_RE

    found: re.Match[str] | None = BADNESS_RE.search(text)
    return found if found and fix_encoding(text) != text else None


def alnum_share(text: str) -> float:
    """Returns the share of letters and digits among the visible characters; 1 of a few of them."""
    visible = "".join(text.split())
    if len(visible) < _FEWEST_CHARS:
        return 1.0
    return sum(map(str.isalnum, visible)) / len(visible)


def repeated_share(text: str) -> float:
    """Returns the share of a text's words that stand in a run of 8 words that occurs 3 times."""
    found = words(text)
    runs = grams(word_hashes(found), _GRAM)
    if len(runs) < 2:
        return 0.0
    _, which, counts = np.unique(runs, return_inverse=True, return_counts=True)
    return float(covered(np.flatnonzero(counts[which] >= _TIMES), _GRAM, len(found)).mean())


def is_placeholder(text: str) -> bool:
    asks = _PLACEHOLDER.match(text) if any(map(str.isalnum, text)) else None
    return bool(asks or _BRACKETED.fullmatch(text) or not text.strip(" .…\n\t"))


def _spanned(reason: str, found: re.Match[str], field: str) -> Drop:
    text = clip(found.group())
    return Drop(reason, field=field, start=found.start(), end=found.end(), text=text)


def leaks(record: Record) -> Iterator[Drop]:
    for field in ("instruction", "output"):
        if found := _TEMPLATE.search(getattr(record, field)):
            yield _spanned("template_leak", found, field)
    if found := _NUMBERED.match(record.instruction):
        yield _spanned("template_leak", found, "instruction")


def echoes(record: Record) -> Iterator[Drop]:
    # Letter by letter: "put this into capitals" has an answer that differs in no more.
    for field in ("instruction", "input"):
        if record.output.strip() == getattr(record, field).strip():
            yield Drop("echo", field=field, text=clip(record.output))
