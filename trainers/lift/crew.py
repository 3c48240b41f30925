"""Trials over cores or GPUs: each worker holds a model, and does one trial after another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from datakit.errors import DatakitError, InputError
from trainers.evaluate import Task
from trainers.lift.bench import Bench, Work
from trainers.lift.ended import Ended
from trainers.sft import SFT

__all__ = ["Crew", "Place"]


@dataclass(frozen=True)
class Place:
    """Where a worker works.

    Args:
        device: `cpu`, `cuda:0`, ...
        threads: Of torch.
    """

    device: str
    threads: int


@dataclass(frozen=True)
class Crew:
    """Workers of one study.

    Args:
        model: As `trainers.models.resolve` takes it.
        settings: Of each trial.
        tasks: What each trial is measured by.
        places: One for each worker.
    """

    model: str
    settings: SFT
    tasks: tuple[Task, ...]
    places: tuple[Place, ...]

    def work(
        self, works: Iterable[Work | None], note: Callable[[str], None]
    ) -> Iterator[tuple[Work | None, Ended]]:
        """Does trials, and yields each as soon as it is done.

        Args:
            works: The trials; None is the untrained model.
            note: Is told in words how far the work is.

        Raises:
            InputError: If a trial cannot be done, or a worker dies.
        """
        waiting = deque(works)
        places = self.places[: len(waiting)]
        if len(places) == 1:
            yield from self._here(waiting, places[0], note)
            return
        hands = [_Hand(self, place) for place in places]
        idle = False
        try:
            yield from _shared(hands, waiting, note)
            idle = True
        finally:
            for each in hands:
                each.close(idle=idle)

    def _here(
        self, waiting: Iterable[Work | None], place: Place, note: Callable[[str], None]
    ) -> Iterator[tuple[Work | None, Ended]]:
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(place.threads)
        try:
            bench = Bench(self.model, self.settings, self.tasks, device=place.device, note=note)
            for each in waiting:
                yield each, done(bench, each, self.settings)
        finally:
            torch.set_num_threads(before)


def done(bench: Bench, work: Work | None, settings: SFT) -> Ended:
    """Does one trial; None measures the untrained model.

    Raises:
        DatakitError: If it cannot be done for want of memory, or of anything the user can mend.
    """
    from trainers.running.watching import plainly

    try:
        if work is not None:
            return bench.trial(work)
        return Ended(tuple(bench.untrained()), (), 0.0, 0.0)
    except DatakitError:
        raise
    except Exception as error:
        if (told := plainly(error, settings)) is None:
            raise
        raise told from error


class _Hand:
    """A worker process, seen from here."""

    def __init__(self, crew: Crew, place: Place) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, other = context.Pipe()
        self.now: Work | None = None
        self.process = context.Process(
            target=_worker, args=(other, crew, place), name="datakit-lift", daemon=True
        )
        self.process.start()
        # With this end closed, the other one's death is seen as the end of the line.
        other.close()

    def give(self, work: Work | None) -> None:
        self.now = work
        # What died is heard of where its answer is waited for.
        with contextlib.suppress(OSError):
            self.line.send(("work", work))

    def close(self, *, idle: bool) -> None:
        """Ends the worker: by its own way where it has nothing to do."""
        if idle:
            with contextlib.suppress(OSError):
                self.line.send(("end", None))
            self.process.join(10)
        self.line.close()
        self.process.terminate()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()


def _shared(
    hands: Sequence[_Hand], waiting: deque[Work | None], note: Callable[[str], None]
) -> Iterator[tuple[Work | None, Ended]]:
    busy: dict[Any, _Hand] = {}
    for each in hands:
        each.give(waiting.popleft())
        busy[each.line] = each
    while busy:
        for line in wait(list(busy)):
            hand = busy[line]
            kind, value = _heard(hand)
            if kind == "note":
                note(value)
                continue
            if kind == "error":
                raise value
            ended = (hand.now, value)
            if waiting:
                hand.give(waiting.popleft())
            else:
                del busy[line]
            yield ended


def _heard(hand: _Hand) -> tuple[str, Any]:
    try:
        heard: tuple[str, Any] = hand.line.recv()
    except (EOFError, OSError):
        # A worker that died before it had read its work leaves an error of the line instead.
        hand.process.join(5)
        code = hand.process.exitcode
        why = " (killed: most likely by the system, for want of memory)" if code == -9 else ""
        raise InputError(
            f"a worker ended with exit code {code}{why}. Finished trials are kept; the same "
            "command goes on. Fewer at once need less memory: --workers 1. In a script of your "
            'own, a study must be under `if __name__ == "__main__":`.'
        ) from None
    return heard


def _worker(line: Connection, crew: Crew, place: Place) -> None:
    # Ctrl-C is for the process that the user sees; it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    try:
        import torch

        torch.set_num_threads(place.threads)
        bench = Bench(
            crew.model,
            crew.settings,
            crew.tasks,
            device=place.device,
            note=lambda text: line.send(("note", text)),
        )
        while True:
            kind, work = line.recv()
            if kind == "end":
                return
            line.send(("done", done(bench, work, crew.settings)))
    except EOFError:
        return
    except Exception as error:
        line.send(("error", error))


def _die_with_parent() -> None:
    """Ends this process when its parent is gone, in the midst of a trial as well."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
