import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from datakit.errors import InputError
from datakit.outcome import Drop
from datakit.record import Record
from datakit.running.local import LocalEngine, StepFailedError
from tests.running.steps import (
    Dies,
    Measure,
    Opens,
    Raises,
    Says,
    Scores,
    Selects,
    Short,
    Shout,
    unlisted,
)

RECORDS = [Record(f"i{n}", output="x" * (n % 23), id=f"r{n}") for n in range(1000)]


def mapped(step, records=RECORDS, **options):
    with closing(LocalEngine(**options)) as engine:
        return list(engine.map(step, iter(records)))


@pytest.mark.parametrize("step", [Short(), Measure(), Shout()])
def test_processes_say_the_same_in_the_same_order(step):
    alone = mapped(step)
    assert [record for record, _ in alone] == RECORDS
    assert mapped(step, workers=2, few=0) == alone
    assert mapped(step, workers=1, few=0) == alone
    assert len({str(outcome) for _, outcome in alone}) > 1


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 513])
def test_any_number_of_records(count):
    assert len(mapped(Short(), RECORDS[:count], workers=2, few=300)) == count


def test_a_step_that_no_other_process_can_import():
    @unlisted("test.local")
    class Local:
        """Defined in a function."""

        word: str = "a"

        def check(self, record: Record) -> Drop | None:
            return Drop("local", word=self.word, pid=os.getpid())

    said = [outcome.detail for _, outcome in mapped(Local("b"), workers=2, few=0)]
    assert {each["word"] for each in said} == {"b"}
    assert os.getpid() not in {each["pid"] for each in said}


_SCRIPT = """
import datakit as dk
from datakit.running.local import LocalEngine

@dk.step("mine.short")
class Mine:
    most: int = 3
    def check(self, record):
        return dk.Drop("too_long") if len(record.output) > self.most else None

if __name__ == "__main__":
    records = [dk.Record("i", output="x" * (n % 9), id=str(n)) for n in range(600)]
    engine = LocalEngine(2, few=0)
    print(sum(outcome is None for _, outcome in engine.map(Mine(), records)))
"""


def test_a_step_of_a_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{sum(n % 9 <= 3 for n in range(600))}\n"
    script.write_text(_SCRIPT.replace('if __name__ == "__main__":', "if True:"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 1
    # Python's own tracker of semaphores may have the last word.
    (told,) = [line for line in done.stderr.splitlines() if "StepFailedError: " in line]
    assert told.startswith("datakit.running.local.StepFailedError: mine.short: a worker process")
    assert 'if __name__ == "__main__"' in told


def test_resources_are_opened_once_per_worker_and_closed(tmp_path):
    for options, workers in (({}, 1), ({"workers": 2, "few": 0}, 2)):
        path = tmp_path / f"{workers}"
        mapped(Opens(str(path)), **options)
        lines = [line.split() for line in path.read_text().splitlines()]
        opened = Counter(pid for what, pid in lines if what == "open")
        closed = Counter(pid for what, pid in lines if what == "close")
        assert set(opened.values()) == {1}
        assert 1 <= len(opened) <= workers
        assert closed == opened
        assert sum(what == "use" for what, _ in lines) == len(RECORDS)
        assert (str(os.getpid()) in opened) == (workers == 1)


def test_one_resource_for_all_steps_of_this_process(tmp_path):
    path = tmp_path / "notes"
    with closing(LocalEngine()) as engine:
        for _ in range(3):
            list(engine.map(Opens(str(path)), RECORDS[:2]))
        assert path.read_text().count("open") == 1
        assert "close" not in path.read_text()
    assert path.read_text().count("close") == 1


@pytest.mark.parametrize("options", [{}, {"workers": 2, "few": 0}])
@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Raises("r700"), ["test.raises", "r700", "KeyError", "a fault of the step"]),
        (Says("true"), ["test.says", "r0", "Drop or None", "bool"]),
        (Says("nan"), ["test.says", "r0"]),
        (Says("set"), ["test.says", "r0", "set"]),
        (Scores("nan"), ["test.scores", "r0"]),
        (Scores("bytes"), ["test.scores", "r0", "bytes"]),
        (Scores("number"), ["test.scores", "r0", "int"]),
        (Scores("none"), ["test.scores", "0 scores for 256 records"]),
    ],
)
def test_a_step_that_does_not_keep_its_word(options, step, words):
    with pytest.raises(StepFailedError) as caught:
        mapped(step, **options)
    assert isinstance(caught.value, InputError)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("what", ["list", "text"])
def test_a_select_that_does_not_keep_its_word(what):
    with closing(LocalEngine()) as engine, pytest.raises(StepFailedError, match=r"test\.selects"):
        engine.select(Selects(what), RECORDS)


def test_errors_of_ours_stay_what_they_are():
    @unlisted("test.input")
    class Wrong:
        """Says what is wrong with the user's input."""

        def check(self, record: Record) -> Any:
            raise InputError("the model is missing")

    for options in ({}, {"workers": 2, "few": 0}):
        with pytest.raises(InputError, match=r"\Athe model is missing\Z"):
            mapped(Wrong(), **options)


def test_debug_shows_the_steps_own_error(monkeypatch):
    monkeypatch.setenv("DATAKIT_DEBUG", "1")
    with pytest.raises(KeyError):
        mapped(Raises("r3"))


def test_a_worker_that_dies_is_a_plain_error():
    with pytest.raises(StepFailedError, match=r"test\.dies: a worker process died"):
        mapped(Dies(), workers=2, few=0)


def test_streams_share_their_workers_which_end_with_the_engine():
    with closing(LocalEngine(2, few=0)) as engine:
        inner = (record for record, _ in engine.map(Short(), iter(RECORDS * 20)))
        outer = engine.map(Short(5), inner)
        next(outer)
        assert len(_children(os.getpid())) <= 2 + 1, "two workers, and what starts them"
        outer.close()
        assert len(list(engine.map(Short(), iter(RECORDS * 9)))) == 9 * len(RECORDS)
    assert not _children(os.getpid())


_FOREVER = """
import itertools, sys
from datakit.record import Record
from datakit.running.local import LocalEngine
from datakit.steps.filter.length import Length
records = (Record("i", output="x", id=str(n)) for n in itertools.count())
if __name__ == "__main__":
    for record, _ in LocalEngine(2, few=0).map(Length(), records):
        if record.id == "1000":
            print("ready", flush=True)
"""


def _children(pid):
    """Workers of a process; multiprocessing's resource tracker, which stays, is none."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{entry}/cmdline") as file:
                command = file.read()
        except OSError:
            continue
        if int(fields[1]) == pid and "spawn_main" in command and fields[0] != "Z":
            found.append(int(entry))
    return found


def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_FOREVER)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        workers = _children(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
    try:
        assert len(workers) == 2
        for _ in range(1000):
            alive = [pid for pid in workers if _runs(pid)]
            if not alive:
                break
            time.sleep(0.01)
        assert not alive
    finally:
        for pid in filter(_runs, workers):
            os.kill(pid, signal.SIGKILL)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
