"""Tasks run on a model and on its base."""

import pytest

from tests.trainers.evaluate.fakes import Fake
from trainers.evaluate import Items
from trainers.evaluate.outcome import lift_of, scores_of
from trainers.evaluate.perplexity import Perplexity
from trainers.evaluate.preference import Preference
from trainers.evaluate.run import Tally, run_tasks
from trainers.examples import Chat, Pair

ANSWERS = ["one", "two", "three"]
CHATS = tuple(
    Chat(each, ({"role": "user", "content": "?"}, {"role": "assistant", "content": each}))
    for each in ANSWERS
)
TASK = Perplexity("perplexity:x", CHATS)
AFTER = {"one": (2.0, 2), "two": (3.0, 2), "three": (5.0, 4)}
BEFORE = {"one": (3.0, 2), "two": (5.0, 2), "three": (6.0, 4)}


def test_an_adapter_is_compared_with_itself_switched_off():
    subject = Fake(nats=AFTER, base_nats=BEFORE, adapter=True)
    told = []
    (found,) = run_tasks(lambda name: subject, "m", Tally([TASK], [True]), note=told.append)
    assert found.scores["nll"].value == pytest.approx(10 / 8)
    assert found.base_scores["nll"].value == pytest.approx(14 / 8)
    assert found.lift["nll"].value == pytest.approx(-4 / 8)
    assert "perplexity" in found.scores and "perplexity" not in found.lift
    assert subject.closed == 1
    rows = list(found.rows())
    assert rows[1]["id"] == "two" and rows[1]["scores"]["nll"] == 1.5
    assert rows[1]["base"]["scores"]["nll"] == 2.5 and rows[1]["answer"] is None


def test_another_base_is_opened_when_the_first_is_closed():
    opened = []

    def opener(name):
        assert all(each.closed for each in opened)
        opened.append(Fake(nats={"new": AFTER, "old": BEFORE}[name]))
        return opened[-1]

    tasks = [TASK, Perplexity("perplexity:y", CHATS)]
    first, second = run_tasks(opener, "new", Tally(tasks, [False, True]), base="old")
    assert first.base is None and first.to_json().keys() == {"task", "n", "scores", "notes"}
    assert second.lift["nll"].value == pytest.approx(-0.5)
    assert second.to_json()["lift"]["nll"]["value"] == pytest.approx(-0.5)
    assert [each.closed for each in opened] == [1, 1]


def test_a_model_is_closed_if_a_task_fails():
    subject = Fake(nats={})
    with pytest.raises(KeyError):
        run_tasks(lambda name: subject, "m", Tally([TASK], [True]))
    assert subject.closed == 1


class Stopping(Perplexity):
    """A task in which the user has enough."""

    def run(self, subject, note):
        raise KeyboardInterrupt


def test_what_was_finished_outlives_an_interrupt():
    subject = Fake(nats=AFTER, base_nats=BEFORE, adapter=True)
    tally = Tally([TASK, Stopping("perplexity:y", CHATS)], [True, True])
    with pytest.raises(KeyboardInterrupt):
        run_tasks(lambda name: subject, "m", tally)
    # An adapter's base is measured task by task, so that what is finished is whole.
    assert tally.outcome(0).lift["nll"].value == pytest.approx(-0.5)
    assert (list(tally.after), list(tally.before), tally.dtype) == ([0], [0], "float32")
    assert not tally.lacks(0) and tally.lacks(1) and subject.closed == 1
    subject = Fake(nats=AFTER)
    tally = Tally([TASK], [True])
    with pytest.raises(KeyboardInterrupt):
        run_tasks(lambda name: subject if name == "m" else stop(), "m", tally, base="other")
    assert tally.outcome(0).base is None and tally.lacks(0)


def stop():
    raise KeyboardInterrupt


def test_scores_relative_to_the_base_are_added():
    ask = ({"role": "user", "content": "?"},)
    task = Preference("preference:x", (Pair("a", ask, "one", "two"), Pair("b", ask, "two", "one")))
    subject = Fake(nats=AFTER, base_nats=BEFORE, adapter=True)
    (found,) = run_tasks(lambda name: subject, "m", Tally([task], [True]))
    assert found.items.scores["margin"] == (-1.0, 1.0)
    assert found.scores["reward_accuracy"].value == 0.5
    assert found.lift["chosen_logp"].value == pytest.approx(1.5)
    # What says nothing of the model has no difference; what has no counterpart neither.
    assert not {"shorter_wins", "margin"} & (found.lift.keys() | found.base_scores.keys())
    alone = run_tasks(lambda name: Fake(nats=AFTER), "m", Tally([task], [True]))
    assert "margin" not in alone[0].scores


def test_items_must_be_the_same():
    a, b = (Items((name,), {"x": (1.0,)}) for name in "ab")
    with pytest.raises(ValueError, match="items are not the same"):
        lift_of(a, b)


def test_an_enormous_perplexity_is_a_number():
    items = Items(("a", "b"), {"nll": (900.0, 1.0)}, weights={"nll": (5, 5)}, exps={"p": "nll"})
    assert scores_of(items)["p"].high == pytest.approx(2.718281828**700, rel=1e-5)
