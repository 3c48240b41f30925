import asyncio
import os
import signal
import threading
import time
from decimal import Decimal

import pytest

from datakit.errors import InputError, ProviderError
from datakit.judge import Session, compare
from datakit.outcome import Drop
from tests.judge.judges import longer, pairwise, teacher
from tests.loopback import Fault, serve

PAIRS = [("x" * n, "y" * 9) for n in range(1, 19)]
PRICE = {"input": "1", "output": "1"}


async def ask(pair, llm):
    return await compare(llm, "Q", *pair)


def said_by(server, folder, pairs=PAIRS, fields=None, **options):
    with Session(teacher(server, **(fields or {})), folder / "log", **options) as session:
        return session.map(pairs, ask, lambda pair: pair[0]), session


def test_answers_stand_in_their_order_and_are_not_asked_for_again(tmp_path):
    with serve(pairwise(longer, jitter=0.02)) as server:
        said, session = said_by(server, tmp_path)
        assert [each.winner for each in said] == ["b"] * 8 + ["tie"] + ["a"] * 9
        assert len(server.answered()) == session.totals.requests == 2 * len(PAIRS)
        again, session = said_by(server, tmp_path, PAIRS[::-1])
        assert again == said[::-1]
        assert len(server.answered()) == 2 * len(PAIRS)
        assert session.totals.cached == 2 * len(PAIRS)


def test_items_with_one_key_have_answers_of_their_own(tmp_path):
    with serve(pairwise(longer)) as server:
        said, _ = said_by(server, tmp_path, [PAIRS[0]] * 3)
        assert len(said) == 3
        assert len(server.answered()) == 6


def test_a_refused_request_costs_its_own_item_alone(tmp_path):
    with serve(pairwise(longer, faults=[Fault("bad_request", share=0.2)])) as server:
        said, _ = said_by(server, tmp_path)
    drops = [each for each in said if isinstance(each, Drop)]
    assert 0 < len(drops) < len(said)
    assert {drop.reason for drop in drops} == {"bad_request"}


def test_a_provider_that_refuses_all_is_a_failure(tmp_path):
    with (
        serve(pairwise(longer, faults=[Fault("bad_request")])) as server,
        pytest.raises(ProviderError, match="every request was refused"),
    ):
        said_by(server, tmp_path)


def test_a_budget_is_kept_and_a_higher_one_goes_on(tmp_path):
    with serve(pairwise(longer)) as server:
        said, session = said_by(server, tmp_path, fields={"price": PRICE}, budget=Decimal("0.005"))
        assert session.stopped
        assert session.totals.cost <= Decimal("0.005")
        asked = len(server.answered())
        assert 0 < asked < 2 * len(PAIRS)
        assert said[-1] == Drop("budget")
        said, session = said_by(server, tmp_path, fields={"price": PRICE}, budget=Decimal(1))
        assert not session.stopped
        assert not any(isinstance(each, Drop) for each in said)
        assert len(server.answered()) == 2 * len(PAIRS)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"provider": "openai", "modl": "m"}, 'no field "modl"; did you mean "model"'),
        ({"provider": "opnai"}, "provider: unknown"),
        ({"provider": "openai", "model": "m", "concurrency": 0}, "concurrency"),
        ({"provider": "openai", "model": "m", "base_url": "http://x"}, "needs the price of m"),
    ],
)
def test_a_wrong_teacher(tmp_path, fields, text):
    with pytest.raises(InputError, match=text):
        Session(fields, tmp_path / "log", budget=Decimal(1))
    assert not (tmp_path / "log").exists()


def test_an_error_of_the_caller_s_own_ends_it(tmp_path):
    async def wrong(pair, llm):
        raise KeyError("mine")

    with (
        serve(pairwise(longer)) as server,
        Session(teacher(server), tmp_path / "log") as session,
        pytest.raises(KeyError, match="mine"),
    ):
        session.map(PAIRS, wrong, str)


def test_it_works_inside_a_loop_as_a_notebook_has_one(tmp_path):
    async def cell():
        return said_by(server, tmp_path, PAIRS[:2])[0]

    with serve(pairwise(longer)) as server:
        assert [each.winner for each in asyncio.run(cell())] == ["b", "b"]


def test_an_interrupt_closes_it_and_keeps_what_was_answered(tmp_path):
    begun = threading.Event()

    def verdict(first, second):
        if begun.is_set():
            time.sleep(0.2)
        begun.set()
        return longer(first, second)

    def interrupt():
        begun.wait(10)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with serve(pairwise(verdict)) as server:
            thread = threading.Thread(target=interrupt)
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                said_by(server, tmp_path, fields={"concurrency": 1})
            thread.join()
            server.settle()
            sent = len(server.answered())
            assert 1 <= sent < 2 * len(PAIRS)
            said_by(server, tmp_path)
            assert len(server.answered()) <= 2 * len(PAIRS) + 1, "but for the one in flight"
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_judge_in_batches_is_refused(tmp_path):
    fields = {"provider": "openai", "model": "m", "base_url": "http://x", "mode": "batch"}
    with pytest.raises(InputError, match="The judge has mode: batch"):
        Session(fields, tmp_path / "log")
    assert not (tmp_path / "log").exists()
