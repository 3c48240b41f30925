"""The general set, and what is said of it."""

import json
from collections import Counter
from importlib.resources import files

from tests.trainers.evaluate.fakes import Fake
from trainers.evaluate.general import announced, forgetting, general_tasks
from trainers.evaluate.outcome import outcome_of

ROWS = [
    json.loads(line)
    for line in files("trainers.evaluate").joinpath("general.jsonl").read_text().splitlines()
]


def test_the_set_is_whole():
    assert len(ROWS) == 72 and len({row["id"] for row in ROWS}) == 72
    assert len({row["instruction"].casefold() for row in ROWS}) == 72
    chosen = [row for row in ROWS if "choices" in row]
    assert len(chosen) == 36
    for row in chosen:
        assert len(set(row["choices"])) == 4
        assert row["choices"]["ABCD".index(row["answer"])] == row["output"]
    assert set(Counter(row["answer"] for row in chosen).values()) == {9}
    assert all(row["meta"]["license"] == "CC0-1.0" for row in ROWS)
    assert all(len(row["output"]) < 200 for row in ROWS)


def test_it_is_two_tasks():
    likely, chosen = general_tasks()
    assert (len(likely), len(chosen)) == (72, 36)
    assert likely.chats[0].messages[-1]["content"] == ROWS[0]["output"]
    assert chosen.questions[0].choices[chosen.questions[0].answer] == ROWS[1]["output"]


def test_a_limit_shortens_both():
    tasks = general_tasks(5)
    assert list(map(len, tasks)) == [5, 5]
    said = announced(tasks)
    assert "5 answers and 5 questions. --no-general leaves it out." in said
    whole = announced(general_tasks())
    assert "72 answers and 36 questions" in whole and "--limit N shortens it" in whole
    assert list(map(len, general_tasks(50))) == [50, 36]


def found(before, after, limit=None):
    """The verdict where answers and right choices cost so many nats a token, wrong choices 1."""
    likely, chosen = general_tasks(limit)
    outcomes = []
    for task in (likely, chosen):
        items = []
        for level in (after, before):
            nats = {}
            for at, row in enumerate(ROWS):
                for each in row.get("choices", ()):
                    nats.setdefault(each, (1.0 * len(each.encode()), 10))
                nats[row["output"]] = (10 * (level + 0.01 * (at % 5)), 10)
                if task is chosen:
                    nats[row["output"]] = (level * len(row["output"].encode()), 10)
            items.append(task.run(Fake(nats=nats), lambda text: None))
        outcomes.append(outcome_of(task, *items))
    return forgetting(*outcomes)


def test_a_loss_is_told():
    cost = found(0.5, 2.0)
    assert cost.lost
    nll, choice = (each.sentence() for each in cost.changes)
    assert nll.startswith("General set: nll 0.52 -> 2.02 (+1.50, +1.50 to +1.50): something was")
    assert choice.startswith("General set: choice accuracy ")
    assert choice.endswith("something was lost.") and "(-" in choice
    value = cost.to_json()
    assert value["lost"] is True and value["n"] == {"nll": 72, "choice accuracy": 36}


def test_it_is_told_how_little_a_verdict_rests_on():
    nll, choice = (each.sentence() for each in found(0.5, 2.0, limit=40).changes)
    assert nll.startswith("General set (first 40 items): nll 0.52 -> 2.02")
    # There are no more questions than these.
    assert choice.startswith("General set: choice accuracy")


def test_no_loss_and_a_gain_are_told():
    for before, after in ((0.5, 0.5), (2.0, 0.5)):
        cost = found(before, after)
        assert not cost.lost
        assert all(each.sentence().endswith(": no loss seen.") for each in cost.changes)
