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


@pytest.mark.parametrize("places", [(ONE,), (ONE, ONE)])
def test_a_mistake_in_a_worker_is_the_users_message(places, tiny_model_dir, tmp_path):
    from dataclasses import replace

    settings = replace(SETTINGS, learning_rate=1e30, clip=1e30)
    crew = Crew(str(tiny_model_dir), settings, tuple(task(tmp_path)), places)
    works = [work(tiny_model_dir, str(seed), steps=8, count=16, seed=seed) for seed in range(2)]
    with pytest.raises(InputError, match="learning-rate"):
        list(crew.work(works, lambda text: None))


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
