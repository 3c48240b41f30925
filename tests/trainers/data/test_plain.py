import pytest

from datakit.record import Record
from trainers.data.plain import alpaca, dolly, gsm8k, orca_dpo
from trainers.examples import Refused


def one(adapter, row):
    ((where, built),) = adapter([("f:1", row)])
    assert where == "f:1"
    return built


def test_dolly():
    row = {"instruction": "Who won?", "context": "Blue won.", "response": "Blue.", "category": "qa"}
    wanted = Record("Who won?", "Blue won.", "Blue.", meta={"category": "qa"})
    assert one(dolly, row) == wanted
    assert one(dolly, {**row, "category": None}).meta == {}


def test_gsm8k_keeps_its_notes():
    row = {"question": "2 and 3?", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"}
    assert one(gsm8k, row) == Record("2 and 3?", output=row["answer"])


@pytest.mark.parametrize(
    ("system", "extra"),
    [("Be brief.", {"system": "Be brief."}), ("", {}), (" \n", {}), (None, {})],
)
def test_orca(system, extra):
    row = {"system": system, "question": "q", "chosen": "a", "rejected": "b"}
    record = one(orca_dpo, row)
    assert (record.instruction, record.output) == ("q", "a")
    assert record.extra == {**extra, "rejected": "b"}


BLANK = {"instruction": "a", "input": "", "output": "b"}
PAIR = {"system": None, "question": "q", "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("adapter", "row", "reason"),
    [
        (alpaca, {**BLANK, "output": "\n"}, "empty_output"),
        (alpaca, {**BLANK, "instruction": " ", "input": "x"}, "empty_prompt"),
        (gsm8k, {"question": "", "answer": "x"}, "empty_prompt"),
        (orca_dpo, {**PAIR, "question": ""}, "empty_prompt"),
        (orca_dpo, {**PAIR, "chosen": ""}, "empty_output"),
        (orca_dpo, {**PAIR, "rejected": ""}, "empty_rejected"),
        (orca_dpo, {**PAIR, "rejected": "a "}, "rejected_is_chosen"),
    ],
)
def test_refused(adapter, row, reason):
    built = one(adapter, row)
    assert isinstance(built, Refused)
    assert (built.id, built.reason) == ("f:1", reason)
