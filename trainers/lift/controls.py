"""Controls: variants made worse, or merely smaller, in a known way.

A study that does not see half the answers shuffled would not see less either. Which records a
control takes is drawn by their prompts and the seed, as alike as can be in two variants; and of one
seed a smaller share or size is a part of every larger one.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from datakit.amounts import counted
from datakit.errors import InputError
from datakit.exchange import UnfitError, exchange
from datakit.record import Record
from datakit.shapes import ROLES
from trainers.lift.draws import ranked
from trainers.lift.variants import Variant

__all__ = ["duplicated", "equal_tokens", "shuffled", "thinned"]


def shuffled(variant: Variant, share: float, seed: int) -> Variant:
    """Gives some records each other's answers; nobody keeps his own.

    Prompts stay as they are; of a chat the last answer is another one. An answer that is equal to
    one's own is no change: as few records get one as is possible among those chosen.

    Args:
        variant: The variant.
        share: Of its records that have an answer, over 0 and up to 1.
        seed: Another one chooses others.

    Raises:
        InputError: If the share is out of range or below two records, or if all answers in it are
            equal.
    """
    if not 0 < share <= 1:
        raise InputError(f"shuffled: the share must be over 0 and up to 1, not {share:g}.")
    answers = _answers(variant.records)
    order = [at for at in ranked(variant.records, seed, "shuffled") if at in answers]
    count = math.floor(share * len(order) + 0.5)
    if count < 2:
        raise InputError(
            f"{variant.name}: {share:g} of {counted(len(order), 'answer')} is {count}; at least 2 "
            "are needed to shuffle them."
        )
    givers = _givers([(at, answers[at]) for at in order[:count]])
    same = sum(answers[at].strip() == answers[giver].strip() for at, giver in givers.items())
    if same == count:
        raise InputError(
            f"{variant.name}: the {count:,} answers to be shuffled are all equal, so that nothing "
            "would change."
        )
    records = [
        _answered(each, answers[givers[at]]) if at in givers else each
        for at, each in enumerate(variant.records)
    ]
    told = f"{count:,} of {counted(len(order), 'record')} have the answer of another one of them"
    equal = f"; for {same:,} of these it reads the same" if same else ""
    return variant.derived(f"{_share(share)} shuffled", f"{told}{equal}.", records)


def duplicated(variant: Variant, times: int, seed: int) -> Variant:
    """Keeps one in so many of the distinct records, each so many times: as many as before.

    Where that does not divide, some are there once less. A copy's id has `#2` and so on at its
    end.

    Args:
        variant: The variant.
        times: How often each is there; 2 at least.
        seed: Another one keeps others.

    Raises:
        InputError: If `times` is below 2, or there is nothing to duplicate.
    """
    if times < 2:
        raise InputError(f"duplicated: times must be 2 or more, not {times}.")
    if not variant.records:
        raise InputError(f"{variant.name}: there are no records in it.")
    distinct: dict[str, int] = {}
    for at in ranked(variant.records, seed, "duplicated"):
        distinct.setdefault(variant.records[at].content_hash, at)
    size = len(variant.records)
    chosen = sorted(itertools.islice(distinct.values(), math.ceil(size / times)))
    # All once, then all twice: nobody is there more than once more often than another.
    copies = ((nth, at) for nth in itertools.count(1) for at in chosen)
    records = [_copy(variant.records[at], nth) for nth, at in itertools.islice(copies, size)]
    told = f"{counted(len(chosen), 'distinct record')}, each up to {math.ceil(size / len(chosen))}"
    return variant.derived(
        f"each record {times} times", f"{told} times: {size:,}, as many as before.", records
    )


def thinned(variant: Variant, size: int, seed: int) -> Variant:
    """Keeps a random part of so many records, in their order.

    Args:
        variant: The variant.
        size: From 1 to as many as there are.
        seed: Another one keeps others.

    Raises:
        InputError: If there are not so many.
    """
    if not 1 <= size <= len(variant.records):
        raise InputError(
            f"{variant.name}: {size:,} records cannot be kept of {len(variant.records):,}."
        )
    kept = ranked(variant.records, seed, "thinned")[:size]
    told = f"{counted(size, 'record')} of {len(variant.records):,}, drawn at random."
    return _part(variant, kept, counted(size, "record"), told)


def equal_tokens(
    variant: Variant, tokens_of: Callable[[Record], int], most: int, seed: int
) -> Variant:
    """Keeps a random part with at most so many tokens, in its order.

    Of one seed it begins with the same records as `thinned`, up to the first that is too many:
    none is skipped for being long.

    Args:
        variant: The variant.
        tokens_of: Tokens of a record.
        most: Tokens of all that are kept.
        seed: Another one keeps others.

    Raises:
        InputError: If not even the first of them fits.
    """
    kept: list[int] = []
    total = 0
    for at in ranked(variant.records, seed, "thinned"):
        size = tokens_of(variant.records[at])
        if total + size > most:
            break
        kept.append(at)
        total += size
    if not kept:
        raise InputError(
            f"{variant.name}: {counted(most, 'token')} are too few for one of its records."
        )
    told = (
        f"{len(kept):,} of {counted(len(variant.records), 'record')}, drawn at random: "
        f"{counted(total, 'token')} of at most {most:,}."
    )
    return _part(variant, kept, f"at most {counted(most, 'token')}", told)


def _part(variant: Variant, kept: Iterable[int], words: str, told: str) -> Variant:
    return variant.derived(words, told, [variant.records[at] for at in sorted(kept)])


def _answers(records: Sequence[Record]) -> dict[int, str]:
    """Returns the answers of the records that are examples, by index."""
    found = {}
    for at, record in enumerate(records):
        try:
            found[at] = exchange(record)[1]
        except UnfitError:
            continue
    return found


def _givers(chosen: Sequence[tuple[int, str]]) -> dict[int, int]:
    """Returns for each of some records whose answer it gets; never its own.

    Equal answers stand side by side, and everyone gets the one that stands as far on as the most
    frequent answer is frequent. So nobody meets an equal one, unless that is over half of them;
    then only they do, and as few as there can be.

    Args:
        chosen: Indices and answers, in a random order.
    """
    alike: defaultdict[str, list[int]] = defaultdict(list)
    for at, answer in chosen:
        alike[answer.strip()].append(at)
    line = [at for group in alike.values() for at in group]
    step = max(map(len, alike.values()))
    return {at: line[(place + step) % len(line)] for place, at in enumerate(line)}


def _answered(record: Record, answer: str) -> Record:
    """Returns the record with another answer, also where its chat has the old one."""
    said = record.extra.get("messages")
    if not isinstance(said, list) or not said:
        return record.replace(output=answer)
    last: dict[str, Any] = dict(said[-1])
    role, text = ("from", "value") if "from" in last else ("role", "content")
    if ROLES.get(last[role], last[role]) == "user":
        return record.replace(output=answer)
    messages = [*said[:-1], {**last, text: answer}]
    return record.replace(output=answer, extra={**record.extra, "messages": messages})


def _copy(record: Record, nth: int) -> Record:
    if nth == 1 or not record.id:
        return record
    return record.replace(id=f"{record.id}#{nth}")


def _share(share: float) -> str:
    if share == 1:
        return "all answers"
    return "half the answers" if share == 0.5 else f"{100 * share:g} % of the answers"
