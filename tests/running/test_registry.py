"""The ledger, over every step there is: nothing is lost, invented or changed behind our back."""

import json
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datakit import api, registry
from datakit.errors import InputError
from datakit.llm.teacher import Teacher
from datakit.reading import identified
from datakit.running.flow import Flow
from datakit.running.local import LocalEngine
from datakit.running.pipeline import Pipeline
from datakit.step import StepError, asks, verb_of
from tests.loopback import Fault, Plan, serve
from tests.running.steps import triples

FIELDS = ("instruction", "input", "output")
SQL = [
    "SELECT name FROM boats;",
    "SELECT count(*) FROM boats WHERE length > 3",
    "SELECT nothing FROM boats",
    "DROP TABLE boats;",
    "ATTACH 'x.db' AS x",
]
SCHEMA = "CREATE TABLE boats (name TEXT, length REAL); INSERT INTO boats VALUES ('Ada', 4.5);"
WORDS = "the quick brown fox jumps over the lazy dog while a small boat leaves the harbour at noon"

free = st.text(st.characters(), max_size=40)  # lone surrogates too
texts = st.one_of(
    free,
    st.sampled_from(["", " ", "\r\n", "\x00", "\u202e", "</script>", "x" * 9000, f"{WORDS} " * 60]),
    st.sampled_from(
        [*SQL, SCHEMA, WORDS, WORDS.upper(), f"{WORDS}.", "Als ich ein Kind war, da war ich klein."]
    ),
    st.lists(st.sampled_from(WORDS.split()), max_size=30).map(" ".join),
)
rows = st.fixed_dictionaries(
    {"instruction": texts.filter(str.strip), "output": texts},
    optional={
        "input": st.sampled_from(["", SCHEMA]) | texts,
        "id": st.sampled_from(["a", "b", "ü", "", 7]),
        "meta": st.fixed_dictionaries({}, optional={"scores": st.just({"x": 1.5}), "own": free}),
        "rejected": texts,
        "another": st.lists(st.none() | free, max_size=2),
    },
)


def _bundled(tmp):
    path = tmp / "benchmark.jsonl"
    items = [
        {"question": WORDS, "answer": "at noon"},
        {"question": "Name a boat.", "answer": "Ada"},
    ]
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return str(path)


def options_of(name, tmp):
    """Returns a strategy of the parameters of a step; new ones are tried with their defaults."""
    share, keep = st.floats(0.05, 1), st.sampled_from(["first", "longest"])
    view = st.sampled_from(["prompt", "joined", "full", "instruction", "output"])
    some = st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3, unique=True)
    known = {
        "contamination.by_length": {"against": st.just((_bundled(tmp),))},
        "dedup.embedding": {"threshold": share, "view": view, "keep": keep},
        "dedup.exact": {
            "normalize": st.sampled_from(["none", "whitespace", "words"]),
            "view": view,
            "keep": keep,
        },
        "dedup.minhash": {
            "threshold": share,
            "view": view,
            "keep": keep,
            "shingle": st.sampled_from(["word", "char"]),
            "size": st.integers(1, 9),
            "num_perm": st.sampled_from([16, 128]),
        },
        "filter.language": {"keep": st.sampled_from([("en",), ("de", "fr")]), "fields": some},
        "filter.length": {
            "min_chars": st.integers(0, 9),
            "max_chars": st.integers(9, 99),
            "fields": some,
        },
        "filter.quality": {"max_repeated": share, "min_alnum": share},
        "filter.sql_executes": {"variants": st.integers(0, 1), "max_steps": st.just(1_000_000)},
        "filter.where": {
            "expression": st.sampled_from(["len(output) > 5", "lang == 'en'", "x > 1", "'a' < x"])
        },
        "score.language": {"fields": some},
        "select.top": {"n": st.integers(1, 5), "by": st.sampled_from(["lang_prob", "x", "lang"])},
    }
    return st.fixed_dictionaries({}, optional=known.get(name, {})) | st.fixed_dictionaries(
        known.get(name, {})
    )


def built(name, tmp):
    cls = registry.find(name)

    def make(options):
        try:
            return cls(**options)
        except StepError:
            raise
        except TypeError:  # a required parameter was left out
            return None

    return options_of(name, tmp).map(make).filter(lambda step: step is not None)


def names(heavy):
    found = []
    for name in registry.names():
        cls = registry.find(name)
        ours = cls.__module__.startswith("datakit.steps.")
        alone = verb_of(cls) != "read" and not asks(cls)
        if ours and alone and (heavy or name != "dedup.embedding"):
            found.append(name)
    return found


class Watching(LocalEngine):
    """Notices a step that changes what it is given."""

    def map(self, step, records):
        lines = []

        def noted():
            for record in records:
                lines.append(record.to_line())
                yield record

        for at, (record, outcome) in enumerate(super().map(step, noted())):
            assert record.to_line() == lines[at], step
            yield record, outcome

    def select(self, step, records):
        held = list(records)
        before = [record.to_line() for record in held]
        drops = super().select(step, held)
        assert [record.to_line() for record in held] == before, step
        return drops


