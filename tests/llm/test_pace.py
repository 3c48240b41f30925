import asyncio
import pickle

import pytest

from datakit.errors import BusyError, ProviderError
from datakit.llm.pace import Limits, Pace, _Bucket

BUSY = BusyError("429", "rate")


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def most_at_once(pace, count):
    flying = most = 0

    async def one():
        nonlocal flying, most
        async with pace.turn(10):
            flying += 1
            most = max(most, flying)
            await asyncio.sleep(0)
            flying -= 1

    async def every():
        await asyncio.gather(*(one() for _ in range(count)))

    asyncio.run(every())
    assert pace.flying == 0
    return most


@pytest.mark.parametrize("most", [1, 3, 8])
def test_no_more_than_the_limit_are_in_flight(most):
    assert most_at_once(Pace(most), 20) == most


def test_it_begins_with_a_few():
    assert most_at_once(Pace(200), 100) == 8


def answers(pace, clock, rounds, seconds):
    """Rounds of answers of 100 tokens; a round takes as long as `seconds(limit)` says."""
    for _ in range(rounds):
        now = int(pace.limit)
        clock.now += seconds(now)
        for _ in range(now):
            pace.answered(100)


def test_it_rises_while_that_brings_more():
    clock = Clock()
    pace = Pace(100, clock=clock)
    answers(pace, clock, 60, lambda limit: 1.0)
    assert pace.limit == 100


def test_a_queue_that_pushes_nothing_back_is_noticed():
    clock = Clock()
    pace = Pace(1000, clock=clock)
    # A server with 20 places: the others wait.
    answers(pace, clock, 300, lambda limit: max(1.0, limit / 20))
    assert 15 <= pace.limit < 60


def test_it_falls_when_it_is_pushed_back_once_for_all_in_flight():
    clock = Clock()
    pace = Pace(100, clock=clock)
    answers(pace, clock, 60, lambda limit: 1.0)
    for _ in range(50):
        pace.pushed_back(BUSY, 1)
    assert pace.limit == 50
    clock.now += 2
    pace.pushed_back(BUSY, 1)
    assert pace.limit == 25
    pace.pushed_back(BusyError("500", "server"), 1)
    assert pace.limit == 25


def test_a_wish_of_the_server_holds_for_all():
    pace = Pace(4)
    began = []

    async def one():
        loop = asyncio.get_running_loop()
        async with pace.turn(1):
            began.append(loop.time())

    async def both():
        start = asyncio.get_running_loop().time()
        assert pace.pushed_back(BusyError("429", "rate", after=0.2), 1) >= 0.2
        await one()
        return start

    start = asyncio.run(both())
    assert began[0] - start >= 0.2


def test_waits_grow_and_differ():
    pace = Pace(4, retries=30)
    waits = [[pace.pushed_back(BUSY, attempt) for _ in range(20)] for attempt in (1, 4, 20)]
    assert all(0.25 <= each <= 0.5 for each in waits[0])
    assert all(2 <= each <= 4 for each in waits[1])
    assert all(30 <= each <= 60 for each in waits[2])
    assert len(set(waits[1])) > 10


def test_it_gives_up():
    pace = Pace(4, retries=2)
    pace.pushed_back(BUSY, 2)
    with pytest.raises(ProviderError, match=r"429 \(tried 3 times\)"):
        pace.pushed_back(BUSY, 3)
    with pytest.raises(ProviderError, match=r"it asks to come back in 2\.0 hours"):
        pace.pushed_back(BusyError("429", "rate", after=7200), 1)


def test_it_gives_up_when_nobody_is_answered_for_long():
    clock = Clock()
    pace = Pace(4, clock=clock)
    for _ in range(20):
        pace.pushed_back(BUSY, 1)
    clock.now += 121
    with pytest.raises(ProviderError, match="no answer for 121 s, 21 failures in a row"):
        pace.pushed_back(BUSY, 1)
    pace.answered(1)
    pace.pushed_back(BUSY, 1)


@pytest.mark.parametrize(
    ("most", "seconds", "size"), [(60, 60.0, 1), (3, 1.0, 1), (500, 60.0, 1), (1000, 60.0, 37)]
)
def test_no_window_has_more_than_its_ceiling(most, seconds, size):
    bucket, now, sent = _Bucket(most, seconds, 0.0), 0.0, []
    while now < 4 * seconds:
        if wait := bucket.wait(now):
            now += wait
            continue
        bucket.take(size)
        sent.append(now)
    windows = [sum(size for each in sent if start <= each < start + seconds) for start in sent]
    # What is let through while there is a little left may pass it once.
    assert 0.8 * most < max(windows) <= most + size


def test_ceilings_hold_for_requests_and_for_tokens():
    for limits, tokens in (
        (Limits(requests_per_second=50), 1),
        (Limits(tokens_per_second=1000), 20),
    ):
        times = spread(Pace(100, limits), 20, tokens)
        assert times[-1] - times[0] >= 0.2


def spread(pace, count, tokens):
    async def one():
        async with pace.turn(tokens):
            return asyncio.get_running_loop().time()

    async def every():
        return sorted(await asyncio.gather(*(one() for _ in range(count))))

    return asyncio.run(every())


def test_a_cancelled_wait_leaves_no_place_taken():
    pace = Pace(1)

    async def go():
        async with pace.turn(1):
            waiting = asyncio.create_task(_hold(pace))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert pace.flying == 0
        await asyncio.wait_for(_hold(pace), 1)

    asyncio.run(go())
    assert pace.flying == 0


async def _hold(pace):
    async with pace.turn(1):
        await asyncio.sleep(0)


def test_an_error_survives_a_process_boundary():
    error = pickle.loads(pickle.dumps(BusyError("429", "rate", 3.0)))
    assert (error.problems, error.kind, error.after) == (("429",), "rate", 3.0)
