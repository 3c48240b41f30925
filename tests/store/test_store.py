import os
import signal
import subprocess
import sys

import pytest

from datakit.errors import StoreError
from datakit.store import Store
from datakit.store.store import is_reference
from tests.store.making import drafted, published, record

KEPT = [record("a"), record("b", parents=["a"])]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def content(path):
    return {each.name: each.read_bytes() for each in path.iterdir()}


def test_a_version_is_what_was_written(store):
    version = published(store, KEPT, [record("c", "x")])
    assert version.ref == "sql@v1"
    assert list(version.records()) == KEPT
    ((dropped, why),) = version.dropped()
    assert (dropped, why["reason"]) == (record("c", "x"), "too_short")
    assert version.verify() == []
    assert sorted(content(version.path)) == [
        "README.md",
        "data.jsonl",
        "dropped.jsonl",
        "manifest.json",
        "report.html",
    ]
    assert sorted(path.name for path in version.path.parent.iterdir()) == [".lock", "v1"]


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("sql@latest", "v11"),
        ("sql@v1", "v1"),
        ("sql@v10", "v10"),
        ("sql@latest~0", "v11"),
        ("sql@latest~1", "v10"),
        ("sql@v11~2", "v9"),
        ("sql@v1~0", "v1"),
        ("sql@latest~10", "v1"),
    ],
)
def test_references(store, reference, found):
    for _ in range(11):
        published(store, KEPT)
    assert store.numbers("sql") == list(range(1, 12))
    assert is_reference(reference)
    version = store.load(reference)
    assert version.ref == f"sql@{found}"
    assert store.load(str(version.path)).ref == version.ref


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("sql@v3", "sql has v1, v2"),
        ("sql@v1~1", "sql has v1, v2"),
        ("sql@latest~2", "has v1, v2"),
        ("sqll@v1", 'did you mean "sql"'),
        ("sql", "neither a version"),
        ("sql@v0", "sql has v1, v2"),
        ("sql@v01", "sql has v1, v2"),
        ("SQL@v1", "neither"),
        ("../sql@v1", "neither"),
        ("sql@v1~", "neither"),
        ("sql@", "neither"),
        ("", "neither"),
        ("nowhere", "neither"),
    ],
)
def test_references_to_nothing(store, reference, says):
    published(store, KEPT)
    published(store, KEPT)
    with pytest.raises(StoreError) as caught:
        store.load(reference)
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_gap_in_the_numbers(store):
    for _ in range(3):
        published(store, KEPT)
    (store.root / "sql" / "v2").rename(store.root / "gone")
    assert store.load("sql@latest~1").ref == "sql@v1"
    assert published(store, KEPT).ref == "sql@v4"


def test_what_is_no_version_is_not_seen(store):
    published(store, KEPT)
    for name in (".draft-1", "v", "v0", "v01", "vx", "w2", ".work"):
        (store.root / "sql" / name).mkdir()
    (store.root / "empty").mkdir()
    (store.root / "a file").touch()
    assert store.names() == ["sql"]
    assert [version.ref for version in store.versions("sql")] == ["sql@v1"]
    assert store.numbers("nothing") == []
    assert Store(store.root / "nowhere").names() == []


class _Crash(BaseException):
    """What a power cut is: nothing after it runs, not even an `except`."""


_CALLS = ("fsync", "rename", "replace", "open", "close", "mkdir")


def _crash_at(monkeypatch, number):
    """Lets the process die at the n-th call; returns the calls that were made."""
    made = []

    def wrap(name):
        real = getattr(os, name)

        def call(*args, **options):
            if len(made) == number:
                made.append(name)
                raise _Crash
            if len(made) > number:
                raise _Crash
            made.append(name)
            return real(*args, **options)

        monkeypatch.setattr(os, name, call)

    for name in _CALLS:
        wrap(name)
    return made


def test_whenever_it_dies_the_old_version_stays_whole_and_newest_or_the_new_one_is_whole(
    store, monkeypatch
):
    old = published(store, KEPT)
    before, number, seen = content(old.path), 0, []
    new = [*KEPT, record("c")]
    while True:
        with monkeypatch.context() as patch, store.writing("sql") as work:
            draft = drafted(store, work, new) if number % 2 else None
            calls = _crash_at(patch, number // 2)
            try:
                # Odd: while it is published. Even: also while it is drafted.
                (draft or drafted(store, work, new)).publish()
                done = True
            except _Crash:
                done = False
            patch.undo()
            # As the next process finds it.
            latest = Store(store.root).load("sql@latest")
            assert latest.verify() == []
            assert content(old.path) == before
            seen.append((number % 2, latest.ref))
            if latest.ref != "sql@v1":
                assert list(latest.records()) == new
                assert calls.count("rename") == 1
                latest.path.rename(store.root / f"set-aside-{number}")
        if done and number % 2:
            break
        number += 1
    refs = {ref for _, ref in seen}
    assert refs == {"sql@v1", "sql@v2"}
    assert number > 20


def test_a_version_is_synced_before_it_has_its_name(store, monkeypatch):
    events = []
    real_fsync, real_rename = os.fsync, os.rename
    paths = {}

    def fsync(handle):
        events.append(os.readlink(f"/proc/self/fd/{handle}"))
        real_fsync(handle)

    def rename(source, target):
        paths.update(source=str(source), target=str(target))
        events.append("rename")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    version = published(store, KEPT)
    before, after = events[: events.index("rename")], events[events.index("rename") + 1 :]
    assert {os.path.basename(path) for path in before} >= {*content(version.path)}
    assert before[-1] == paths["source"]
    assert after == [os.path.dirname(paths["target"])]


def test_a_version_is_never_written_over(store):
    with store.writing("sql") as work:
        late = drafted(store, work, [record("late")])
        first = published_beside(store, late)
        before = content(first)
        with pytest.raises(OSError):
            late.publish()
        assert content(first) == before


def published_beside(store, late):
    """Another writer, who did not take the lock, was faster."""
    target = late._target
    target.mkdir()
    (target / "manifest.json").write_text("{}")
    return target


_HOLD = """
import sys
from datakit.store import Store
with Store(sys.argv[1]).writing("sql") as work:
    (work / "half").write_text("x")
    (work.parent / ".draft-77").mkdir()
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_two_processes_do_not_write_one_dataset(store):
    command = [sys.executable, "-c", _HOLD, str(store.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"locked\n"
            with pytest.raises(StoreError, match=f"process {process.pid}"), store.writing("sql"):
                raise AssertionError("two writers")
            assert (store.root / "sql" / ".work" / "half").exists()
            with store.writing("other"):
                pass
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    # A killed writer's lock is free, and what it left is cleared away.
    with store.writing("sql") as work:
        assert list(work.iterdir()) == []
        assert {path.name for path in work.parent.iterdir()} == {".lock", ".work"}
    assert not (store.root / "sql").exists()


def test_the_lock_is_free_after_an_error(store):
    with pytest.raises(RuntimeError), store.writing("sql"):
        raise RuntimeError
    published(store, KEPT)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(StoreError, match=r"cannot be written.*--store"),
        Store(tmp_path / "file").writing("sql"),
    ):
        raise AssertionError("not reached")


def test_where_the_store_is(tmp_path, monkeypatch):
    monkeypatch.delenv("DATAKIT_STORE", raising=False)
    assert str(Store().root) == "datasets"
    monkeypatch.setenv("DATAKIT_STORE", str(tmp_path))
    assert Store().root == tmp_path
    assert str(Store("x").root) == "x"
