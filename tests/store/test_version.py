import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import StoreError
from datakit.record import Record
from datakit.store import Store, Version
from tests.store.making import published, record

KEPT = [record("aaaa"), record("aabb", parents=["aaaa", "gone"]), record("cc", parents=["aabb"])]
GONE = [record("gone", "x"), record("dead", "y", parents=["gone"])]


@pytest.fixture
def version(tmp_path):
    return published(Store(tmp_path / "store"), KEPT, GONE)


def edit(path, change):
    """Changes a file and gives it its old size and time, if it has."""
    stat = path.stat()
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def in_manifest(**changes):
    def change(raw):
        return json.dumps({**json.loads(raw), **changes}, indent=2).encode()

    return change


FUNNEL = [{"step": "filter.length", "in": 6, "made": 0, "kept": 4, "dropped": {"too_short": 2}}]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("data.jsonl", lambda raw: raw.replace(b"an answer", b"an Answer", 1)),
        ("data.jsonl", lambda raw: raw[: raw.rindex(b"\n", 0, -1) + 1]),
        ("data.jsonl", lambda raw: raw + raw.splitlines(True)[0]),
        ("data.jsonl", lambda raw: b"".join(reversed(raw.splitlines(True)))),
        ("data.jsonl", lambda raw: b""),
        ("data.jsonl", lambda raw: raw[:-1]),
        ("dropped.jsonl", lambda raw: raw.replace(b"too_short", b"too_shorT", 1)),
        ("dropped.jsonl", lambda raw: raw[: raw.rindex(b"\n", 0, -1) + 1]),
        ("manifest.json", in_manifest(records=2)),
        ("manifest.json", in_manifest(dropped=9)),
        ("manifest.json", in_manifest(recipe="name: other\n")),
        ("manifest.json", in_manifest(recipe_hash="cd" * 16)),
        ("manifest.json", in_manifest(cost={"usd": "0.01"})),
        ("manifest.json", in_manifest(funnel=FUNNEL)),
        ("manifest.json", in_manifest(funnel=[])),
        ("manifest.json", in_manifest(data_sha256="0" * 64)),
        ("manifest.json", in_manifest(manifest_sha256="")),
        ("manifest.json", in_manifest(version="v2")),
        ("manifest.json", lambda raw: b"{}"),
        ("manifest.json", lambda raw: b"not json"),
        ("manifest.json", lambda raw: b""),
        ("manifest.json", lambda raw: b"\xff\xfe"),
    ],
)
def test_verify_finds_what_was_changed(version, name, change):
    assert version.verify() == []
    before = (version.path / name).read_bytes()
    edit(version.path / name, change)
    assert (version.path / name).read_bytes() != before
    wrong = Version(version.path).verify()
    assert wrong
    assert any(name in line for line in wrong)


@given(st.integers(0), st.integers(0, 7), st.sampled_from(["data.jsonl", "dropped.jsonl"]))
def test_verify_finds_any_flipped_bit(tmp_path_factory, at, bit, name):
    version = published(Store(tmp_path_factory.mktemp("store")), KEPT, GONE)

    def flip(raw):
        raw = bytearray(raw)
        raw[at % len(raw)] ^= 1 << bit
        return bytes(raw)

    assert version.verify() == []
    edit(version.path / name, flip)
    assert version.verify()


@pytest.mark.parametrize("name", ["data.jsonl", "dropped.jsonl"])
def test_verify_finds_what_is_missing(version, name):
    (version.path / name).unlink()
    assert any(name in line and "missing" in line for line in version.verify())


def test_without_a_manifest_it_is_no_version(version):
    (version.path / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"no manifest\.json"):
        Version(version.path)


def test_verify_counts(tmp_path):
    # Books that were wrong when they were written, with hashes that are right.
    twice = published(Store(tmp_path), [*KEPT, KEPT[0]], GONE)
    assert any("an id that another record has" in line for line in twice.verify())
    both = published(Store(tmp_path), KEPT, [KEPT[0]])
    assert any("dropped.jsonl has an id that another" in line for line in both.verify())


