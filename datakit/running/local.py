"""The local engine: this process for little data, worker processes for much."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, Protocol

import cloudpickle

from datakit.errors import DatakitError, InputError
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import Resources, call, verb_of

__all__ = ["Engine", "LocalEngine", "StepFailedError"]

_BATCH = 256
# Below this many records, starting processes costs more than they save.
_FEW = 2_048


class StepFailedError(InputError):
    """A step raised an error of its own."""


class Engine(Protocol):
    """How steps are carried out; the steps themselves do not know."""

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
        self.workers = workers or os.cpu_count() or 1
        self._few = few
        self._resources = Resources()

    def map(self, step: object, records: Iterable[Record]) -> Iterator[tuple[Record, Any]]:
        """Yields each record with what the step says of it, in the order of the records."""
        stream = iter(records)
        head = list(itertools.islice(stream, self._few + 1))
        everything = itertools.chain(head, stream)
        if len(head) <= self._few or self.workers == 1:
            for batch in _batched(everything):
                yield from zip(batch, run_batch(step, batch, self._resources), strict=True)
        else:
            yield from self._pooled(step, everything)

    def _pooled(self, step: object, records: Iterable[Record]) -> Iterator[tuple[Record, Any]]:
        # Not fork: the embedded model and torch have threads, which a forked child would miss.
        context = multiprocessing.get_context("spawn")
        pickled = cloudpickle.dumps(step)
        waiting: deque[tuple[list[Record], Future[list[Any]]]] = deque()
        with ProcessPoolExecutor(
            self.workers, mp_context=context, initializer=_start_worker, initargs=(pickled,)
        ) as pool:
            try:
                for batch in _batched(records):
                    waiting.append((batch, pool.submit(_work, batch)))
                    if len(waiting) > 2 * self.workers:
                        done, future = waiting.popleft()
                        yield from zip(done, future.result(), strict=True)
                for done, future in waiting:
                    yield from zip(done, future.result(), strict=True)
            finally:
                pool.shutdown(cancel_futures=True)

    def select(self, step: object, records: Iterable[Record]) -> dict[str, Drop]:
        """Returns the drops of a `select` step."""
        drops: dict[str, Drop] = _guarded(step, None, records, self._resources)
        return drops

    def close(self) -> None:
        """Closes models and worker processes."""
        self._resources.close()


def run_batch(step: object, batch: Sequence[Record], resources: Resources) -> list[Any]:
    """Calls a step's verb for a batch; returns one outcome for each record."""
    if verb_of(step) == "score":
        values = list(_guarded(step, None, batch, resources))
        if len(values) != len(batch):
            raise StepFailedError(f"{_name(step)}: {len(values)} scores for {len(batch)} records.")
        return values
    return [_guarded(step, record, record, resources) for record in batch]


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


_worker: tuple[object, Resources] | None = None


def _start_worker(pickled: bytes) -> None:
    global _worker
    _worker = (cloudpickle.loads(pickled), Resources())


def _work(batch: list[Record]) -> list[Any]:
    assert _worker is not None
    return run_batch(_worker[0], batch, _worker[1])
