import json
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.outcome import Drop, Rejected
from datakit.record import Record
from datakit.running.flow import Flow
from datakit.running.ledger import LedgerError
from datakit.running.local import LocalEngine, StepFailedError
from datakit.steps.revise.normalize import Normalize
from tests.running.steps import Made, Measure, Selects, Short, Shout, Twins

SEEDS = [Record(f"q{n}", output=text, id=f"s{n}") for n, text in enumerate(["A", "bb", "A", "ccc"])]
BOOKS = {"step": "test.made", "parents": ["s0"], "model": "m", "prompt_hash": "ab", "cost": "0.1"}


def made(id, output, parents=("s0",)):
    return Record("q", output=output, id=id, meta={**BOOKS, "parents": list(parents)})


def flow(folder, steps, engine=None, **options):
    folder.mkdir(parents=True, exist_ok=True)
    return Flow(steps, engine or LocalEngine(), folder, **options)


def dropped(flow):
    rows = map(json.loads, flow.dropped.path.read_bytes().splitlines())
    return [(row["id"], row["dropped"]["step"], row["dropped"]["reason"]) for row in rows]


def ids(flow):
    return [record.id for record in flow.kept]


def test_five_verbs(tmp_path):
    steps = [Made(), Measure(), Shout(), Short(4), Twins()]
    refused = Rejected(made("x", "?"), Drop("refused"))
    passing = flow(tmp_path, steps, remember=True)
    new = [made("m0", "zz"), refused, made("m1", "longer"), made("m2", "ZZ")]
    assert passing.run(SEEDS, {0: new}) == 4
    figures = [(row.taken, row.made, row.kept, dict(row.dropped)) for row in passing.rows]
    assert figures == [
        (4, 4, 7, {"refused": 1}),
        (7, 0, 7, {}),
        (7, 4, 7, {"revised": 4}),
        (7, 0, 6, {"too_long": 1}),
        (6, 0, 4, {"twin": 2}),
    ]
    assert [record.output for record in passing.kept] == ["A", "BB", "CCC", "ZZ"]
    # A revised record is no longer what was measured.
    assert [record.scores for record in passing.kept] == [{"chars": 1}, {}, {}, {}]
    assert passing.kept_made == 1
    steps_of = [step for _, step, _ in dropped(passing)]
    assert steps_of == sorted(steps_of, key=[step.step_name for step in steps].index)


def test_a_revised_record_names_its_parent_which_is_dropped(tmp_path):
    passing = flow(tmp_path, [Made(), Shout()], remember=True)
    passing.run(SEEDS[:1], {0: [made("m0", "zz")]})
    child = list(passing.kept)[1]
    assert child.parents == ("m0",)
    assert child.meta["step"] == "test.shout"
    assert {key: child.meta[key] for key in ("model", "prompt_hash", "cost")} == {
        key: BOOKS[key] for key in ("model", "prompt_hash", "cost")
    }
    (row,) = map(json.loads, passing.dropped.path.read_bytes().splitlines())
    assert (row["id"], row["output"]) == ("m0", "zz")
    assert row["dropped"] == {
        "step": "test.shout",
        "reason": "revised",
        "detail": {},
        "of": child.id,
        "score": None,
    }
    again = flow(tmp_path / "again", [Made(), Shout()])
    again.run(SEEDS[:1], {0: [made("m0", "zz")]})
    assert ids(again) == ids(passing)


def test_a_chain_of_revisions(tmp_path):
    passing = flow(tmp_path, [Shout(), Shout(), Normalize()])
    passing.run([Record("q", output=" a\u0301 ", id="s")], {})
    (last,) = passing.kept
    assert last.output == "Á"
    assert [id for id, _, _ in dropped(passing)] == ["s", last.parents[0]]


def test_a_source_that_holds_a_record_and_its_revision_loses_none(tmp_path):
    once = flow(tmp_path / "once", [Shout()])
    once.run([Record("q", output="a", id="s")], {})
    (child,) = once.kept
    parent = Record("q", output="a", id="s")
    for records in ([parent, child], [child, parent]):
        for steps in ([Shout()], [Shout(), Twins()]):
            both = flow(tmp_path / "both", steps)
            both.run(records, {})
            assert len(set(ids(both))) == len(ids(both)) == 3 - len(steps)
            assert {*ids(both)} & {id for id, _, _ in dropped(both)} == set()
            assert [record.output for record in both.kept] == ["A"] * (3 - len(steps))


