"""Exact and numeric answers."""

from tests.trainers.evaluate.fakes import Fake
from trainers.evaluate import TaskOptions
from trainers.evaluate.match import Match, open_task
from trainers.examples import Chat


def chat(question, answer, name):
    turns = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Chat(name, turns)


def test_scores_by_hand():
    golds = {"a": "9*2\n#### 18", "b": "Paris", "c": "3/4", "d": "1,200 people", "e": "7"}
    answers = {
        "a": "9 * 2 = 18, so she makes 18.00 dollars.",
        "b": "paris.",
        "c": "It is 0.75",
        "d": "1200",
        "e": "first 7, then 8",
    }
    subject = Fake(answers)
    task = Match("match:x", tuple(chat(q, gold, f"id-{q}") for q, gold in golds.items()), 99)
    items = task.run(subject, lambda text: None)
    assert items.ids == ("id-a", "id-b", "id-c", "id-d", "id-e")
    assert items.scores["exact"] == (0, 1, 0, 0, 0)
    assert items.scores["numeric"] == (1, 1, 1, 1, 0)
    assert items.answers == tuple(answers.values())
    assert items.notes == ("1 of 5 right answers are no number; for them `numeric` is `exact`.",)
    assert subject.asked[0] == (({"role": "user", "content": "a"},), 99)


def test_texts_alone_have_no_numeric_score():
    task = Match("match:x", (chat("q", "Paris", "1"),))
    items = task.run(Fake({"q": "Rome"}), lambda text: None)
    assert dict(items.scores) == {"exact": (0.0,)} and items.notes == ()


def test_tokens_of_an_answer(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"instruction": "q", "output": "a"}\n')
    assert open_task(str(path), TaskOptions()).max_new_tokens == 320
    assert open_task(str(path), TaskOptions(max_new_tokens=5)).max_new_tokens == 5
