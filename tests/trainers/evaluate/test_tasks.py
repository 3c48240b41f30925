"""Tasks by their names, and the data that they read."""

import json

import pytest

from datakit.errors import InputError
from trainers.evaluate import TASKS, TaskOptions, parse_task, parse_tasks
from trainers.evaluate.reading import read_chats, read_pairs

ROWS = [{"instruction": f"Q{at}?", "output": f"A{at}."} for at in range(5)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mtch:x.jsonl", 'there is no task "mtch"; did you mean "match"?'),
        ("qqq:x", 'there is no task "qqq"; there are perplexity, match, sql, choice, '),
        ("match", "--task match: write match:FILE."),
        ("match:", "--task match:: write match:FILE."),
        ("ifeval:", "--task ifeval:: nothing stands after the colon."),
        ("match:nosuch.jsonl", "nosuch.jsonl"),
        ("choice:nosuch.jsonl", "nosuch.jsonl: there is no such file"),
        ("match:empty.jsonl", "empty.jsonl: there are no records in it."),
        ("choice:empty.jsonl", "empty.jsonl: there are no records in it."),
        ("preference:data.jsonl", "no_rejected"),
        ("perplexity:blank.jsonl", "empty_output"),
    ],
)
def test_what_is_wrong_is_told(folder, text, says):
    write(folder / "data.jsonl", ROWS)
    write(folder / "blank.jsonl", [{"instruction": "Q?", "output": " "}])
    write(folder / "empty.jsonl", [])
    with pytest.raises(InputError) as error:
        parse_task(text)
    assert says in str(error.value)


def test_all_mistakes_are_told_at_once(folder):
    write(folder / "data.jsonl", ROWS)
    texts = ["mtch:x", "match:data.jsonl", "match:data.jsonl", "preference"]
    with pytest.raises(InputError) as error:
        parse_tasks(texts)
    assert [text.partition(": ")[0] for text in error.value.problems] == [
        "--task mtch:x",
        "--task match:data.jsonl",
        "--task preference",
    ]
    (task,) = parse_tasks(texts[1:2])
    assert task.text == "match:data.jsonl" and len(task) == 5


def test_what_takes_long_to_open_comes_last(folder, monkeypatch):
    opened = []

    def opening(text, options=None, *, served=False):
        opened.append(text)
        if "nosuch" in text:
            raise InputError(f"{text}: there is no such file.")
        return text

    monkeypatch.setattr("trainers.evaluate.parse_task", opening)
    texts = ["lm-eval:arc", "sql:x", "match:x"]
    assert parse_tasks(texts) == texts
    assert opened == ["match:x", "sql:x", "lm-eval:arc"]
    opened.clear()
    with pytest.raises(InputError) as error:
        parse_tasks(["lm-eval:arc", "match:nosuch", "qqq:x", "sql:nosuch", "choice:nosuch"])
    # All that is quick is told at once; nothing else was opened.
    assert opened == ["match:nosuch", "choice:nosuch"]
    assert [each.removeprefix("--task ").partition(": ")[0] for each in error.value.problems] == [
        "match:nosuch",
        "qqq:x",
        "choice:nosuch",
    ]


@pytest.mark.parametrize("name", ["perplexity", "preference", "choice"])
def test_a_server_tells_no_likelihoods(name):
    with pytest.raises(InputError, match="With a URL these tasks work: match, sql, ifeval"):
        parse_task(f"{name}:no_such_file.jsonl", served=True)


def test_every_task_of_the_table_is_there():
    import importlib

    for kind in TASKS.values():
        module = importlib.import_module(f"trainers.evaluate.{kind.module}")
        assert callable(module.open_task)


def test_the_first_items_only(folder):
    write(folder / "data.jsonl", ROWS)
    task = parse_task("perplexity:data.jsonl", TaskOptions(limit=2))
    assert [each.messages[0]["content"] for each in task.chats] == ["Q0?", "Q1?"]


def test_question_and_answer_will_do(folder):
    write(folder / "qa.jsonl", [{"question": "Two and two?", "answer": "2+2\n#### 4"}])
    (chat,) = read_chats("qa.jsonl", TaskOptions())
    assert [each["content"] for each in chat.messages] == ["Two and two?", "2+2\n#### 4"]
    write(folder / "messages.jsonl", [{"messages": list(chat.messages)}])
    assert read_chats("messages.jsonl", TaskOptions())[0].messages == chat.messages


def test_pairs_are_read(folder):
    write(folder / "pairs.jsonl", [{**ROWS[0], "rejected": "No."}])
    (pair,) = read_pairs("pairs.jsonl", TaskOptions())
    assert (pair.chosen, pair.rejected) == ("A0.", "No.")
