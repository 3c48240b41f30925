"""Workers do the same as one alone, and their end is told."""

import os
import signal

import pytest

from datakit.errors import InputError
from tests.trainers.lift.tiny import SETTINGS, task, work
from trainers.lift.crew import Crew, Place

ONE = Place("cpu", 1)


def test_two_workers_find_what_one_finds(tiny_model_dir, tmp_path):
    works = [None, *(work(tiny_model_dir, str(seed), seed=seed) for seed in range(3))]
    found = []
    for places in [(ONE,), (ONE, ONE)]:
        crew = Crew(str(tiny_model_dir), SETTINGS, tuple(task(tmp_path)), places)
        notes = []
        ended = {w.key if w else "": e for w, e in crew.work(works, notes.append)}
        found.append({key: each.items[0].scores for key, each in ended.items()})
        assert any("chats scored" in each for each in notes)
    assert found[0] == found[1]
    assert set(found[0]) == {"", "0", "1", "2"}


class Wrong:
    """Stands for a task that finds a mistake of the user's."""

    text = "wrong"

    def __len__(self):
        return 1

    def run(self, subject, note):
        raise InputError(["a mistake", "and another"])


@pytest.mark.parametrize("places", [(ONE,), (ONE, ONE)])
def test_a_mistake_in_a_worker_is_the_users_message(places, tiny_model_dir):
    crew = Crew(str(tiny_model_dir), SETTINGS, (Wrong(),), places)
    works = [work(tiny_model_dir, str(seed), seed=seed) for seed in range(2)]
    with pytest.raises(InputError) as told:
        list(crew.work(works, lambda text: None))
    assert list(told.value.problems) == ["a mistake", "and another"]


class Killer:
    """Stands for a task, and kills the process that runs it."""

    text = "killer"

    def __len__(self):
        return 1

    def run(self, subject, note):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_dead_worker_is_told(tiny_model_dir):
    crew = Crew(str(tiny_model_dir), SETTINGS, (Killer(),), (ONE, ONE))
    works = [work(tiny_model_dir, str(seed), seed=seed) for seed in range(2)]
    with pytest.raises(InputError, match=r"exit code -9 .*--workers 1"):
        list(crew.work(works, lambda text: None))


class Greedy(Wrong):
    """Stands for a task that does not fit."""

    def run(self, subject, note):
        import torch

        raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("places", [(ONE,), (ONE, ONE)])
def test_want_of_memory_is_told_whoever_works(places, tiny_model_dir):
    crew = Crew(str(tiny_model_dir), SETTINGS, (Greedy(),), places)
    works = [work(tiny_model_dir, str(seed), seed=seed) for seed in range(2)]
    with pytest.raises(InputError, match="memory"):
        list(crew.work(works, lambda text: None))
