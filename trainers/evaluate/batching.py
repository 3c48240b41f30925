"""Chats in tokens for evaluation: what is scored, what is cut off, what goes into one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from datakit.errors import InputError
from trainers.examples import Chat
from trainers.tokens import IGNORED, Encoded, encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["answer_bytes", "batches", "ending", "padded", "scored_row", "spots"]


def scored_row(tokenizer: PreTrainedTokenizerBase, chat: Chat, *, last: bool = False) -> Encoded:
    """Returns a chat in tokens, with labels where it is scored.

    Args:
        tokenizer: With a chat template.
        chat: The chat.
        last: Score the last answer alone.

    Raises:
        InputError: If the template cannot render the chat, or leaves nothing to score.
    """
    made = encode(tokenizer, chat.messages)
    # Nothing comes before the first token, so nothing predicts it.
    labels = [IGNORED, *made.labels[1:]]
    if last:
        end = len(labels)
        while end and labels[end - 1] == IGNORED:
            end -= 1
        start = end
        while start and labels[start - 1] != IGNORED:
            start -= 1
        labels = [IGNORED] * start + labels[start:]
    if all(each == IGNORED for each in labels):
        raise InputError(f"item {chat.id}: its answer has no tokens with this chat template.")
    return Encoded(made.input_ids, labels)


def ending(row: Encoded, length: int) -> Encoded:
    """Returns the last `length` tokens of a row; the row itself, if it has no more."""
    if len(row.input_ids) <= length:
        return row
    return Encoded(row.input_ids[-length:], [IGNORED, *row.labels[-length + 1 :]])


def spots(row: Encoded) -> Iterator[int]:
    """Yields the places of the tokens that are scored."""
    return (at for at, label in enumerate(row.labels) if label != IGNORED)


def answer_bytes(chat: Chat, whole: Encoded, now: Encoded, *, last: bool = False) -> int:
    """Returns the UTF-8 bytes of what is scored.

    Args:
        chat: The chat.
        whole: All of it in tokens.
        now: What of it is scored; of an answer that is cut, bytes in proportion to its tokens.
        last: As for `scored_row`.
    """
    answers = [each["content"] for each in chat.messages if each["role"] == "assistant"]
    size = sum(len(each.encode("utf-8", "replace")) for each in answers[-1 if last else 0 :])
    return size if now is whole else round(size * now.answer_tokens / whole.answer_tokens)


def batches(lengths: Sequence[int], most: int, tokens: int) -> Iterator[list[int]]:
    """Yields the places of rows of like lengths, the longest first: what fails, fails at once.

    Args:
        lengths: Tokens of each row.
        most: Most rows of a batch.
        tokens: Most tokens of a batch, padding included; a longer row goes alone.
    """
    batch: list[int] = []
    width = 0
    for at in sorted(range(len(lengths)), key=lambda at: (-lengths[at], at)):
        width = width or max(1, lengths[at])
        if batch and (len(batch) == most or width * (len(batch) + 1) > tokens):
            yield batch
            batch, width = [], max(1, lengths[at])
        batch.append(at)
    if batch:
        yield batch


def padded(
    rows: Sequence[Sequence[int]], pad: int, *, left: bool = False
) -> tuple[list[list[int]], list[list[int]]]:
    """Returns rows of one length, and for each place 1 if it is the row's and 0 if it is filled.

    Args:
        rows: Token numbers.
        pad: What is filled in.
        left: Whether that goes before a row, as it must where the row is continued.
    """
    width = max(map(len, rows))
    ids, mask = [], []
    for row in rows:
        gap = width - len(row)
        ids.append([pad] * gap + list(row) if left else list(row) + [pad] * gap)
        mask.append([0] * gap + [1] * len(row) if left else [1] * len(row) + [0] * gap)
    return ids, mask
