import errno
import json
import os
import threading

import pytest

from datakit.curate import Answer, AnswerLog, read_answers
from datakit.errors import InputError

ITEMS, CHOICES = ("a", "b", "c"), ("left", "right")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "answers.jsonl"


def opened(path):
    return AnswerLog(path, ITEMS, CHOICES)


def test_the_last_answer_counts_and_null_takes_it_back(path):
    with opened(path) as log:
        log.add("a", Answer("left", "first"))
        log.add("b", Answer("right"))
        log.add("a", Answer("right", "second"))
        log.add("b", None)
        assert log.answers == {"a": Answer("right", "second")}
    with opened(path) as log:
        assert log.answers == {"a": Answer("right", "second")}
    assert len(path.read_text().splitlines()) == 4


def test_answers_stand_in_the_order_of_their_making(path):
    with opened(path) as log:
        for item in ("a", "b", "a"):
            log.add(item, Answer("left"))
        assert list(log.answers) == ["b", "a"]
    with opened(path) as log:
        assert list(log.answers) == ["b", "a"]


def test_an_answer_is_in_the_file_when_add_returns(path, monkeypatch):
    synced = []
    with opened(path) as log:
        monkeypatch.setattr(os, "fsync", lambda handle: synced.append(path.read_bytes()))
        log.add("a", Answer("left", "half \ud800"))
        assert len(synced) == 1
        assert json.loads(synced[0])["note"] == "half \ud800"


def test_a_torn_line_is_cut_off_and_the_next_answer_stands_alone(path):
    with opened(path) as log:
        log.add("a", Answer("left"))
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole + whole[:-cut])
        with opened(path) as log:
            assert log.answers == {"a": Answer("left")}
            log.add("b", Answer("right"))
        with opened(path) as log:
            assert set(log.answers) == {"a", "b"}


def test_a_full_disk_leaves_the_log_as_it_was(path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with opened(path) as log:
        log.add("a", Answer("left"))
        before = path.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                log.add("b", Answer("left"))
        assert path.read_bytes() == before
        assert set(log.answers) == {"a"}
        log.add("b", Answer("right"))
    with opened(path) as log:
        assert log.answers == {"a": Answer("left"), "b": Answer("right")}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"item": "x", "answer": "left"}', r":1: answers an item that is not rated here"),
        ('{"item": "a", "answer": "best"}', r':1: "answer" must be null or one of left, right'),
        ('{"item": "a", "answer": "left", "note": 3}', r':1: .*"note" a text'),
        ("[]", r":1: a record is an object"),
        ("nonsense", r":1:1: not JSON"),
    ],
)
def test_a_line_that_is_no_answer_is_an_error_with_its_place(path, line, told):
    path.parent.mkdir()
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=told):
        opened(path)
    with pytest.raises(InputError, match=told):
        read_answers(path, ITEMS, CHOICES)
    path.write_text("")
    opened(path).close()


def test_what_is_no_item_or_choice_is_refused_and_not_written(path):
    with opened(path) as log:
        with pytest.raises(KeyError):
            log.add("x", Answer("left"))
        with pytest.raises(ValueError, match="best"):
            log.add("a", Answer("best"))
    assert path.read_bytes() == b""


def test_a_closed_log_takes_nothing(path):
    with opened(path) as log:
        pass
    with pytest.raises(OSError, match="closed"):
        log.add("a", Answer("left"))
    assert path.read_bytes() == b""


def test_a_second_writer_is_refused_a_reader_is_not(path):
    with opened(path) as log:
        log.add("a", Answer("left"))
        with pytest.raises(InputError, match="being rated already"):
            opened(path)
        assert read_answers(path, ITEMS, CHOICES) == {"a": Answer("left")}
    opened(path).close()


def test_a_log_that_is_not_there_has_no_answers_and_is_not_made(path):
    assert read_answers(path, ITEMS, CHOICES) == {}
    assert not path.exists()


def test_answers_of_many_threads_are_all_there_and_whole(path):
    with opened(path) as log:
        work = [
            threading.Thread(
                target=lambda: [log.add("a", Answer("left", "x" * 999)) for _ in range(20)]
            )
            for _ in range(4)
        ]
        for each in work:
            each.start()
        for each in work:
            each.join()
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 80


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        opened(tmp_path / "file" / "answers.jsonl")
