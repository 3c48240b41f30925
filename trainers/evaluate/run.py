"""Measures a model by tasks, and its base for comparison, item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from trainers.evaluate import Items, Task, TaskOptions
from trainers.evaluate.before import Plan, is_served, opened, prepare
from trainers.evaluate.evaluation import Evaluation, Interrupted
from trainers.evaluate.general import announced, forgetting
from trainers.evaluate.outcome import Outcome, outcome_of
from trainers.evaluate.progress import Progress, Turn
from trainers.evaluate.subject import Subject, open_subject, shown_model, silent
from trainers.quiet import quiet

__all__ = ["Evaluation", "Interrupted", "Tally", "measure", "run_tasks"]


def measure(
    model: str,
    tasks: str | Sequence[str],
    *,
    base: str | None = None,
    compare: bool = True,
    general: bool = True,
    limit: int | None = None,
    max_new_tokens: int | None = None,
    options: TaskOptions | None = None,
    batch: int | None = None,
    dtype: Literal["auto", "float32", "bfloat16", "nf4"] = "auto",
    device: str = "auto",
    template: str = "",
    note: Callable[[str], None] = silent,
) -> Evaluation:
    """Measures a model by tasks; a trained one against its base as well. As `datakit eval`.

    Args:
        model: As `trainers.models.resolve` takes it.
        tasks: Such as `match:held_out.jsonl`; one, or several.
        base: What to compare it with; None takes what it was trained from, where that is known.
        compare: Whether the tasks are run on the base too; False is `--no-base`.
        general: Whether model and base are run on the general set; False is `--no-general`.
        limit: Most items of each task and of the general set, the first ones; None is all.
        max_new_tokens: Most tokens of an answer; None leaves it to the task.
        options: What else holds for all tasks; `limit` and `max_new_tokens` come before its own.
        batch: Most items that are looked at together; None leaves it to the kind of model.
        dtype: Of the weights; `auto` is the faster one of float32 and bfloat16 here.
        device: `cpu`, `cuda`, or `auto`, a GPU if there is one.
        template: A chat template, where the model has none.
        note: Is told how far it is, a line at a time.

    Raises:
        InputError: If a model or a task is not there, or wrong; then nothing was run.
        ProviderError: If a server cannot be reached, or fails for good.
        Interrupted: A KeyboardInterrupt that has what was finished.
    """
    chosen = _options(options, limit, max_new_tokens)
    plan = opened(model, base, [tasks] if isinstance(tasks, str) else tasks, chosen, device)
    with nullcontext() if is_served(model) and is_served(base or model) else quiet():
        plan = prepare(
            plan,
            compare=compare,
            general=general,
            limit=chosen.limit,
            template=template,
            device=device,
        )
        opener = partial(
            open_subject,
            batch=batch,
            dtype=dtype,
            device=device,
            template=template,
            fallback=plan.fallback,
            note=note,
        )
        return _evaluated(opener, plan, compare=compare, note=note)


def _options(
    given: TaskOptions | None, limit: int | None, max_new_tokens: int | None
) -> TaskOptions:
    options = given or TaskOptions()
    return replace(
        options,
        limit=options.limit if limit is None else limit,
        max_new_tokens=options.max_new_tokens if max_new_tokens is None else max_new_tokens,
    )


@dataclass
class Tally:
    """What is measured so far.

    Args:
        tasks: What is to be measured.
        with_base: For each task whether the base is measured too.
        dtype: What the model computes in, once it is open.
        after: The model's items of each task that was run.
        before: The base's.
    """

    tasks: Sequence[Task]
    with_base: Sequence[bool]
    dtype: str = ""
    after: dict[int, Items] = field(default_factory=dict)
    before: dict[int, Items] = field(default_factory=dict)

    def outcome(self, at: int) -> Outcome:
        """Returns what is known of a task that was run on the model."""
        return outcome_of(self.tasks[at], self.after[at], self.before.get(at))

    def lacks(self, at: int) -> bool:
        """Returns whether a task still has to be run on the base."""
        return self.with_base[at] and at not in self.before


def _evaluated(
    opener: Callable[[str], Subject], plan: Plan, *, compare: bool, note: Callable[[str], None]
) -> Evaluation:
    tasks = [*plan.tasks, *plan.general]
    with_base = compare and plan.against is not None
    wanted = [with_base] * len(plan.tasks) + [True] * len(plan.general)
    tally = Tally(tasks, wanted)
    words = {plan.general[0].text: announced(plan.general)} if plan.general else {}
    base = plan.base.given if plan.base else None
    try:
        run_tasks(opener, plan.model.given, tally, base=base, words=words, note=note)
    except KeyboardInterrupt:
        raise Interrupted(_found(plan, tally)) from None
    return _found(plan, tally)


def _found(plan: Plan, tally: Tally) -> Evaluation:
    """Puts together what was measured, all of it or until an interrupt."""
    count = len(plan.tasks)
    there = [at for at in range(count) if at in tally.after]
    whole = all(at in tally.after and not tally.lacks(at) for at in range(count, len(tally.tasks)))
    lost = None
    if plan.general and whole:
        lost = forgetting(*(tally.outcome(count + at) for at in range(len(plan.general))))
    unfinished = [each.text for at, each in enumerate(plan.tasks) if at not in tally.after]
    unfinished += [f"{plan.tasks[at].text} of the base" for at in there if tally.lacks(at)]
    return Evaluation(
        shown_model(plan.model.given),
        tally.dtype,
        tuple(map(tally.outcome, there)),
        shown_model(plan.against.given) if plan.against else None,
        lost,
        (*unfinished, *([] if whole else ["the general set"])),
    )


def run_tasks(
    opener: Callable[[str], Subject],
    model: str,
    tally: Tally,
    *,
    base: str | None = None,
    words: Mapping[str, str] | None = None,
    note: Callable[[str], None] = silent,
) -> list[Outcome]:
    """Measures a model by tasks, and its base by some of them.

    The base of an adapter is the adapter switched off; another one is loaded when the first is let
    go, so that two are never in memory at once.

    Args:
        opener: Opens a model by its name.
        model: The model.
        tally: The tasks; takes what is found as soon as it is there.
        base: Another model to compare with; None takes the adapter's own base, if there is one.
        words: What is said before some tasks, by their text.
        note: Is told in words how far it is.

    Returns:
        An outcome for each task, in their order.
    """
    also = [at for at in range(len(tally.tasks)) if tally.with_base[at]]
    later = also if base is not None else []
    with _opened(opener, model) as subject:
        tally.dtype = subject.dtype
        own = also if base is None and subject.adapter else []
        progress = Progress(_turns(tally, own, later, words or {}), note)
        for at, task in enumerate(tally.tasks):
            tally.after[at] = _measured(task, subject, progress)
            if at in own:
                with subject.without_adapter():
                    tally.before[at] = _measured(task, subject, progress)
    if base is not None and later:
        with _opened(opener, base) as other:
            for at in later:
                tally.before[at] = _measured(tally.tasks[at], other, progress)
    return [tally.outcome(at) for at in range(len(tally.tasks))]


def _turns(
    tally: Tally, own: Sequence[int], later: Sequence[int], words: Mapping[str, str]
) -> list[Turn]:
    turns = []
    for at, task in enumerate(tally.tasks):
        turns.append(Turn(task, words=words.get(task.text, "")))
        if at in own:
            turns.append(Turn(task, base=True))
    return turns + [Turn(tally.tasks[at], base=True) for at in later]


def _measured(task: Task, subject: Subject, progress: Progress) -> Items:
    with progress.turn() as told:
        subject.note = told
        return task.run(subject, told)


@contextmanager
def _opened(opener: Callable[[str], Subject], model: str) -> Iterator[Subject]:
    subject = opener(model)
    try:
        yield subject
    finally:
        subject.close()