def check(flow, given_records):
    """Checks the books against the files."""
    arriving = len(given_records)
    gone = [json.loads(line) for line in flow.dropped.path.read_bytes().splitlines()]
    told = [(row["dropped"]["step"], row["dropped"]["reason"]) for row in gone]
    for row in flow.rows:
        assert row.taken == arriving
        assert row.taken + row.made == row.kept + row.dropped.total()
        arriving = row.kept
    for name in {row.step for row in flow.rows}:
        booked = sum(row.dropped.total() for row in flow.rows if row.step == name)
        assert sum(step == name for step, _ in told) == booked
    assert all(isinstance(reason, str) and reason for _, reason in told)
    kept = [record.id for record in flow.kept]
    everyone = [*kept, *(row["id"] for row in gone)]
    assert len(everyone) == len(set(everyone))
    assert {record.id for record in given_records} <= set(everyone)
    made = sum(row.made for row in flow.rows)
    assert len(everyone) == len(given_records) + made
    assert len(kept) == arriving
    return {row["id"]: row for row in gone}


def unchanged(flow, given_records, gone):
    """What was kept or dropped is what came in, but for what was measured."""
    was = {record.id: record.to_json() for record in given_records}
    now = [record.to_json() for record in flow.kept]
    for row in [*now, *({k: v for k, v in row.items() if k != "dropped"} for row in gone.values())]:
        if row["id"] in was:
            old = was[row["id"]]
            added = row["meta"].keys() - old["meta"].keys()
            assert added <= {"scores", "lang"}
            assert {k: v for k, v in row.items() if k != "meta"} == {
                k: v for k, v in old.items() if k != "meta"
            }


@pytest.mark.parametrize("heavy", [False, pytest.param(True, marks=pytest.mark.model)])
def test_the_ledger_holds_for_every_step(heavy, tmp_path_factory):
    tmp = tmp_path_factory.mktemp("registry")
    pipelines = st.lists(
        st.sampled_from(names(heavy)).flatmap(lambda name: built(name, tmp)), min_size=1, max_size=5
    )
    engine = Watching()

    @settings(max_examples=40 if heavy else 120, suppress_health_check=list(HealthCheck))
    @given(pipelines, st.lists(rows, min_size=1, max_size=12), st.booleans())
    def holds(steps, given_rows, twice):
        raw = given_rows * (2 if twice else 1)
        records = list(identified(((str(at), dict(row)) for at, row in enumerate(raw)), "rows"))
        before = [record.to_line() for record in records]
        flow = Flow(steps, engine, tmp)
        assert flow.run(records, {}) == len(records)
        assert [record.to_line() for record in records] == before
        unchanged(flow, records, check(flow, records))

    with closing(engine):
        holds()


def test_every_step_of_ours_is_tried():
    steps = {name: registry.find(name) for name in registry.names()}
    ours = {n for n, cls in steps.items() if cls.__module__.startswith("datakit.steps.")}
    # Those that ask a teacher are tried in tests of their own.
    others = {n for n, cls in steps.items() if verb_of(cls) == "read" or asks(cls)}
    assert {*names(True)} == ours - others
    assert len(names(True)) >= 12


def test_the_ledger_holds_around_a_teacher(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("grown")
    around = st.lists(
        st.sampled_from(names(False)).flatmap(lambda name: built(name, tmp)), max_size=3
    )
    faults = [
        Fault("bad_request", 0.1),
        Fault("length", 0.1),
        Fault("refusal", 0.1),
        Fault("malformed", 0.1),
    ]
    count = iter(range(10**6))
    ended = []

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(around, around, st.lists(rows, min_size=1, max_size=8), st.booleans(), st.integers(0, 9))
    def holds(before, after, given_rows, include, random_seed):
        folder = tmp / str(next(count))
        folder.mkdir()
        path = folder / "seeds.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in given_rows))
        self_instruct = triples(2)
        pipeline = Pipeline(
            "grown",
            (*before, self_instruct, *after),
            seeds=registry.find("source.jsonl")(path=str(path)),
            teacher=Teacher(provider="openai", model="m", base_url=server.url, retries=0),
            target=8,
            max_candidates=24,
            round_size=3,
            include_seeds=include,
            random_seed=random_seed,
        )
        try:
            version = api.run(pipeline, store=folder / "store")
        except InputError as error:
            assert "No seed passes" in str(error)
            return
        assert version.verify() == []
        manifest = version.manifest
        ended.append(manifest["ended"])
        records = [*version.records(), *(record for record, _ in version.iter_dropped())]
        made = sum(row["made"] for row in manifest["funnel"])
        assert len(records) == len(given_rows) + made
        for record in records:
            if record.parents:
                assert record.meta["step"] in {each.step_name for each in pipeline.steps}

    with serve(Plan(faults)) as server:
        holds()
    assert "target" in ended