def test_seeds_that_are_not_wanted_still_teach(tmp_path):
    results = []
    for keep in (True, False):
        passing = flow(tmp_path / str(keep), [Made(), Shout()], keep_seeds=keep, remember=True)
        passing.run(SEEDS, {0: [made("m0", "ZZ")]})
        assert passing.kept_made == 1
        results.append(([record.id for record in passing.pool()], ids(passing), dropped(passing)))
    (pool, kept, gone), (pool_without, kept_without, gone_without) = results
    assert pool == pool_without == kept
    assert kept_without == ["m0"]
    # A revised seed is a seed.
    assert gone_without[: len(gone)] == gone
    assert gone_without[len(gone) :] == [(id, "include_seeds", "seed") for id in pool[:-1]]


outputs = st.sampled_from(["a", "A", "bb", "BB", "ccc", "CCC", "dddd", "eeeee"])


@given(
    st.lists(outputs, min_size=1, max_size=6),
    st.lists(st.lists(outputs, max_size=6), max_size=5),
    st.permutations([Measure(), Shout(), Short(3), Twins(), Made()]),
    st.booleans(),
)
def test_what_is_remembered_changes_nothing(tmp_path_factory, first, rounds, steps, keep):
    folder = tmp_path_factory.mktemp("flow")
    seeds = [Record("q", output=text, id=f"s{n}") for n, text in enumerate(first)]
    place, so_far = steps.index(Made()), []
    remembering = flow(folder / "memo", steps, keep_seeds=keep, remember=True)
    remembering.run(seeds, {})
    for number, texts in enumerate(rounds):
        so_far += [made(f"m{number}-{at}", text) for at, text in enumerate(texts)]
        remembering.run(seeds, {place: so_far})
    plain = flow(folder / "plain", steps, LocalEngine(1, few=0), remember=False)
    plain.run(seeds, {place: so_far})
    rows = [row.to_json() | {"seconds": 0} for row in remembering.rows]
    assert rows[: len(steps)] == [row.to_json() | {"seconds": 0} for row in plain.rows]
    assert [row["step"] for row in rows[len(steps) :]] == ([] if keep else ["include_seeds"])
    assert remembering.pool() == list(plain.kept)
    if keep:
        assert remembering.kept.path.read_bytes() == plain.kept.path.read_bytes()
    assert remembering.dropped.path.read_bytes().startswith(plain.dropped.path.read_bytes())


def test_how_far_steps_read_ahead_changes_no_byte(tmp_path):
    records = [Record("q", output="x" * (n % 9), id=f"r{n}") for n in range(3000)]
    steps = [Short(7), Shout(), Short(5), Measure(), Short(4)]
    found = []
    for at, options in enumerate([{}, {"workers": 2, "few": 0}, {"workers": 1, "few": 0}]):
        with closing(LocalEngine(**options)) as engine:
            passing = flow(tmp_path / str(at), steps, engine)
            passing.run(iter(records), {})
            found.append((passing.kept.path.read_bytes(), passing.dropped.path.read_bytes()))
    assert found[0] == found[1] == found[2]


def test_a_drop_of_nobody_is_a_fault_of_the_step(tmp_path):
    with pytest.raises(StepFailedError, match=r'test\.selects drops "nobody"'):
        flow(tmp_path, [Selects("unknown")]).run(SEEDS, {})


def test_an_engine_that_loses_a_record_is_found_out(tmp_path):
    class Losing(LocalEngine):
        def map(self, step, records):
            return iter(list(super().map(step, records))[:-1])

    with pytest.raises(LedgerError, match=r"test\.short: 4 in"):
        flow(tmp_path, [Short()], Losing()).run(SEEDS, {})


def test_no_steps_keep_all(tmp_path):
    passing = flow(tmp_path, [])
    assert passing.run(SEEDS, {}) == 4
    assert list(passing.kept) == SEEDS
    assert dropped(passing) == []


def test_nothing_is_left_between_steps(tmp_path):
    flow(tmp_path, [Shout(), Short()]).run(SEEDS, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dropped.jsonl", "kept.jsonl"]
