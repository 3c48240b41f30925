"""What methods cost, by formula."""

import importlib

import pytest

from trainers.commands.train import METHODS as COMMANDS
from trainers.compute import METHODS, compare, measured
from trainers.passes import Passes


def test_dpo_through_an_adapter_is_six_and_in_full_eight_operations():
    assert METHODS["dpo"].operations(adapters=True) == 6
    assert METHODS["dpo"].operations(adapters=False) == 8
    # The well-known 6 N D is plain full fine-tuning.
    assert METHODS["sft"].operations(adapters=False) == 6


def test_the_table_is_for_two_answers():
    table = {each.method: each for each in compare(1_000, 50.0)}
    assert list(table) == ["sft", "dpo", "kto", "reward", "ipo", "ppo"]
    dpo = table["dpo"]
    assert (dpo.forward, dpo.backward, dpo.models, dpo.ratio) == (4, 2, 1, 1)
    assert dpo.operations == 2 * 6 * 1_000 * 50
    assert (table["kto"].forward, table["kto"].backward) == (8, 2)
    assert (table["reward"].forward, table["reward"].backward) == (2, 2)


def test_ppo_holds_four_models_and_costs_more():
    ppo = compare(1_000, 50.0)[-1]
    # Written, read by four, then four epochs of two models.
    assert (ppo.forward, ppo.backward, ppo.models) == (2 * (1 + 4 + 8), 2 * 8, 4)
    assert ppo.ratio == pytest.approx((2 * 13 + 2 * 8) / 6)
    once = compare(1_000, 50.0, ppo_epochs=1)[-1]
    assert (once.forward, once.backward) == (2 * 7, 2 * 2)
    full = {each.method: each.models for each in compare(1_000, 50.0, adapters=False)}
    assert full == {"sft": 1, "dpo": 2, "ipo": 2, "kto": 2, "reward": 1, "ppo": 4}


def test_what_a_run_says_of_its_cost():
    told = measured("kto", parameters=10, tokens=7, adapters=True)
    assert told["passes_per_answer"] == {"forward": 2, "reference": 2, "backward": 1}
    assert told["operations"] == 10 * 7 * 10
    assert told["operations_by"].startswith("10 N D") and told["flops_by"].startswith("6 N D")


def test_every_method_of_the_command_has_a_cost():
    assert set(METHODS) == set(COMMANDS) - {"qlora"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_method_states_what_others_need_to_know(name):
    module, cls, fixed, _ = COMMANDS[name]
    method = getattr(importlib.import_module(module), cls)(**fixed)
    assert method.wants in ("chat", "pair", "label")
    assert method.task in ("CAUSAL_LM", "SEQ_CLS")
    assert isinstance(method.passes, Passes) and method.title
    # The class is the one place: the table has what it states.
    told = METHODS[method.method]
    assert told is method.passes and method.passes.reference == (name in ("dpo", "ipo")) + 2 * (
        name == "kto"
    )
