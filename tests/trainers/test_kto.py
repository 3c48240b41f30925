"""KTO: the order that it needs, pairs found again for the watch, answers without pairs."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from datakit.errors import InputError
from datakit.record import Record
from datakit.step import StepError
from tests.trainers.preference_pairs import FEW, built, files, records, trained
from trainers import models
from trainers.examples import labelled
from trainers.gate_pairs import answered, check_labelled
from trainers.kto import KTO, mixed
from trainers.running.job import Ear
from trainers.running.launch import fit
from trainers.tokens import stop_ids

QUICK = {**FEW, "watch_answers": 0}


def rows_of(tokenizer, data):
    stops = stop_ids(tokenizer)
    return check_labelled(labelled(data), [], tokenizer, stops, max_length=128, long="stop")[1]


def test_a_batch_of_one_has_nothing_to_compare_with():
    with pytest.raises(StepError) as caught:
        KTO(batch=1)
    assert list(caught.value.fields) == ["batch"]


def test_rows_are_mixed_once_and_none_is_alone():
    rows = [{"n": n} for n in range(9)]
    order = mixed(rows, 4, 0)
    assert order != [*rows, rows[0]] and order == mixed(rows, 4, 0) != mixed(rows, 4, 1)
    assert sorted(each["n"] for each in order[:9]) == list(range(9))
    assert order[9:] == order[:1]
    assert len(mixed(rows[:8], 4, 0)) == 8 and len(mixed(rows[:7], 4, 0)) == 7


def test_the_tokens_are_those_that_the_gate_counted(tiny_model_dir, tiny_tokenizer, tmp_path):
    rows = rows_of(tiny_tokenizer, records(5))
    trainer = built(KTO(**QUICK), tiny_model_dir, tiny_tokenizer, rows, tmp_path)
    wanted = sorted(
        answered(tiny_tokenizer, row["prompt"], row["completion"][0]["content"]).input_ids
        for row in rows
    )
    made = trainer.train_dataset
    assert sorted(each["prompt_ids"] + each["completion_ids"] for each in made) == wanted
    # The answer beside a prompt is the one before it in its batch.
    assert made[1]["KL_completion_ids"] == made[0]["completion_ids"]
    assert made[0]["KL_completion_ids"] == made[3]["completion_ids"]


def test_a_training_on_pairs_learns_and_can_be_loaded(tiny_adapter_dir, tmp_path):
    run = trained(KTO(**QUICK), tiny_adapter_dir, tmp_path / "a")
    assert run.done and "ref" not in files(tmp_path / "a")
    assert models.resolve(str(tmp_path / "a")).kind == "adapter"
    # Labelled one by one, the two answers of a prompt are found again.
    assert run.facts["watch"]["pairs"] == 4
    assert run.facts["watch"]["points"][-1]["margin"] > 0.1
    again = trained(KTO(**QUICK, watch=0), tiny_adapter_dir, tmp_path / "b")
    assert again.weights == run.weights


def test_answers_without_pairs_are_watched_as_two_groups(tiny_model_dir, tmp_path):
    data = [
        Record(f"What is {n}?", output=f"It is {n}.", extra={"label": n % 3 == 0}, id=f"k{n}")
        for n in range(12)
    ]
    run = trained(KTO(**QUICK), tiny_model_dir, tmp_path / "a", data)
    watch = run.facts["watch"]
    assert watch["pairs"] == 0 and watch["answers"] == 4
    end = watch["points"][-1]
    assert {"margin", "chosen_shift", "rejected_shift", "kl"} <= end.keys()
    assert "accuracy" not in end and "by_length" not in watch


def test_one_label_alone_stops_before_anything_is_written(tiny_model_dir, tmp_path):
    data = [each.replace(extra={"label": "true"}) for each in records(4)]
    shown = []
    ear = Ear(table=lambda title, rows: shown.append(dict(rows)))
    with pytest.raises(InputError, match="4 good, 0 bad") as caught:
        options = {"device": "cpu", "ear": ear}
        fit(KTO(**QUICK), data, model=str(tiny_model_dir), out=tmp_path / "a", **options)
    assert not (tmp_path / "a").exists()
    # The table is shown once, and not told again.
    assert len(shown) == 1 and shown[0]["good answers"] == "4" and shown[0]["bad answers"] == "0"
    assert "tokens of a row" not in str(caught.value)
