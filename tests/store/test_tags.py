import multiprocessing

import pytest

from datakit.errors import StoreError
from datakit.store import Store
from tests.store.making import published, record


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    for _ in range(3):
        published(made, [record("a")])
    return made


def test_a_tag_is_a_version_wherever_one_is_named(store):
    store.tags("sql").set("best", "v2")
    assert store.load("sql@best").ref == "sql@v2"
    assert store.load("sql@best~1").ref == "sql@v1"
    assert store.tags("sql").all() == {"best": "v2"}
    # A tag is no version, and no dataset.
    assert store.numbers("sql") == [1, 2, 3]
    assert store.names() == ["sql"]


def test_a_tag_stays_unless_it_is_moved(store):
    tags = store.tags("sql")
    tags.set("best", "v2")
    tags.set("best", "v2")
    with pytest.raises(StoreError, match=r'the tag "best" is that of v2; --move'):
        tags.set("best", "v3")
    assert tags.get("best") == "v2"
    tags.set("best", "v3", move=True)
    assert store.load("sql@best").ref == "sql@v3"
    assert tags.remove("best") == "v3"
    assert tags.all() == {}
    with pytest.raises(StoreError, match="no tag"):
        tags.remove("best")


@pytest.mark.parametrize(
    "name",
    [
        *("", "../x", "/etc/x", "a/b", "a\0b", "Best", "x" * 65, ".hidden", "-x", "a.", "é"),
        *("con", "nul.txt", "com1", "latest", "v1", "v01", "a\n"),
    ],
)
def test_what_cannot_be_a_tag(store, name):
    with pytest.raises(StoreError, match="cannot be a tag"):
        store.tags("sql").set(name, "v1")
    assert not (store.root / "sql" / "tags").exists()


@pytest.mark.parametrize("text", ["", "v0", "../v1", "v1/../v2", "latest", "\xff\xfe"])
def test_a_damaged_tag_is_none(store, text):
    store.tags("sql").set("best", "v1")
    (store.root / "sql" / "tags" / "best").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match=r'no "sql@best"; sql has v1, v2, v3\.$'):
        store.load("sql@best")


def test_a_tag_of_a_version_that_is_gone(store):
    store.tags("sql").set("old", "v9")
    with pytest.raises(StoreError, match=r'there is no "sql@old"; sql has v1, v2, v3, old'):
        store.load("sql@old")


def _take(root, version, queue):
    try:
        Store(root).tags("sql").set("first", version)
        queue.put(version)
    except StoreError:
        queue.put(None)


def test_of_two_who_take_a_tag_one_has_it(store):
    queue = multiprocessing.Queue()
    both = [
        multiprocessing.Process(target=_take, args=(store.root, version, queue))
        for version in ("v1", "v2")
    ]
    for each in both:
        each.start()
    said = [queue.get(timeout=30) for _ in both]
    for each in both:
        each.join()
    assert sorted(map(str, said)) in (["None", "v1"], ["None", "v2"])
    assert store.tags("sql").get("first") in said
    assert len(list((store.root / "sql" / "tags").iterdir())) == 1


def test_a_folder_that_cannot_be_written(store):
    (store.root / "sql" / "tags").write_text("a file in its place")
    with pytest.raises(StoreError, match="cannot be written"):
        store.tags("sql").set("best", "v1")
