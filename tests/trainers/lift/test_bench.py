"""A bench does each trial from the same start."""

import shutil

import pytest

from datakit.errors import InputError
from tests.trainers.lift.tiny import SETTINGS, records, rows, task, work
from trainers.lift.bench import Bench, Work


@pytest.fixture
def tasks(tmp_path):
    return task(tmp_path)


def bench(model, tasks, **changes):
    from dataclasses import replace

    return Bench(str(model), replace(SETTINGS, **changes), tasks, device="cpu")


@pytest.mark.parametrize("changes", [{}, {"lora": "none"}, {"lora": "dora"}])
def test_a_trial_leaves_the_model_as_it_was(changes, tiny_model_dir, tasks):
    own = bench(tiny_model_dir, tasks, **changes)
    before = own.untrained()[0].scores
    first = own.trial(work(tiny_model_dir)).items[0].scores
    own.trial(work(tiny_model_dir, count=3, seed=5))
    assert own.untrained()[0].scores == before
    assert own.trial(work(tiny_model_dir)).items[0].scores == first != before
    assert (
        bench(tiny_model_dir, tasks, **changes).trial(work(tiny_model_dir)).items[0].scores == first
    )


def test_the_rows_are_trained_on_in_the_order_given(tiny_model_dir, tasks):
    own = bench(tiny_model_dir, tasks)
    made = rows(tiny_model_dir, records(4))
    losses = {
        order: own.trial(Work("x", tuple(made[at] for at in order), 2, 0)).loss
        for order in [(0, 1, 2, 3), (2, 3, 0, 1), (1, 0, 3, 2)]
    }
    one, turned, swapped = (dict(each) for each in losses.values())
    assert set(one) == {1, 2}
    assert one[1] != turned[1]
    # Within a batch the order is nothing.
    assert one[1] == pytest.approx(swapped[1], rel=1e-5)


def test_the_seed_is_of_the_initialisation(tiny_model_dir, tasks):
    own = bench(tiny_model_dir, tasks)
    one, other = (own.trial(work(tiny_model_dir, seed=seed)) for seed in (0, 1))
    assert one.items[0].scores != other.items[0].scores


def test_training_helps(tiny_model_dir, tasks):
    own = bench(tiny_model_dir, tasks)
    before, after = own.untrained()[0], own.trial(work(tiny_model_dir, steps=8, count=16)).items[0]
    assert sum(after.scores["nll"]) < sum(before.scores["nll"])


def test_a_loss_that_is_no_number_is_told(tiny_model_dir, tasks, tmp_path):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    model.model.norm.weight.data.fill_(float("nan"))
    shutil.copytree(tiny_model_dir, tmp_path / "model")
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(InputError, match="learning-rate"):
        bench(tmp_path / "model", tasks).trial(work(tiny_model_dir))
