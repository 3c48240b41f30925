"""The local engine: this process for little data, worker processes for much."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.util import Finalize
from typing import Any, Protocol

import cloudpickle

from datakit.errors import BudgetError, DatakitError, InputError
from datakit.outcome import Drop
from datakit.record import Record, canonical
from datakit.step import Resources, call, verb_of

__all__ = ["Engine", "LocalEngine", "StepFailedError", "check_outcome"]

_BATCH = 256
# Below this many records, starting processes costs more than they save.
_FEW = 2_048
# Seconds per record below which sending a record to another process costs more than its step.
_CHEAP = 100e-6


# What each verb may say of a record.
_OUTCOMES: dict[str, tuple[Any, str]] = {
    "score": (Mapping, "a dictionary for each record"),
    "check": (Drop | None, "a Drop or None"),
    "revise": (Record | None, "a Record or None"),
}


class StepFailedError(InputError):
    """A step raised an error of its own."""


class Engine(Protocol):
    """How steps are carried out; the steps themselves do not know."""

    @property
    def stopped(self) -> BudgetError | None:
        """Why the rest of the records were not asked about; None if all were."""
        ...

    def map(self, step: object, records: Iterable[Record]) -> Iterator[tuple[Record, Any]]:
        """Yields each record with what a `check`, `score` or `revise` step says, in order."""
        ...

    def select(self, step: object, records: Iterable[Record]) -> dict[str, Drop]:
        """Returns the drops of a `select` step by record id; `records` can be read repeatedly."""
        ...

    def close(self) -> None:
        """Closes what steps have opened."""
        ...


class LocalEngine:
    """Runs steps on this machine.

    Args:
        workers: Processes for steps over many records; None is one per core.
        few: Up to this many records, everything runs in this process.
    """

    def __init__(self, workers: int | None = None, *, few: int = _FEW) -> None:
        self.stopped: BudgetError | None = None
        self.workers = workers or _cores()
        self._few = few
        self._resources = Resources()
        self._pool: ProcessPoolExecutor | None = None

    def map(self, step: object, records: Iterable[Record]) -> Iterator[tuple[Record, Any]]:
        """Yields each record with what the step says of it, in the order of the records."""
        stream = iter(records)
        count, spent = 0, 0.0
        for batch in _batched(itertools.islice(stream, self._few)):
            started = time.perf_counter()
            outcomes = run_batch(step, batch, self._resources)
            spent += time.perf_counter() - started
            count += len(batch)
            yield from zip(batch, outcomes, strict=True)
        if self.workers > 1 and spent >= count * _CHEAP:
            yield from self._pooled(step, stream)
            return
        for batch in _batched(stream):
            yield from zip(batch, run_batch(step, batch, self._resources), strict=True)

    def _pooled(self, step: object, records: Iterable[Record]) -> Iterator[tuple[Record, Any]]:
        pickled = cloudpickle.dumps(step)
        waiting: deque[tuple[list[Record], Future[list[Any]]]] = deque()
        try:
            for batch in _batched(records):
                waiting.append((batch, self._workers().submit(_work, pickled, batch)))
                if len(waiting) > 2 * self.workers:
                    done, future = waiting.popleft()
                    yield from zip(done, future.result(), strict=True)
            while waiting:
                done, future = waiting.popleft()
                yield from zip(done, future.result(), strict=True)
        except BrokenProcessPool:
            self._end_pool()
            raise StepFailedError(
                f"{_name(step)}: a worker process died. Was it out of memory? A script that "
                'runs a pipeline needs: if __name__ == "__main__":'
            ) from None
        finally:
            for _, future in waiting:
                future.cancel()

    def _workers(self) -> ProcessPoolExecutor:
        """Returns the one pool that all steps share, since their streams run inside each other."""
        if self._pool is None:
            # Not fork: the embedded model and torch have threads, which a forked child would miss.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=context, initializer=_start_worker
            )
        return self._pool

    def select(self, step: object, records: Iterable[Record]) -> dict[str, Drop]:
        """Returns the drops of a `select` step."""
        drops: dict[str, Drop] = _guarded(step, None, records, self._resources)
        if not isinstance(drops, Mapping) or not all(isinstance(d, Drop) for d in drops.values()):
            raise StepFailedError(f"{_name(step)}: select returns a dictionary of Drop by id.")
        return drops

    def close(self) -> None:
        """Closes models and worker processes."""
        self._resources.close()
        self._end_pool()

    def _end_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def run_batch(step: object, batch: Sequence[Record], resources: Resources) -> list[Any]:
    """Calls a step's verb for a batch; returns one outcome for each record."""
    if verb_of(step) == "score":
        values = list(_guarded(step, None, batch, resources))
        if len(values) != len(batch):
            raise StepFailedError(f"{_name(step)}: {len(values)} scores for {len(batch)} records.")
    else:
        values = [_guarded(step, record, record, resources) for record in batch]
    for record, value in zip(batch, values, strict=True):
        check_outcome(step, record, value)
    return values


def check_outcome(step: object, record: Record, value: object) -> None:
    """Refuses what a step's verb may not say, while it is known which step said it of what."""
    wanted, name = _OUTCOMES[verb_of(step)]
    if not isinstance(value, wanted):
        kind = type(value).__name__
        raise StepFailedError(
            f"{_name(step)} on record {record.id}: {verb_of(step)} returns {name}, not a {kind}."
        )
    if not isinstance(value, Mapping | Drop):
        return
    try:
        canonical(value.detail if isinstance(value, Drop) else dict(value))
    except (TypeError, ValueError) as error:
        raise StepFailedError(
            f"{_name(step)} on record {record.id}: {error}; a file holds finite numbers, texts, "
            "true, false, null, lists and objects."
        ) from None


def _guarded(step: object, record: Record | None, given: object, resources: Resources) -> Any:  # noqa: ANN401
    try:
        return call(step, given, resources=resources)
    except DatakitError:
        raise
    except Exception as error:
        if os.environ.get("DATAKIT_DEBUG"):
            raise
        at = f" on record {record.id}" if record else ""
        raise StepFailedError(
            f"{_name(step)} failed{at}: {type(error).__name__}: {error}. "
            "DATAKIT_DEBUG=1 shows where."
        ) from error


def _name(step: object) -> str:
    name: str = step.step_name  # type: ignore[attr-defined]
    return name


def _batched(records: Iterable[Record]) -> Iterator[list[Record]]:
    stream = iter(records)
    while batch := list(itertools.islice(stream, _BATCH)):
        yield batch


_worker: tuple[dict[bytes, object], Resources] | None = None


def _start_worker() -> None:
    global _worker
    resources = Resources()
    _worker = ({}, resources)
    Finalize(None, resources.close, exitpriority=10)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker waits for work for ever, even if who would send it was killed.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(pickled: bytes, batch: list[Record]) -> list[Any]:
    assert _worker is not None
    steps, resources = _worker
    if pickled not in steps:
        steps[pickled] = cloudpickle.loads(pickled)
    return run_batch(steps[pickled], batch, resources)


def _cores() -> int:
    # What this process may use, which in a container is less than what the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
