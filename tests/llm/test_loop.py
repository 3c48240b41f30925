import asyncio
import signal
import threading

import pytest

from datakit.llm.loop import Loop


async def _answer():
    await asyncio.sleep(0)
    return 7


def test_it_works_where_no_loop_runs():
    with Loop() as loop:
        assert loop.work(lambda: loop.run(_answer()) + loop.run(_answer())) == 14


def test_it_works_inside_a_loop_as_a_notebook_has_one():
    async def cell():
        with Loop() as loop:
            return loop.work(lambda: (loop.run(_answer()), threading.current_thread().name))

    answer, thread = asyncio.run(cell())
    assert answer == 7
    assert thread != threading.main_thread().name


def test_an_interrupt_of_the_cell_ends_the_work():
    cancelled = threading.Event()

    async def endless():
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    async def cell():
        main = threading.main_thread().ident
        timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with Loop() as loop:
            loop.work(lambda: loop.run(endless()))

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # Not asyncio.run: it takes SIGINT for itself, which a notebook's loop does not.
        loop = asyncio.new_event_loop()
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(cell())
        loop.close()
    finally:
        signal.signal(signal.SIGINT, before)
    assert cancelled.is_set()
