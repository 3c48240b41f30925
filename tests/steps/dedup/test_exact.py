import pytest

from datakit.outcome import Drop
from datakit.record import Record
from datakit.steps.dedup.exact import Exact


def drops(step, *texts):
    records = [Record(*text, id=str(at)) for at, text in enumerate(texts)]
    return {key: drop.of for key, drop in step.select(iter(records)).items()}


@pytest.mark.parametrize(
    ("normalize", "other", "same"),
    [
        ("none", "What is 2+2?", True),
        ("none", "What is  2+2?", False),
        ("whitespace", " What is\n 2+2? ", True),
        ("whitespace", "what is 2+2?", False),
        ("words", "what is 2+2", True),
        ("words", "What is 2-2?", False),
    ],
)
def test_what_makes_no_difference(normalize, other, same):
    found = drops(Exact(normalize=normalize), ("What is 2+2?",), (other,))
    assert found == ({"1": "0"} if same else {})


@pytest.mark.parametrize(
    ("view", "dropped"),
    [
        ("prompt", {"3": "0"}),
        ("full", {}),
        ("instruction", {"1": "0", "3": "0"}),
        ("output", {"1": "0", "2": "0"}),
        ("joined", {"3": "0"}),
    ],
)
def test_views(view, dropped):
    rows = [("q", "n", "o"), ("q", "m", "o"), ("p", "n", "o"), ("q", "n", "x")]
    assert drops(Exact(view=view), *rows) == dropped


def test_the_longest_is_kept_and_the_evidence_names_it():
    records = [Record("q", "", "o", id="a"), Record("q", "", "longer", id="b")]
    assert Exact(keep="longest").select(records) == {
        "a": Drop("exact_duplicate", of="b", score=1.0, view="prompt", normalize="whitespace")
    }
