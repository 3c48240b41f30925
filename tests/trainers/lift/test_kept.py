"""Finished trials are found again, and only those."""

from dataclasses import replace

import pytest

from datakit.errors import InputError
from tests.trainers.lift.tiny import SETTINGS
from trainers.evaluate import Items
from trainers.lift.ended import Ended
from trainers.lift.kept import Kept, trial_key
from trainers.tokens import Encoded

ITEMS = Items(
    ids=("a", "b"),
    scores={"nll": (0.1, 1 / 3)},
    answers=("x", "\u2028"),
    notes=("a note",),
    weights={"nll": (2.0, 3.0)},
    exps={"perplexity": "nll"},
    fixed=frozenset({"longer"}),
)
ENDED = Ended((ITEMS,), ((1, 0.5), (2, 0.25)), 1.5, 2.5)
ROWS = (Encoded([1, 2, 3], [-100, 2, 3]), Encoded([4, 5], [-100, 5]))


def key(**changes):
    given = {
        "model": "m", "template": "t", "tasks": ["one"], "device": "cpu",
        "settings": SETTINGS, "rows": ROWS,
    }  # fmt: skip
    return trial_key(**(given | changes))


def test_what_is_kept_is_found_whole(tmp_path):
    kept = Kept(tmp_path)
    assert kept.get(key()) is None
    kept.put(key(), ENDED)
    assert Kept(tmp_path).get(key()) == ENDED
    assert not list(tmp_path.glob("**/.draft*"))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"items": 3}'])
def test_what_cannot_be_read_is_done_again(text, tmp_path):
    kept = Kept(tmp_path)
    kept.put(key(), ENDED)
    next(tmp_path.glob("*/*.json")).write_text(text)
    assert kept.get(key()) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "n"},
        {"template": "u"},
        {"tasks": ["two"]},
        {"tasks": ["one", "one"]},
        {"device": "cuda"},
        {"settings": replace(SETTINGS, seed=1)},
        {"settings": replace(SETTINGS, learning_rate=1e-3)},
        {"settings": None, "rows": ()},
        {"rows": ROWS[::-1]},
        {"rows": ROWS[:1]},
        {"rows": (replace(ROWS[0], labels=[-100, -100, 3]), ROWS[1])},
    ],
)
def test_another_trial_has_another_key(changes):
    assert key() == key() != key(**changes)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="DATAKIT_CACHE"):
        Kept(tmp_path / "file").put(key(), ENDED)
