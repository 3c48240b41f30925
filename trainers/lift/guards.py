"""What is looked at before anything is spent: is the test clean, are the variants comparable?

- `stop`: what is tested on is trained on too.
- `warn`: a verdict would mean something else than it seems to.
- `note`: a reader should know.
- `ok`: looked at, and nothing found.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from datakit.amounts import counted
from datakit.record import Record
from trainers.lift.budget import Budget, Plan
from trainers.lift.draws import overlap
from trainers.lift.items import FEW, few, too_few_for, worth_fewer
from trainers.lift.leaks import Leak, Sought, leaks, shown
from trainers.lift.lineage import Kin, kin
from trainers.lift.variants import Variant, question

__all__ = ["OF_PLANS", "Guard", "Level", "guards", "of_plans", "worst_first"]

Level = Literal["ok", "note", "warn", "stop"]
Rows = tuple[Mapping[str, Any], ...]

_LEVELS: tuple[Level, ...] = ("stop", "warn", "note", "ok")
_UNEQUAL = 1.25  # beyond these, a reader is told
_COMMON = 0.1


@dataclass(frozen=True)
class Guard:
    """One thing that was looked at.

    Args:
        name: A stable word: `contamination`, `lineage`, `same`, `shared`, `budget`, `draws`,
            `items`.
        level: How bad it is.
        text: What was found, in sentences.
        records: Evidence, at most 5 of an item: `variant`, `record` and `item` (ids), `rule`,
            `text`.
    """

    name: str
    level: Level
    text: str
    records: Rows = ()


def guards(
    variants: Sequence[Variant],
    items: Sequence[Record] | None,
    plans: Mapping[str, Sequence[Plan]],
    budget: Budget,
    *,
    tested: int | None = None,
    effect: float | None = None,
) -> tuple[Guard, ...]:
    """Looks at a study before its first trial.

    Args:
        variants: The baseline first, controls among them.
        items: What is tested on; None where the task has no file.
        plans: Of each variant's trials, by its name.
        budget: That they were made by.
        tested: Number of items; None counts `items`.
        effect: The smallest difference of interest, in the metric's unit.

    Returns:
        The worst first.
    """
    count = len(items or ()) if tested is None else tested
    replicates = max(map(len, plans.values()), default=0)
    found = [
        *_leaks(variants, items),
        *(() if items is None else _lineage(variants, items)),
        *_shared([each for each in variants if not each.control]),
        *of_plans(variants, plans, budget),
        *_items(items, count, too_few_for(effect, count, replicates, len(variants))),
    ]
    return worst_first(found)


def worst_first(found: Iterable[Guard]) -> tuple[Guard, ...]:
    """Returns findings in their order."""
    return tuple(sorted(found, key=lambda each: _LEVELS.index(each.level)))


# What `of_plans` tells of.
OF_PLANS = frozenset({"same", "budget", "draws"})


def of_plans(
    variants: Sequence[Variant],
    plans: Mapping[str, Sequence[Plan]],
    budget: Budget,
    *,
    bound: Collection[str] = (),
) -> list[Guard]:
    """Looks at what the trials are trained on: the same records, unequal tokens, the same draws.

    Args:
        variants: All of them.
        plans: Of each variant's trials, by its name.
        budget: That they were made by.
        bound: Names of variants whose trials draw from a part of their records.
    """
    return [
        *_same([each for each in variants if each.name not in bound]),
        *_budget(plans, budget),
        *itertools.chain.from_iterable(_draws(each, plans[each.name]) for each in variants),
    ]


def _leaks(variants: Sequence[Variant], items: Sequence[Record] | None) -> Iterator[Guard]:
    if items is None:
        text = "The task has no file of items: whether they stand in a variant was not checked."
        yield Guard("contamination", "note", text)
        return
    listed = leaks([each.records for each in variants], items)
    rows = [_leaked(*each, items) for each in zip(variants, listed, strict=True)]
    total, clean = len(items), True
    for names, text, evidence in _alike(
        (variant.name, _leaks_told(own, total), row)
        for variant, own, row in zip(variants, listed, rows, strict=True)
        if own
    ):
        clean = False
        text = f"{text.format(names)} What is learnt by heart there is no lift."
        yield Guard("contamination", "stop", text, evidence)
    if clean:
        text = f"{counted(total, 'test item')}, none found in any variant"
        how = "same prompt; by_length, of items in records and of records in items"
        yield Guard("contamination", "ok", f"{text} ({how}).")
    short = total - len(Sought(items).questions)
    if short:
        text = (
            f"{short:,} of {counted(total, 'test item')} are too short to be looked for in other "
        )
        yield Guard("contamination", "note", f"{text}texts; their prompts were compared.")


def _leaks_told(own: Sequence[Leak], total: int) -> str:
    """Returns what was found in a variant, with `{0}` where its name belongs."""
    there = {each.item for each in own if each.rule != "record_in_item"}
    equal = {each.item for each in own if each.rule == "same_prompt"}
    hold = {each.item for each in own} - there
    told = []
    if there:
        words = f" ({len(equal):,} with the same prompt)" if equal else ""
        told.append(f"{len(there):,} of {counted(total, 'test item')} stand in {{0}}{words}.")
    if hold:
        told.append(f"{len(hold):,} of {counted(total, 'test item')} hold what {{0}} asks.")
    return " ".join(told)


def _alike(found: Iterable[tuple[str, str, Rows]]) -> Iterator[tuple[str, str, Rows]]:
    """Yields the names of all of which the same is told, the text, and the evidence of all."""
    by_text: defaultdict[str, list[tuple[str, Rows]]] = defaultdict(list)
    for name, text, rows in found:
        by_text[text].append((name, rows))
    for text, listed in by_text.items():
        *names, last = (name for name, _ in listed)
        joined = f"{', '.join(names)} and {last}" if names else last
        yield joined, text, tuple(row for _, rows in listed for row in rows)


def _leaked(variant: Variant, own: Sequence[Leak], items: Sequence[Record]) -> Rows:
    return tuple(
        {
            "variant": variant.name,
            "record": _name(variant.records, each.record),
            "item": _name(items, each.item),
            "rule": each.rule,
            "text": each.text,
        }
        for each in own
    )


def _name(records: Sequence[Record], at: int) -> str:
    return records[at].id or f"{at + 1}"


def _lineage(variants: Sequence[Variant], items: Sequence[Record]) -> Iterator[Guard]:
    related = [(each, kin(each, items)) for each in variants]
    total = counted(len(items), "test item")
    for rule, told in (
        ("made_from", "are what records of {0} were made from"),
        ("family", "have ancestors in common with records of {0}"),
    ):
        chosen = [(v, [each for each in own if each.rule == rule]) for v, own in related]
        rows = (
            (v.name, f"{len(own):,} of {total} {told}", _kin_rows(v, own, items))
            for v, own in chosen
            if own
        )
        for names, text, evidence in _alike(rows):
            text = f"{text.format(names)}: a lift may be theirs alone."
            yield Guard("lineage", "warn", text, evidence)


def _kin_rows(variant: Variant, own: Sequence[Kin], items: Sequence[Record]) -> Rows:
    return tuple(
        {
            "variant": variant.name,
            "record": _name(variant.records, each.record),
            "item": _name(items, each.item),
            "rule": each.rule,
            "text": shown(variant.records[each.record]),
        }
        for each in own
    )


def _same(variants: Sequence[Variant]) -> Iterator[Guard]:
    """Warns of variants with the same records, in whatever order: their trials are the same."""
    by_content = defaultdict(list)
    for each in variants:
        by_content[tuple(sorted(r.content_hash for r in each.records))].append(each.name)
    for names in by_content.values():
        if len(names) > 1:
            text = f"{' and '.join(names)} have the same records: no difference can be found."
            yield Guard("same", "warn", text)


def _shared(variants: Sequence[Variant]) -> Iterator[Guard]:
    """Notes what the variants have in common with the first."""
    if not variants:
        return
    base, *others = variants
    asked = {question(each) for each in base.records}
    whole = {each.content_hash for each in base.records}
    for variant in others:
        own = {question(each) for each in variant.records}
        both = len(own & asked)
        if not both:
            yield Guard("shared", "ok", f"{variant.name} and {base.name} share no prompt.")
            continue
        equal = len({each.content_hash for each in variant.records} & whole)
        shares = f"{both / len(own):.0%} and {both / len(asked):.0%} of theirs"
        text = f"{variant.name} and {base.name} share {counted(both, 'prompt')} ({shares})"
        records = counted(equal, "whole record")
        yield Guard("shared", "note", f"{text}, and {records}.")


def _budget(plans: Mapping[str, Sequence[Plan]], budget: Budget) -> Iterator[Guard]:
    """Warns if a trial of one variant has far more tokens, or examples, than that of another."""
    what = "examples" if budget.match == "tokens" else "tokens"
    size: dict[str, float] = {
        name: sum(len(p.indices) if what == "examples" else p.tokens for p in own) / len(own)
        for name, own in plans.items()
    }
    least, most = min(size, key=size.__getitem__), max(size, key=size.__getitem__)
    ratio = size[most] / size[least]
    if ratio <= _UNEQUAL:
        text = f"All trials have as many {what}, to within {100 * (ratio - 1):.0f} %."
        yield Guard("budget", "ok", text)
        return
    text = (
        f"{most} gets {ratio:.1f} times the {what} of {least} "
        f"({size[most]:,.0f} against {size[least]:,.0f} a trial)"
    )
    if what == "examples":
        yield Guard("budget", "note", f"{text}, in as many tokens.")
    else:
        text += f", in as many {budget.match}: a lift may be that of length. `lift` has "
        text += "--match tokens against that."
        yield Guard("budget", "warn", text)


def _draws(variant: Variant, plans: Sequence[Plan]) -> Iterator[Guard]:
    """Notes that replicates are trained on the same records, if they are."""
    drawn, total = len(set(plans[0].indices)), len(variant.records)
    common = overlap([each.indices for each in plans])
    if drawn < total and common <= _COMMON:
        return
    if drawn == total:
        rows = len(plans[0].indices)
        often = "" if drawn == rows else f", each {rows / total:.1f} times"
        text = f"A trial takes all {counted(total, 'record')} of {variant.name}{often}."
    else:
        text = f"Two draws of {variant.name} have {common:.0%} in common"
        text += f": it has {counted(total, 'record')}, a trial {drawn:,}."
    more = " Its score is about these records, not about others made like them."
    yield Guard("draws", "note", text + more)


def _items(items: Sequence[Record] | None, tested: int, floor: str) -> Iterator[Guard]:
    """Notes that items are few, or worth fewer than they are."""
    if 0 < tested < FEW:
        yield Guard("items", "warn", few(tested))
    for text in (floor, *worth_fewer(items or ())):
        if text:
            yield Guard("items", "note", text)
