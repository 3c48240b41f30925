"""Looks at a study are counted wherever its pages are."""

import pytest

from datakit.errors import InputError
from trainers.lift.kept import Kept
from trainers.lift.looking import Looks


def look(tmp_path, replicates, metric="nll", declared=(), study="s", seed=0):
    return Looks(Kept(tmp_path), study, declared).at(seed, replicates, metric)


def test_each_number_of_replicates_is_a_look(tmp_path):
    assert [look(tmp_path, k).number for k in (5, 10, 7)] == [1, 2, 3]
    assert look(tmp_path, 12).replicates == (5, 10, 7, 12)


def test_the_same_look_is_no_new_one(tmp_path):
    assert [look(tmp_path, k).number for k in (5, 10, 5, 10)] == [1, 2, 1, 2]


def test_another_metric_is_another_look_and_another_study_is_not(tmp_path):
    assert look(tmp_path, 5).number == 1
    assert look(tmp_path, 5, "bits_per_byte").number == 2
    assert look(tmp_path, 5, study="t").number == 1


def test_who_draws_again_looks_again(tmp_path):
    assert [look(tmp_path, 5, seed=each).number for each in (0, 1, 2, 1)] == [1, 2, 3, 2]


def test_one_look_needs_no_words(tmp_path):
    assert look(tmp_path, 5).sentence == ""
    assert look(tmp_path, 10).sentence.startswith("Replicates were added after a look: this is")


def test_declared_looks_share_the_error_and_stay(tmp_path):
    first = look(tmp_path, 5, declared=(5, 10))
    assert first.sentence.startswith("Look 1 of 2 that were declared beforehand")
    assert look(tmp_path, 10).declared == 2
    with pytest.raises(InputError, match=r"--looks 5,10,15: this study declared 5,10 before"):
        look(tmp_path, 15, declared=(5, 10, 15))


def test_looks_cannot_be_declared_afterwards(tmp_path):
    look(tmp_path, 5)
    with pytest.raises(InputError, match="declared one look"):
        look(tmp_path, 10, declared=(5, 10))


def test_a_damaged_file_is_no_look(tmp_path):
    look(tmp_path, 5)
    (tmp_path / "looks" / "s.json").write_text("[")
    assert look(tmp_path, 7).number == 1
