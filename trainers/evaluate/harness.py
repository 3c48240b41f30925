"""Between the lm-evaluation-harness and us: its models from ours, our items from its samples."""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from datakit.errors import InputError
from trainers.evaluate import Items

if TYPE_CHECKING:
    from trainers.evaluate.subject import Subject

__all__ = ["harness_items", "harness_model", "refuse_likelihoods"]

# Sequences of a forward pass; the harness' own 1 is slow, and its "auto" fills the memory.
_BATCH = 8
_NEW_TOKENS = 256


def harness_model(subject: Subject, tasks: Mapping[str, Any]) -> tuple[Any, bool]:
    """Returns the harness' model of a subject, and whether it is asked by a chat template.

    A local one is the harness' own HFLM around the loaded model; one without `model` and
    `tokenizer` is asked through `generate`, as a server must be.

    Args:
        subject: The model.
        tasks: The harness' tasks by name.

    Raises:
        InputError: If a task needs likelihoods, and the subject cannot tell them.
    """
    model = getattr(subject, "model", None)
    tokenizer = getattr(subject, "tokenizer", None)
    if model is not None and tokenizer is not None:
        from lm_eval.models.huggingface import HFLM

        # Sums of logarithms in a model's bfloat16 would tie choices that are not equal.
        wrapped = HFLM(
            pretrained=model, tokenizer=tokenizer, batch_size=_BATCH, softmax_dtype="float32"
        )
        return wrapped, bool(getattr(tokenizer, "chat_template", None))
    refuse_likelihoods(tasks)
    return _asking(subject), True


def refuse_likelihoods(tasks: Mapping[str, Any]) -> None:
    """Refuses tasks that a server cannot do.

    Args:
        tasks: The harness' tasks by name.

    Raises:
        InputError: If one does not generate.
    """
    for name, task in tasks.items():
        if task.OUTPUT_TYPE != "generate_until":
            raise InputError(
                f"--task lm-eval:{name}: needs the likelihood of given texts, which a server does "
                "not tell. Name a folder or a hub id, or a task that generates."
            )


def _asking(subject: Subject) -> Any:  # noqa: ANN401  lm-eval is optional
    from lm_eval.api.model import LM

    class Asking(LM):  # type: ignore[misc]
        tokenizer_name = ""

        def apply_chat_template(
            self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
        ) -> str:
            # The harness wants a text; the server, the messages: back to them in generate_until.
            return json.dumps(chat_history)

        def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
            return _generated(subject, [each.args for each in requests])

        # A chat server gives no probabilities: tasks that ask for them are refused before.
        def loglikelihood(self, requests: Any, **_: Any) -> Any:  # noqa: ANN401
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: Any, **_: Any) -> Any:  # noqa: ANN401
            raise NotImplementedError

    return Asking()


def _generated(subject: Subject, asked: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Answers the harness' requests: those of one length at a time, each cut at its stop texts."""
    answers = [""] * len(asked)
    lengths = [int(each.get("max_gen_toks") or _NEW_TOKENS) for _, each in asked]
    for length in sorted(set(lengths)):
        places = [at for at, each in enumerate(lengths) if each == length]
        prompts = [json.loads(asked[at][0]) for at in places]
        given = subject.generate(prompts, max_new_tokens=length)
        for at, answer in zip(places, given, strict=True):
            until = asked[at][1].get("until") or []
            for stop in [until] if isinstance(until, str) else until:
                answer = answer.partition(stop)[0] if stop else answer
            answers[at] = answer
    return answers


def harness_items(text: str, found: Mapping[str, Any], *, templated: bool) -> Items:
    """Returns the harness' results item by item.

    Metrics keep their names; where a task has several filters, the filter's follows after a comma,
    as the harness writes it. Of several tasks, only metrics that all have are taken. A metric that
    is no number for each item is left out, but for `bits_per_byte`: it is a mean weighted by bytes.

    Args:
        text: What the user wrote.
        found: What `lm_eval.evaluator.evaluate` returns, with samples.
        templated: Whether the model was asked by its chat template.

    Raises:
        InputError: If no metric is left.
    """
    tables = {name: _table(rows) for name, rows in found["samples"].items()}
    names = list(dict.fromkeys(metric for table in tables.values() for metric in table))
    shared = [each for each in names if all(each in table for table in tables.values())]
    values = {metric: [v for each in tables.values() for v in each[metric]] for metric in shared}
    scores, weights = {}, {}
    for metric, column in values.items():
        if all(isinstance(value, Real) and math.isfinite(value) for value in column):
            scores[metric] = tuple(float(value) for value in column)
        elif metric == "bits_per_byte":
            weights[metric] = tuple(float(size) for _, size in column)
            scores[metric] = tuple(-nats / (size * math.log(2)) for nats, size in column)
    if not scores:
        raise InputError(
            f"--task {text}: there is no metric that is a number for each item"
            + (" and that all tasks have; give them one by one." if len(tables) > 1 else ".")
        )
    return Items(
        ids=tuple(f"{name}:{at}" for name, rows in found["samples"].items() for at in _docs(rows)),
        scores=scores,
        answers=_answers(found),
        notes=_notes(found, sorted(scores), sorted(set(names) - set(scores)), templated),
        weights=weights,
    )


def _docs(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    return list(dict.fromkeys(row["doc_id"] for row in rows))


def _table(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Returns for each metric the values of all items, in order; those that some lack are out."""
    docs = _docs(rows)
    several = len({row["filter"] for row in rows}) > 1
    table: dict[str, dict[int, Any]] = {}
    for row in rows:
        for metric in row["metrics"]:
            name = f"{metric},{row['filter']}" if several else metric
            table.setdefault(name, {})[row["doc_id"]] = row[metric]
    full = {name: column for name, column in table.items() if len(column) == len(docs)}
    return {name: [column[at] for at in docs] for name, column in full.items()}


def _answers(found: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Returns the first answer to each item, if all tasks generate."""
    if any(each.get("output_type") != "generate_until" for each in found["configs"].values()):
        return None
    answers = []
    for rows in found["samples"].values():
        first = {row["doc_id"]: row["resps"][0][0] for row in reversed(rows)}
        answers += [str(first[at]) for at in _docs(rows)]
    return tuple(answers)


def _notes(
    found: Mapping[str, Any], taken: Sequence[str], left: Sequence[str], templated: bool
) -> tuple[str, ...]:
    version = importlib.metadata.version("lm_eval")
    how = "by the model's chat template" if templated else "as plain text, without a chat template"
    shots = {name: found["n-shot"].get(name) or 0 for name in found["samples"]}
    notes = [
        f"lm-evaluation-harness {version}; prompts are given {how}; examples in the prompt: "
        + ", ".join(f"{name} {count}" for name, count in shots.items())
        + "."
    ]
    lower = {
        metric
        for each in found["higher_is_better"].values()
        for metric, higher in each.items()
        if higher is False
    }
    if low := [metric for metric in taken if metric.partition(",")[0] in lower]:
        notes.append(f"Lower is better: {', '.join(low)}.")
    if left:
        notes.append(
            f"Left out, as they are no number for each item of all tasks: {', '.join(left)}."
        )
    if len(shots) > 1:
        notes.append("Means are over all items, whichever task they are of.")
    return tuple(notes)
