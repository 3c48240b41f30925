"""Lines that say how far the tasks are."""

import pickle
from types import SimpleNamespace

import pytest

from trainers.evaluate.progress import Count, Lasting, Progress, Turn


class Sized(SimpleNamespace):
    """A task of some items."""

    def __len__(self):
        return self.size


SHORT, LONG = Sized(text="match:a", size=40), Sized(text="choice:b", size=10)


@pytest.fixture
def lines():
    """A progress whose clock is set by hand, and its lines."""
    now = SimpleNamespace(seconds=100.0, told=[])

    def make(*turns):
        now.progress = Progress(turns, now.told.append, lambda: now.seconds)
        return now

    return make


def test_items_and_what_is_left(lines):
    now = lines(Turn(SHORT), Turn(LONG))
    with now.progress.turn() as tell:
        now.seconds += 5
        tell("match:a: building 3 things")
        now.seconds += 10
        tell(Count.of(10, 40, "answered"))
        tell(Count.of(40, 40, "answered"))
    with now.progress.turn() as tell:
        now.seconds += 600
        # Four choices of each of ten items.
        tell(Count.of(20, 40, "chats scored"))
    assert now.told == [
        "task 1/2   building 3 things   match:a",
        "task 1/2   item 10/40   30 s left   match:a",
        "task 1/2   item 40/40   match:a",
        "task 2/2   item 5/10   10 min left   choice:b",
    ]


def test_all_of_it_is_told_once_each_task_was_timed(lines):
    now = lines(Turn(SHORT), Turn(LONG), Turn(SHORT, base=True), Turn(LONG, base=True))
    for seconds in (30, 60):
        with now.progress.turn() as tell:
            now.seconds += seconds / 2
            tell(Count.of(1, 2, "x"))
            now.seconds += seconds / 2
    with now.progress.turn() as tell:
        now.seconds += 20
        tell(Count.of(1, 2, "x"))
    assert now.told == [
        "task 1/4   item 20/40   15 s left   match:a",
        # What was just timed, what is being timed now, and 30 s of the last base.
        "task 2/4   item 5/10   30 s left, 2 min in all   choice:b",
        "task 3/4   base   item 20/40   20 s left, 80 s in all   match:a",
    ]


def test_words_before_a_task_stay(lines):
    now = lines(Turn(SHORT, words="Next: something."))
    with now.progress.turn() as tell:
        tell(Lasting("Stop it with --stop."))
    assert now.told == ["Next: something.", "Stop it with --stop."]
    assert all(isinstance(each, Lasting) for each in now.told)


def test_a_count_is_a_text_that_other_processes_understand():
    count = pickle.loads(pickle.dumps(Count.of(1000, 2000, "answered")))
    assert (count, count.done, count.total) == ("1,000 of 2,000 answered", 1000, 2000)
