import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import InputError
from datakit.pairs import best_first, fields_of, walk
from datakit.record import Record


def edges(rows):
    later, earlier, score = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(later, int), np.array(earlier, int), np.array(score, float)


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 12))
    possible = [(a, b) for a in range(n) for b in range(a)]
    chosen = draw(st.lists(st.sampled_from(possible), unique=True)) if possible else []
    scores = draw(st.lists(st.floats(0.5, 1), min_size=len(chosen), max_size=len(chosen)))
    return n, [(a, b, s) for (a, b), s in zip(sorted(chosen), scores, strict=True)]


@given(graphs(), st.integers(1, 12))
def test_walk_makes_stars_and_no_chains(graph, block):
    n, rows = graph
    cuts = [[row for row in rows if at <= row[0] < at + block] for at in range(0, n, block)]
    kept = np.ones(n, bool)
    dropped = walk([edges(cut) for cut in cuts], kept)
    known = {(a, b): score for a, b, score in rows}
    for late, (early, score) in dropped.items():
        assert kept[early]
        assert known[late, early] == score
        assert score == max(s for (a, b), s in known.items() if a == late and kept[b])
    assert not any(kept[a] and kept[b] for a, b in known)
    assert set(np.flatnonzero(~kept)) == set(dropped)


def test_walk_of_a_chain_keeps_both_ends():
    assert walk([edges([(1, 0, 0.8), (2, 1, 0.8)])], np.ones(3, bool)) == {1: (0, 0.8)}


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("prompt", ("q", "n")),
        ("joined", ("q\nn",)),
        ("full", ("q", "n", "o")),
        ("instruction", ("q",)),
        ("output", ("o",)),
    ],
)
def test_fields_of(view, expected):
    assert fields_of(Record("q", "n", "o"), view) == expected


def test_the_last_question_of_a_longer_chat_is_not_all_that_is_asked():
    turns = [
        {"role": "user", "content": "Tell a story."},
        {"role": "assistant", "content": "Once upon a time"},
        {"role": "user", "content": "Go on."},
        {"role": "assistant", "content": "there was a mill."},
    ]
    record = Record("Go on.", output="there was a mill.", extra={"messages": turns})
    assert fields_of(record, "instruction") == ("Tell a story.\nOnce upon a time\nGo on.",)
    short = Record("Hi", output="Hello", extra={"messages": [*turns[:1], turns[1]]})
    assert fields_of(short, "instruction") == ("Hi",)


def test_fields_of_a_chat_are_its_turns():
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    assert fields_of(Record("", extra={"messages": turns}), "prompt") == ("hi", "")


def test_best_first():
    scores = [{"q": 1}, {}, {"q": 3.0}, {"q": float("nan")}, {"q": 3}]
    records = [
        Record("x" * at, id=str(at), meta={"scores": each}) for at, each in enumerate(scores)
    ]
    assert [r.id for r in best_first(iter(records), "first")] == list("01234")
    assert [r.id for r in best_first(records, "longest")] == list("43210")
    found = [r.id for r in best_first(records, "best:q")]
    # A hash of the content decides between equals, whatever their order.
    assert [set(found[:2]), found[2], set(found[3:])] == [set("24"), "0", set("13")]
    assert [r.id for r in best_first(records[::-1], "best:q")] == found
    assert best_first([], "best:q") == []
    with pytest.raises(InputError, match='no record has a score "other"'):
        best_first(records, "best:other")
