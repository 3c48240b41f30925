"""Measures a model by tasks, and its base for comparison, item by item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, TypeAlias

from datakit.errors import DatakitError, InputError
from trainers.evaluate import Items, TaskOptions
from trainers.evaluate.before import Plan, is_served, opened, prepare
from trainers.evaluate.evaluation import Evaluation, Interrupted
from trainers.evaluate.finishing import check_judging, finished, halting, is_judged
from trainers.evaluate.general import announced, forgetting
from trainers.evaluate.judging import Judge
from trainers.evaluate.progress import Lasting
from trainers.evaluate.subject import Subject, check_subject, open_subject, shown_model, silent
from trainers.evaluate.tally import Tally, run_tasks
from trainers.models import resolve
from trainers.quiet import quiet

__all__ = ["Evaluation", "How", "Interrupted", "Tally", "measure", "measure_each", "run_tasks"]

Dtype: TypeAlias = Literal["auto", "float32", "bfloat16", "nf4"]


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
    dtype: Dtype = "auto",
    device: str = "auto",
    template: str = "",
    judge: Judge | None = None,
    against: str | None = None,
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
        judge: Who finishes tasks that are judged.
        against: The model whose answers a judge compares with this one's.
        note: Is told how far it is, a line at a time.

    Raises:
        InputError: If a model or a task is not there, or wrong; then nothing was run.
        ProviderError: If a server cannot be reached, or fails for good. If it is the judge, what
            was found is returned, with `stopped`.
        Interrupted: A KeyboardInterrupt that has what was finished.
    """
    given = [tasks] if isinstance(tasks, str) else list(tasks)
    how = How(
        base=base,
        compare=compare,
        general=general,
        options=_options(options, limit, max_new_tokens),
        batch=batch,
        dtype=dtype,
        device=device,
        template=template,
        judge=judge,
        against=against,
    )
    (found,) = measure_each([model], given, how, note)
    return found


@dataclass(frozen=True, kw_only=True)
class How:
    """What holds for all models that are measured together; fields as for `measure`."""

    base: str | None = None
    compare: bool = True
    general: bool = True
    options: TaskOptions = field(default_factory=TaskOptions)
    batch: int | None = None
    dtype: Dtype = "auto"
    device: str = "auto"
    template: str = ""
    judge: Judge | None = None
    against: str | None = None


def measure_each(
    models: Sequence[str], tasks: Sequence[str], how: How, note: Callable[[str], None] = silent
) -> list[Evaluation]:
    """Measures models one after the other, and has all answers judged when the last is closed.

    Args:
        models: At least one.
        tasks: For all of them.
        how: What else holds for all of them.
        note: Is told how far it is.

    Returns:
        An evaluation for each model. What was found is kept if a later model, or the judge, fails:
        then `stopped` says why, and there are none for the models that were not reached.

    Raises:
        InputError: As `measure` does.
        ProviderError: If the first model's server fails.
        Interrupted: As `measure` does.
    """
    plans = _opened_each(models, tasks, how)
    check_judging(plans[0].tasks, how.judge, how.against)
    with nullcontext() if is_served(*models) and is_served(how.base or models[0]) else quiet():
        plans = [_prepared(plan, how) for plan in plans]
        if how.against is not None:
            check_subject(how.against, template=how.template)
        found: list[Evaluation] = []
        for plan in plans:
            try:
                found.append(_evaluated(_opener(plan, how, note), plan, how.compare, note))
            except Interrupted as stop:
                raise Interrupted(stop.found, tuple(found)) from None
            except DatakitError as error:
                if not found:
                    raise
                left = tuple(
                    f"{shown_model(each)} is not measured" for each in models[len(found) :]
                )
                return [*found[:-1], found[-1].halted(left, error)]
        return _judged(plans[0], how, found, note)


def _opened_each(models: Sequence[str], tasks: Sequence[str], how: How) -> list[Plan]:
    """Finds all models and tasks; what is wrong with several of them is told once."""
    plans: list[Plan] = []
    wrong: list[str] = []
    for model in models:
        try:
            plans.append(opened(model, how.base, tasks, how.options, how.device))
        except InputError as error:
            wrong += error.problems
    if how.against is not None:
        try:
            resolve(how.against)
        except InputError as error:
            wrong += error.problems
    if wrong:
        raise InputError(dict.fromkeys(wrong))
    return plans


def _prepared(plan: Plan, how: How) -> Plan:
    return prepare(
        plan,
        compare=how.compare,
        general=how.general,
        limit=how.options.limit,
        template=how.template,
        device=how.device,
    )


def _opener(plan: Plan, how: How, note: Callable[[str], None]) -> Callable[[str], Subject]:
    return partial(
        open_subject,
        batch=how.batch,
        dtype=how.dtype,
        device=how.device,
        template=how.template,
        fallback=plan.fallback,
        note=note,
    )


def _judged(
    plan: Plan, how: How, found: list[Evaluation], note: Callable[[str], None]
) -> list[Evaluation]:
    """Has the other model answer, and all answers judged; no model is open meanwhile."""
    tasks = [each for each in plan.tasks if is_judged(each)]
    if how.judge is None or not tasks:
        return found
    others: dict[str, Items] = {}
    if how.against is not None:
        tally = Tally(tasks, [False] * len(tasks))
        note(Lasting(f"Next the answers of {shown_model(how.against)}, to compare with."))
        with halting(tasks, found) as halted:
            run_tasks(_opener(plan, how, note), how.against, tally, note=note)
        if halted:
            return halted
        others = {task.text: tally.after[at] for at, task in enumerate(tasks)}
    return finished(how.judge, tasks, found, against=how.against or "", others=others, note=note)


def _options(
    given: TaskOptions | None, limit: int | None, max_new_tokens: int | None
) -> TaskOptions:
    options = given or TaskOptions()
    return replace(
        options,
        limit=options.limit if limit is None else limit,
        max_new_tokens=options.max_new_tokens if max_new_tokens is None else max_new_tokens,
    )


def _evaluated(
    opener: Callable[[str], Subject], plan: Plan, compare: bool, note: Callable[[str], None]
) -> Evaluation:
    tasks = [*plan.tasks, *plan.general]
    with_base = compare and plan.against is not None
    # A judge compares with `against`, so that the base's answers are not wanted.
    wanted = [with_base and not is_judged(each) for each in plan.tasks]
    wanted += [True] * len(plan.general)
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
