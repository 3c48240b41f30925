"""A study as it is declared before its first trial."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from datakit.errors import InputError
from datakit.record import digest
from trainers import models
from trainers.evaluate import Task, parse_task
from trainers.evaluate.general import general_tasks
from trainers.lift.bench import Work
from trainers.lift.budget import Budget, Plan, plan, sentence
from trainers.lift.draws import places, seed_of
from trainers.lift.guards import OF_PLANS, Guard, guards, of_plans, worst_first
from trainers.lift.items import families_of
from trainers.lift.kept import trial_key
from trainers.lift.looking import Look
from trainers.lift.reading import Rows, items_of, rows_of
from trainers.lift.terms import Terms
from trainers.lift.variants import Variant
from trainers.models import ModelRef, resolve
from trainers.running.run import now
from trainers.sft import SFT
from trainers.tokens import Encoded, set_template, stop_ids

__all__ = ["Study", "declare", "encoder"]


@dataclass(frozen=True)
class Study:
    """What is compared, on what, and how much is spent on each.

    Args:
        variants: Rows by variant, the baseline first.
        baseline: Its name.
        model: As the user named it.
        task: Likewise.
        tasks: The task, and the general set where that is measured.
        settings: Of each trial, all but steps and seed.
        budget: What each trial may spend.
        plans: By variant, a plan for each replicate.
        places: By variant, where its records stand on the circle of `trainers.lift.draws`.
        replicates: Declared.
        seed: Of the draws.
        guards: What was looked at.
        families: Of each item, which family it is of; empty where each is one of its own.
        metric: The one that verdicts are about; None takes the task's first.
        device: `cpu` or `cuda`.
        fingerprint: Of the model's weights.
        template: Text of the chat template.
        config: Of the model.
    """

    variants: Mapping[str, Rows]
    baseline: str
    model: str
    task: str
    tasks: tuple[Task, ...]
    settings: SFT
    budget: Budget
    plans: Mapping[str, Sequence[Plan]]
    places: Mapping[str, Sequence[float]]
    replicates: int
    seed: int
    guards: tuple[Guard, ...]
    families: tuple[int, ...]
    metric: str | None
    device: str
    fingerprint: str
    template: str
    config: Any

    @property
    def names(self) -> tuple[str, ...]:
        """Of the variants, the baseline first."""
        return tuple(self.variants)

    @cached_property
    def task_hashes(self) -> tuple[str, ...]:
        """For each task what it asks, all of it."""
        return tuple(hashlib.sha256(repr(each).encode()).hexdigest() for each in self.tasks)

    def work(self, name: str, replicate: int) -> Work:
        """Returns one trial, ready to be done."""
        own, encoded = self.plans[name][replicate], self.variants[name].encoded
        rows, seed = tuple(encoded[at] for at in own.indices), seed_of(self.seed, replicate)
        key = self._key(replace(self.settings, steps=own.steps, seed=seed), rows)
        return Work(key, rows, own.steps, seed)

    @cached_property
    def untrained_key(self) -> str:
        """By which the untrained model's items are kept."""
        return self._key()

    def _key(self, settings: SFT | None = None, rows: Sequence[Encoded] = ()) -> str:
        return trial_key(
            model=self.fingerprint,
            template=self.template,
            tasks=self.task_hashes,
            device=self.device.partition(":")[0],
            settings=settings,
            rows=rows,
        )

    def fitting(self) -> int:
        """Returns how many trials the free memory holds at once; 1 at least."""
        from trainers.memory.estimate import estimate
        from trainers.memory.fitting import plan_of
        from trainers.memory.free import free_memory

        longest = max(most for rows in self.variants.values() for most, _ in rows.lengths)
        device = self.device.partition(":")[0]
        need = estimate(self.config, plan_of(self.settings, longest, device)).needed
        return max(1, free_memory(self.device) // max(1, need))

    def bound(self, plans: Mapping[str, Sequence[Plan]]) -> Study:
        """Returns the study with other plans for some variants, which draw from a part of them.

        Args:
            plans: By name of the variant, for each replicate.
        """
        every = {**self.plans, **plans}
        own = [rows.variant for rows in self.variants.values()]
        found = of_plans(own, every, self.budget, bound=frozenset(plans))
        rest = [each for each in self.guards if each.name not in OF_PLANS]
        return replace(self, plans=every, guards=worst_first([*rest, *found]))

    def no_verdict(self) -> list[str]:
        """Says why nothing may be concluded, if so."""
        return [each.text for each in self.guards if each.level == "stop"]

    def identity(self) -> str:
        """Returns a hash of what is compared and how, whichever replicates are drawn for it.

        Who draws others looks at the same study again.
        """
        return digest(
            {
                # Whatever their names are; the baseline is the first.
                "variants": [rows.variant.sha256 for rows in self.variants.values()],
                "model": self.fingerprint,
                "tasks": list(self.task_hashes),
                "settings": asdict(self.settings),
                "budget": asdict(self.budget),
                # Of a study of sizes, the variants are told apart by these alone.
                "pools": [self.plans[name][0].pool for name in self.variants],
            },
            16,
        )

    def declared(self, look: Look | None = None) -> dict[str, Any]:
        """Returns all of it as JSON values.

        Args:
            look: Which look at the study this is, once it is known.
        """
        return {
            "schema": "datakit.lift/1",
            "created": now(),
            "identity": self.identity(),
            "baseline": self.baseline,
            "model": {"given": self.model, "fingerprint": self.fingerprint},
            "task": {"given": self.task, "items": len(self.tasks[0])},
            "settings": asdict(self.settings),
            "budget": {**asdict(self.budget), "text": sentence(self.budget, self.plans)},
            "declared": {
                "replicates": self.replicates,
                "looks": [] if look is None else list(look.replicates),
                "looks_declared": 1 if look is None else look.declared,
                "seed": self.seed,
                "variants": [
                    {
                        "ref": name,
                        "version": rows.variant.version or None,
                        "records": len(rows.variant.records),
                        "sha256": rows.variant.sha256,
                        "control": rows.variant.control or None,
                    }
                    for name, rows in self.variants.items()
                ],
            },
            "device": self.device,
        }


def declare(variants: Sequence[Variant], terms: Terms, budget: Budget, *, baseline: str) -> Study:
    """Opens all that a study needs, and looks at it; nothing is trained yet.

    Args:
        variants: All of them, the baseline too.
        terms: What holds for all of them.
        budget: What each trial may spend.
        baseline: The variant that the others are held against.

    Raises:
        InputError: If something is not there, is wrong, or would be lost unsaid.
    """
    names = [each.name for each in variants]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{twice}: is given twice.")
    ordered = sorted(variants, key=lambda each: each.name != baseline)
    first = parse_task(terms.task, terms.options)
    if len(first) < 2:
        raise InputError(f"--task {terms.task}: has 1 item; 2 at least are needed.")
    place = models.default_device() if terms.device == "auto" else terms.device
    models.check_device(place)
    base = _base(terms)
    rows = {each.name: base.rows(each, terms.settings) for each in ordered}
    where = {name: places(each.variant.records, terms.seed) for name, each in rows.items()}
    lengths = {name: each.lengths for name, each in rows.items()}
    plans = plan(budget, lengths, where, terms.seeds, baseline=baseline)
    items = items_of(terms.task, terms.options)
    of_items = families_of(items or ())
    return Study(
        variants=rows,
        baseline=baseline,
        model=terms.model,
        task=terms.task,
        tasks=(first, *(general_tasks()[:1] if terms.general else ())),
        settings=replace(terms.settings, steps=0, seed=0),
        budget=budget,
        plans=plans,
        places=where,
        replicates=terms.seeds,
        seed=terms.seed,
        guards=guards(
            [each.variant for each in rows.values()],
            items,
            plans,
            budget,
            tested=len(first),
            effect=terms.effect,
        ),
        families=of_items if len(of_items) == len(first) else (),
        metric=terms.metric,
        device=place,
        fingerprint=models.fingerprint(base.ref),
        template=str(base.tokenizer.chat_template),
        config=base.config,
    )


@dataclass(frozen=True)
class _Base:
    ref: ModelRef
    tokenizer: Any
    config: Any
    stops: frozenset[int]

    def rows(self, variant: Variant, settings: SFT) -> Rows:
        return rows_of(variant, self.tokenizer, self.stops, settings)


def encoder(terms: Terms) -> Callable[[Variant], Rows]:
    """Returns what encodes a variant as the trials of a study will."""
    base = _base(terms)
    return lambda variant: base.rows(variant, terms.settings)


def _base(terms: Terms) -> _Base:
    """Opens what is known of a model without its weights."""
    ref = resolve(terms.model)
    tokenizer = models.load_tokenizer(ref)
    set_template(tokenizer, terms.settings.template)
    config = models.load_config(ref)
    stops = stop_ids(tokenizer, config, models.load_generation_config(ref))
    return _Base(ref, tokenizer, config, stops)