def test_find_and_lineage(version):
    assert version.find("cc") == (KEPT[2], None)
    assert version.find("g")[1]["reason"] == "too_short"
    assert version.find("aaaa")[0] == KEPT[0]
    with pytest.raises(StoreError, match="2 records"):
        version.find("aa")
    with pytest.raises(StoreError, match="no record"):
        version.find("zz")
    line = [(depth, each.id, drop is None) for depth, each, drop in version.lineage("cc")]
    assert line == [(0, "cc", True), (1, "aabb", True), (2, "aaaa", True), (2, "gone", False)]


def test_dropped_by_step_and_reason(version):
    assert len(version.dropped()) == 2
    assert len(version.dropped(step="filter.length", reason="too_short")) == 2
    assert version.dropped(step="filter.where") == version.dropped(reason="x") == []


def test_to_datasets(tmp_path):
    pytest.importorskip("datasets")
    kept = [
        record("a", extra={"rejected": "worse", "own": {"b": 0}}),
        record("b", extra={"rejected": "\ud83d half", "label": True}, parents=["a"]),
        record("c", extra={"own": {"a": None}}),
        Record("q\ud83d", output="o", id="d", meta={"x": "\ud83d"}),
    ]
    version = published(Store(tmp_path), kept)
    rows = version.to_datasets().to_list()
    assert [row["id"] for row in rows] == ["a", "b", "c", "d"]
    assert [row["rejected"] for row in rows] == ["worse", "? half", None, None]
    assert [row["label"] for row in rows] == [None, True, None, None]
    assert [json.loads(row["own"]) if row["own"] else None for row in rows] == [
        {"b": 0},
        None,
        {"a": None},
        None,
    ]
    assert json.loads(rows[1]["meta"]) == kept[1].meta
    train, test = version.to_datasets(split=(0.5, 0.5))
    assert sorted([*train["id"], *test["id"]]) == ["a", "b", "c", "d"]
    assert {"a", "b"} <= {*train["id"]} or {"a", "b"} <= {*test["id"]}


def test_datasets_reads_it_by_its_card(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    from datakit import api
    from datakit.running.pipeline import Pipeline
    from datakit.steps.filter.length import Length
    from datakit.steps.source.jsonl import JsonLines

    path = tmp_path / "in.jsonl"
    path.write_bytes(b"".join(each.to_line() for each in [*KEPT, *GONE]))
    source = JsonLines(path=str(path))
    version = api.run(
        Pipeline("sql", (Length(min_chars=5),), source=source), store=tmp_path / "store"
    )
    assert len(version) == 3
    cache = str(tmp_path / "cache")
    by_card = datasets.load_dataset(str(version.path), split="train", cache_dir=cache)
    by_file = datasets.load_dataset(
        "json", data_files=str(version.data_path), split="train", cache_dir=cache
    )
    for found in (by_card, by_file):
        assert found["id"] == [each.id for each in version.records()]
        assert found["output"] == [each.output for each in version.records()]


def test_a_notebook_shows_it_escaped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    version = published(Store("relative"), KEPT)
    shown = version._repr_html_()
    assert "sql@v1" in shown
    assert f'href="{(tmp_path / "relative/sql/v1/report.html").as_uri()}"' in shown
    bad = "<script>alert('&')</script>"
    version.manifest["name"] = version.manifest["cost"]["usd"] = bad
    version.manifest["funnel"][0]["step"] = bad
    shown = version._repr_html_()
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") == 2
    assert "3 records" in repr(version)


@pytest.mark.parametrize("schema", [2, None, "1", 0])
def test_another_schema_is_refused_with_what_to_do(version, schema):
    manifest = {**version.manifest, "schema": schema}
    (version.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"has schema .* this datakit reads 1\..* update"):
        list(Version(version.path).manifest)
    (problem,) = Version(version.path).verify()
    assert "manifest.json: has schema" in problem
