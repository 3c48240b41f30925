import pytest

from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import StepError
from datakit.steps.select.top import Top


def select(step, *values):
    records = [
        Record("q", id=str(at), meta={"scores": {} if value is None else {"q": value}})
        for at, value in enumerate(values)
    ]
    return step.select(iter(records))


def test_top():
    assert select(Top(n=2, by="q"), 1, 3, 2, 3) == {
        "0": Drop("not_in_top", by="q", value=1, rank=4, n=2),
        "2": Drop("not_in_top", by="q", value=2, rank=3, n=2),
    }


@pytest.mark.parametrize("value", [None, "high", float("nan"), [1]])
def test_what_has_no_score(value):
    assert select(Top(n=5, by="q"), 1, value) == {"1": Drop("no_score", by="q")}


def test_of_equals_the_first_are_kept():
    assert select(Top(n=2, by="q"), 1, 1, 1).keys() == {"2"}


def test_wrong_fields():
    with pytest.raises(StepError, match="n:"):
        Top(n=0, by="q")
