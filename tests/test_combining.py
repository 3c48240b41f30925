import json

import pytest

import datakit as dk
from datakit.errors import DatakitError
from datakit.store import Store
from datakit.store.gc import garbage
from tests.store.making import published, record


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    published(made, [record("a"), record("b", parents=["gone"])], [record("gone", "x")])
    published(made, [record("a"), record("c")], name="other")
    return made


def test_versions_become_one_and_equal_records_are_there_once(store):
    version = dk.combine("sql@v1", "other@latest", name="both", store=store.root)
    assert [each.id for each in version.records()] == ["a", "b", "c"]
    ((twin, why),) = version.dropped()
    assert (why["step"], why["reason"], why["of"]) == ("dedup.exact", "exact_duplicate", "a")
    assert twin.meta["source_id"] == "a" and twin.id != "a"
    assert version.verify() == []
    parents = version.manifest["parents"]
    assert [each["ref"] for each in parents] == ["sql@v1", "other@v1"]
    assert parents[0]["data_sha256"] == store.load("sql@v1").manifest["data_sha256"]
    assert str(store.root) not in (version.path / "manifest.json").read_text()


def test_lineage_goes_on_in_the_parents(store):
    version = dk.combine("sql@v1", "other@v1", name="both", store=store.root)
    line = version.lineage("b")
    assert [(depth, each.id) for depth, each, _ in line] == [(0, "b"), (1, "gone")]
    assert line[1][2]["reason"] == "too_short"
    again = dk.combine("both@v1", name="again", store=store.root)
    assert [each.id for _, each, _ in again.lineage("b")] == ["b", "gone"]


def test_parents_are_kept_and_the_same_again_is_no_new_version(store):
    first = dk.combine("sql@v1", "other@v1", name="both", store=store.root)
    assert dk.combine("sql@v1", "other@v1", name="both", store=store.root).ref == first.ref
    published(store, [record("a")])
    assert garbage(store) == []


def test_files_and_a_pipeline(store, tmp_path):
    (tmp_path / "more.jsonl").write_text(
        json.dumps({"instruction": "More?", "output": "Yes."}) + "\n"
    )
    version = dk.combine("sql@v1", str(tmp_path / "more.jsonl"), name="both", store=store.root)
    assert len(version) == 3 and [each["ref"] for each in version.manifest["parents"]] == ["sql@v1"]
    (tmp_path / "p.yaml").write_text(
        "name: clean\nsource: {source.versions: {of: [sql@v1, more.jsonl]}}\n"
        "steps:\n  - filter.length: {min_chars: 5}\n"
    )
    assert len(dk.run(tmp_path / "p.yaml", store=store.root)) == 2


@pytest.mark.parametrize("refs", [("sql@v9",), ("nowhere",), ()])
def test_what_is_not_there(store, refs):
    with pytest.raises(DatakitError):
        dk.combine(*refs, name="both", store=store.root)
    assert "both" not in store.names()
