import json

import pytest

from datakit.errors import StoreError
from datakit.store import Store
from datakit.store.gc import garbage, remove, size
from datakit.store.version import manifest_sha256
from tests.store.making import published, record


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    for _ in range(4):
        published(made, [record("a")])
    return made


def refs(versions):
    return [each.ref for each in versions]


def descend(version, *parents):
    """Writes parents into a manifest, as a merge does."""
    manifest = {**version.manifest, "parents": list(parents)}
    manifest["manifest_sha256"] = manifest_sha256(manifest)
    (version.path / "manifest.json").write_text(json.dumps(manifest))


def test_the_newest_stay(store):
    assert refs(garbage(store)) == ["sql@v1", "sql@v2", "sql@v3"]
    assert refs(garbage(store, keep=3)) == ["sql@v1"]
    assert refs(garbage(store, keep=0)) == ["sql@v1", "sql@v2", "sql@v3"]


def test_tags_and_parents_stay_also_those_of_parents_and_of_other_datasets(store):
    store.tags("sql").set("best", "v3")
    descend(store.load("sql@v3"), {"ref": "sql@v2"})
    assert refs(garbage(store)) == ["sql@v1"]
    other = published(store, [record("b")], name="other")
    descend(other, "sql@v1")
    assert garbage(store) == []
    assert garbage(store, "sql") == []


def test_removed_ones_are_gone_and_numbers_are_not_given_again(store):
    found = garbage(store)
    assert size(found) > 0
    assert remove(store, found) == ["sql@v1", "sql@v2", "sql@v3"]
    assert store.numbers("sql") == [4]
    assert sorted(each.name for each in (store.root / "sql").iterdir()) == [".lock", "v4"]
    assert published(store, [record("a")]).ref == "sql@v5"


def test_what_was_tagged_meanwhile_stays(store):
    found = garbage(store)
    store.tags("sql").set("late", "v1")
    assert remove(store, found) == ["sql@v2", "sql@v3"]
    assert store.load("sql@late").ref == "sql@v1"


def test_a_dataset_that_is_being_written_is_left_alone(store):
    found = garbage(store)
    with store.writing("sql"), pytest.raises(StoreError, match="is writing this dataset"):
        remove(store, found)
    assert store.numbers("sql") == [1, 2, 3, 4]


def test_nothing_is_removed_where_a_version_cannot_be_read(store):
    (store.root / "sql" / "v4" / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        garbage(store)


def test_what_a_killed_removal_left_is_no_version(store):
    (store.root / "sql" / "v1").rename(store.root / "sql" / ".gone-v1")
    assert store.numbers("sql") == [2, 3, 4]
    with store.writing("sql"):
        pass
    assert not (store.root / "sql" / ".gone-v1").exists()


def test_a_dataset_that_is_not_there(store):
    with pytest.raises(StoreError, match='did you mean "sql"'):
        garbage(store, "sqll")
