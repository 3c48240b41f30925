"""A made-up study: what a page, a table or a JSON file is tried on."""

import numpy as np

from trainers.evaluate import Items
from trainers.lift.estimate import compare
from trainers.lift.guards import Guard
from trainers.lift.result import UNTRAINED, Lift, Trial
from trainers.lift.words import unit_of, verdicts

BASE, OLD, NEW = "general@v1", "sql@v3", "sql@v4"
CONTROL = "sql@v4 (half the answers shuffled)"
NATS = {BASE: 0.0, OLD: -0.024, NEW: -0.05, CONTROL: 0.012}
SHARES = {BASE: 0.15, OLD: 0.45, NEW: 0.6, CONTROL: 0.12}
SETTINGS = {
    "steps": 0,
    "batch": 4,
    "learning_rate": 0.0,
    "lora": "lora",
    "report_to": (),
    "seed": 0,
}
GUARDS = (
    Guard(
        "budget",
        "warn",
        "sql@v4 gets 1.4 times the tokens of general@v1 (12,740 against 9,100 a trial), in as many "
        "steps. With --match tokens a lift is not that of length.",
    ),
    Guard("shared", "note", "sql@v4 and sql@v3 share 180 prompts (29 % and 31 % of theirs)."),
    Guard("contamination", "ok", "40 test items, none found in any variant (same prompt)."),
)
LEAK = Guard(
    "contamination",
    "stop",
    "3 of 40 test items stand in sql@v4. What is learnt by heart there is no lift.",
    ({"variant": NEW, "record": "r1", "item": "i7", "rule": "same_prompt", "text": "How many?"},),
)


def _tables(metric, means, replicates, items, seed, spread):
    rng = np.random.default_rng(seed)
    if metric == "right":
        # An item that is easy for one variant is so for another.
        hard = rng.random(items)
        return {
            name: (rng.normal(hard, 0.1, (replicates, items)) < mean).astype(float)
            for name, mean in means.items()
        }, (hard < 0.1).astype(float)
    base = rng.normal(1.05, 0.34, items)
    lucky = rng.normal(0, spread, (replicates, 1))
    tables = {
        name: base
        + mean
        + lucky
        + rng.normal(0, 2 * spread, items)
        + rng.normal(0, spread / 3, (replicates, 1))
        + rng.normal(0, spread, (replicates, items))
        for name, mean in means.items()
    }
    return tables, base + 0.11


def _items(metric, scores, weights, ids):
    own = {metric: tuple(map(float, scores))}
    if weights is None:
        return Items(ids, own)
    own["bits_per_byte"] = tuple(each * 0.4 for each in own[metric])
    return Items(ids, own, weights=dict.fromkeys(own, tuple(map(float, weights))))


def _over(tables, base, lower, weights=None):
    found = {}
    for name, table in tables.items():
        both = {UNTRAINED: np.broadcast_to(base, table.shape), name: table}
        confidence = 1 - 0.05 / len(tables)
        it = compare(both, weights=weights, confidence=confidence, lower_is_better=lower)
        found[name] = it.difference(name, UNTRAINED)
    return found


def _trials(metric, tables, weights, ids, seed):
    rng = np.random.default_rng(seed + 1)
    for name, table in tables.items():
        for k, row in enumerate(table):
            general = 2.6 + rng.normal(0.004 if "shuffled" in name else 0, 0.002, 20)
            loss = tuple(
                (step, float(0.9 + np.exp(-step / 6) + rng.normal(0, 0.06)))
                for step in range(1, 17)
            )
            yield Trial(
                variant=name,
                replicate=k,
                items=_items(metric, row, weights, ids),
                general=_items("nll", general, None, tuple(f"g{at}" for at in range(20))),
                loss=loss,
                seconds=48.0 + k,
                steps=16,
                examples=64,
                distinct=62 if name == CONTROL else 64,
                tokens=9_100 + 40 * k,
                cached=k == 0,
            )


def _declared(means, replicates, items):
    return {
        "schema": "datakit.lift/1",
        "identity": "e" * 32,
        "created": "2026-11-23T02:13:16Z",
        "baseline": next(iter(means)),
        "model": {"given": "embedded", "fingerprint": "f" * 64},
        "task": {"given": "perplexity:held_out.jsonl", "items": items},
        "settings": SETTINGS,
        "budget": {
            "match": "steps",
            "steps": 16,
            "batch": 4,
            "text": "16 steps of 4 examples each: 64 examples, 9,100 to 12,740 tokens a trial",
        },
        "declared": {
            "replicates": replicates,
            "looks": [replicates],
            "seed": 0,
            "variants": [
                {
                    "ref": name,
                    "records": 600 + at,
                    "sha256": f"{at}" * 64,
                    "control": "half the answers shuffled" if "shuffled" in name else None,
                }
                for at, name in enumerate(means)
            ],
        },
        "device": "cpu",
    }


def made(metric="nll", *, means=None, replicates=5, items=40, seed=0, spread=0.008, guards=GUARDS):
    """A finished study of 3 variants and a control, by nats per token or `right`."""
    means = means or (SHARES if metric == "right" else NATS)
    lower = metric != "right"
    tables, base = _tables(metric, means, replicates, items, seed, spread)
    weights = np.arange(items) % 30 + 10.0 if lower else None
    ids = tuple(f"i{at}" for at in range(items))
    comparison = compare(tables, weights=weights, lower_is_better=lower)
    few = {name: 0.4 * table for name, table in tables.items()}
    bits = compare(few, weights=weights, lower_is_better=lower)
    trials = tuple(_trials(metric, tables, weights, ids, seed))
    general = {
        name: np.array([each.general.scores["nll"] for each in trials if each.variant == name])
        for name in means
    }
    baseline = next(iter(means))
    unit = unit_of(metric, tables.values())
    said = verdicts(comparison, baseline, unit)
    stops = [each.text for each in guards if each.level == "stop"]
    return Lift(
        study=_declared(means, replicates, items),
        metric=metric,
        lower_is_better=lower,
        untrained=_items(metric, base, weights, ids),
        trials=trials,
        comparison=comparison,
        over_untrained=_over(tables, base, lower, weights),
        others={"bits_per_byte": bits} if lower else {},
        forgotten=_over(general, np.full(20, 2.6), True),
        guards=tuple(guards),
        smallest=max((d.sees for d in comparison.differences if d.sees), default=None),
        verdicts=tuple(stops or said),
    )
