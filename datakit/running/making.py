"""One call of a `make` step, and what the engine writes into the books of what it made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datakit.errors import DatakitError
from datakit.fingerprint import Ids
from datakit.llm.llm import LLM
from datakit.outcome import Drop, Rejected
from datakit.record import Record
from datakit.running.local import StepFailedError, check_outcome
from datakit.step import Resources, call, verb_of

__all__ = ["ask_about", "finished", "joint_license", "make_records"]

UNKNOWN = "NOASSERTION"


async def make_records(
    step: Any,  # noqa: ANN401
    pool: Sequence[Record],
    llm: LLM,
    resources: Resources,
) -> list[Record | Rejected]:
    """Calls a `make` step.

    Raises:
        StepFailedError: If it raises an error of its own.
    """
    try:
        return list(await call(step, pool, llm=llm, resources=resources))
    except DatakitError:
        raise
    except Exception as error:
        raise StepFailedError(
            f"{step.step_name} failed: {type(error).__name__}: {error}. "
            "DATAKIT_DEBUG=1 shows where."
        ) from error


async def ask_about(
    step: Any,  # noqa: ANN401
    record: Record,
    llm: LLM,
    resources: Resources,
) -> Any:  # noqa: ANN401  as the verb
    """Calls a `score` or a `revise` that asks a teacher; a `score` for this record alone.

    Raises:
        StepFailedError: If it raises an error of its own, or says what its verb does not say.
    """
    scores = verb_of(step) == "score"
    try:
        said = await call(step, [record] if scores else record, llm=llm, resources=resources)
    except DatakitError:
        raise
    except Exception as error:
        raise StepFailedError(
            f"{step.step_name} failed: {type(error).__name__}: {error}. "
            "DATAKIT_DEBUG=1 shows where."
        ) from error
    if scores:
        if not isinstance(said, list | tuple) or len(said) != 1:
            raise StepFailedError(f"{step.step_name}: score returns a list, one of each record.")
        (said,) = said
    if not isinstance(said, Drop):
        check_outcome(step, record, said)
    return said


def finished(
    step: Any,  # noqa: ANN401
    llm: LLM,
    made: Sequence[Record | Rejected],
    at: int,
    pool: Mapping[str, Record],
    ids: Ids,
) -> Record | Rejected:
    """Returns what a step made with its id and its books.

    Args:
        step: The step.
        llm: What the call was given.
        made: All that the call made.
        at: Which of it.
        pool: The records that the step was given, by id.
        ids: Those of the run.

    Raises:
        StepFailedError: If it is no record, or one without parents.
    """
    each = made[at]
    if not isinstance(each, Record | Rejected):
        raise StepFailedError(
            f"{step.step_name} made a {type(each).__name__}; make returns a list of Record and "
            "Rejected."
        )
    record = each.record if isinstance(each, Rejected) else each
    parents = record.parents
    if not parents and not isinstance(each, Rejected):
        raise StepFailedError(
            f"{step.step_name} made a record without parents; use seed.child(...) "
            "or Record.from_parents(...)."
        )
    books = {
        "step": step.step_name,
        "parents": list(parents),
        "model": llm.model,
        "prompt_hash": llm.prompt_hash,
        "cost": f"{llm.cost / len(made):f}",
        "license": joint_license(_works(record, pool), llm.license),
    }
    record = record.replace(
        # A step that asks nobody has no request keys to tell its calls apart.
        id=ids.made(step, parents, tuple(llm.names) or (llm.where,), at),
        # The books are the engine's: what a step copied from a parent's is not true of its child.
        meta={**books, **{k: v for k, v in record.meta.items() if k not in books}},
    )
    return Rejected(record, each.drop) if isinstance(each, Rejected) else record


def _works(record: Record, pool: Mapping[str, Record]) -> list[object]:
    """Returns the licences of what a record was made from: its parents, and a document."""
    licenses = [pool[each].meta.get("license") for each in record.parents if each in pool]
    source = record.meta.get("source")
    if isinstance(source, Mapping) and "license" in source:
        licenses.append(source["license"])
    return licenses


def joint_license(parents: Sequence[object], answer: str | None) -> str:
    """Returns the SPDX expression of what was made from works under several licences.

    Args:
        parents: SPDX ids or expressions of the parents; one that is unknown makes the whole so.
        answer: Licence of the answer itself, or None if it has none.
    """
    texts = [each for each in parents if isinstance(each, str) and each]
    if not texts or len(texts) < len(parents) or UNKNOWN in texts:
        return UNKNOWN
    parts = {part for text in (*texts, answer or texts[0]) for part in text.split(" AND ")}
    return " AND ".join(sorted(parts))
