import pytest

from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import StepError
from datakit.steps.dedup.minhash import MinHash

pytest.importorskip("datasketch")

LONG = "please list the names of all rivers in Europe that are longer than one thousand kilometres"
SCHEMA = "CREATE TABLE river (" + ", ".join(f"column_{i} TEXT" for i in range(80)) + ")"


def select(step, *rows):
    return step.select([Record(**row, id=str(at)) for at, row in enumerate(rows)])


def test_near_duplicates_name_what_is_kept():
    found = select(MinHash(), {"instruction": LONG}, {"instruction": LONG + " now"})
    shared = len(LONG.split()) - 4
    assert found == {
        "1": Drop(
            "near_duplicate",
            of="0",
            score=round(shared / (shared + 1), 4),
            view="prompt",
            threshold=0.7,
        )
    }


@pytest.mark.parametrize(
    ("step", "rows", "dropped"),
    [
        # Different questions over one schema, then one question over two schemas.
        (
            MinHash(),
            [
                {"instruction": LONG, "input": SCHEMA},
                {"instruction": "which is the shortest?", "input": SCHEMA},
            ],
            {},
        ),
        (
            MinHash(),
            [
                {"instruction": LONG, "input": SCHEMA},
                {"instruction": LONG, "input": "CREATE TABLE r (a)"},
            ],
            {},
        ),
        (
            MinHash(view="joined"),
            [
                {"instruction": "which is the longest?", "input": SCHEMA},
                {"instruction": "which is the shortest?", "input": SCHEMA},
            ],
            {"1": "0"},
        ),
        (
            MinHash(keep="longest"),
            [{"instruction": LONG}, {"instruction": LONG, "output": "x"}],
            {"0": "1"},
        ),
        (
            MinHash(keep="best:q"),
            [
                {"instruction": LONG, "meta": {"scores": {"q": 1}}},
                {"instruction": LONG, "meta": {"scores": {"q": 2}}},
            ],
            {"0": "1"},
        ),
        (MinHash(), [], {}),
        (
            MinHash(shingle="char", size=4, threshold=0.5),
            [{"instruction": "colour of rivers"}, {"instruction": "colours of rivers"}],
            {"1": "0"},
        ),
    ],
)
def test_minhash(step, rows, dropped):
    assert {key: drop.of for key, drop in select(step, *rows).items()} == dropped


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"keep": "last"}, {"view": "all"}])
def test_wrong_fields(wrong):
    with pytest.raises(StepError, match=next(iter(wrong))):
        MinHash(**wrong)
