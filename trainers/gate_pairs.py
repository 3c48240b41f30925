"""The gate for preferences: pairs, and answers with a label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from trainers.examples import Labelled, Message, Pair, Refused
from trainers.gate import Gate, Tally, ends, marked
from trainers.tokens import IGNORED, Encoded, encode, encode_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["answered", "check_labelled", "check_pairs"]


_BY_LABEL = "`label` and `rejected`: they are taken by their label, without the rejected answer."


def answered(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Message], answer: str) -> Encoded:
    """Encodes a prompt and an answer; labels are on this answer alone, whatever was said before."""
    row = encode(tokenizer, (*prompt, {"role": "assistant", "content": answer}))
    start = min(len(encode_prompt(tokenizer, prompt)), len(row.labels))
    return Encoded(row.input_ids, [IGNORED] * start + row.labels[start:])


def check_pairs(
    pairs: Iterable[Pair],
    refused: Sequence[Refused],
    tokenizer: PreTrainedTokenizerBase,
    stops: frozenset[int],
    *,
    max_length: int,
    long: str,
) -> tuple[Gate, list[dict[str, Any]]]:
    """Counts pairs, as `trainers.gate.check_chats` does chats.

    A pair is as long as the longer of its two rows, and masked if either has nothing left to learn.

    Returns:
        The counts, and rows of `prompt`, `chosen`, `rejected` as messages, as TRL takes them.
    """
    tally = Tally(max_length, long)
    kept: list[dict[str, Any]] = []
    example: tuple[tuple[str, bool], ...] = ()
    for pair in pairs:
        both = [answered(tokenizer, pair.prompt, each) for each in (pair.chosen, pair.rejected)]
        if not tally.takes(pair.id, max(len(row.input_ids) for row in both)):
            continue
        cut = [row.cut(max_length) for row in both]
        if not all(row.answer_tokens for row in cut):
            tally.mask(pair.id)
            continue
        tally.add(
            both[0].answer_tokens, both[1].answer_tokens, stops=all(ends(row, stops) for row in cut)
        )
        example = example or marked(tokenizer, cut[0])
        kept.append(
            {
                "prompt": list(pair.prompt),
                "chosen": [{"role": "assistant", "content": pair.chosen}],
                "rejected": [{"role": "assistant", "content": pair.rejected}],
            }
        )
    return tally.gate(refused, example), kept


def check_labelled(
    answers: Iterable[Labelled],
    refused: Sequence[Refused],
    tokenizer: PreTrainedTokenizerBase,
    stops: frozenset[int],
    *,
    max_length: int,
    long: str,
) -> tuple[Gate, list[dict[str, Any]]]:
    """Counts answers with a label, as `trainers.gate.check_chats` does chats.

    Returns:
        The counts, and rows of `prompt`, `completion` and `label` as TRL takes them.
    """
    tally = Tally(max_length, long)
    kept: list[dict[str, Any]] = []
    example: tuple[tuple[str, bool], ...] = ()
    for each in answers:
        row = answered(tokenizer, each.prompt, each.answer)
        if not tally.takes(each.id, len(row.input_ids), leaves_out=each.rejected):
            continue
        cut = row.cut(max_length)
        if not cut.answer_tokens:
            tally.mask(each.id)
            continue
        tally.add(row.answer_tokens, stops=ends(cut, stops), good=each.good)
        example = example or marked(tokenizer, cut)
        kept.append(
            {
                "prompt": list(each.prompt),
                "completion": [{"role": "assistant", "content": each.answer}],
                "label": each.good,
            }
        )
    tally.note(_BY_LABEL)
    return tally.gate(refused, example), kept
