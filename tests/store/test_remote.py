"""Versions pushed and pulled through real file systems: a folder's, and fsspec's memory."""

import pytest

from datakit.errors import StoreError
from datakit.store import Store
from datakit.store.remote import pull, push
from tests.store.making import published, record

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    published(made, [record("a"), record("b", "\u2028 \U0001f600")], [record("c", "x")])
    return made


@pytest.fixture(params=["folder", "file", "memory"])
def place(request, tmp_path):
    if request.param == "memory":
        yield "memory://bucket/datasets"
        fsspec.filesystem("memory").rm("/bucket", recursive=True)
        return
    yield f"{'file://' if request.param == 'file' else ''}{tmp_path}/share"


def listed(place):
    system, root = fsspec.core.url_to_fs(place)
    return sorted(str(path).rpartition("/")[2] for path in system.find(root))


def test_there_and_back_it_is_the_same(store, place, tmp_path):
    version = store.load("sql@v1")
    where, sent = push(version, place)
    assert where == f"{place}/sql@v1" and sent > 0
    assert "uploading" not in listed(place)
    other = Store(tmp_path / "other")
    got = pull(where, other)
    assert got.ref == "sql@v1" and got.verify() == []
    for path in version.path.iterdir():
        assert (got.path / path.name).read_bytes() == path.read_bytes()
    assert pull(f"{place}/sql@latest", other).path == got.path
    assert push(version, place) == (where, 0)


class Cut(OSError):
    pass


@pytest.mark.parametrize("at", range(8))
def test_a_push_that_is_cut_off_shows_nothing_and_goes_on(store, tmp_path, monkeypatch, at):
    place, version = "memory://bucket/cut", store.load("sql@v1")
    memory = type(fsspec.filesystem("memory"))
    calls = []

    def fails(name):
        own = getattr(memory, name)

        def called(self, *args, **more):
            calls.append(name)
            if len(calls) == at + 1:
                raise Cut(104, "Connection reset by peer")
            return own(self, *args, **more)

        return called

    with monkeypatch.context() as patched:
        for name in ("_open", "pipe_file", "rm_file"):
            patched.setattr(memory, name, fails(name))
        try:
            push(version, place)
        except StoreError as error:
            assert "Connection reset by peer; the same command goes on" in str(error)
    other = Store(tmp_path / "other")
    if "manifest.json" not in listed(place):
        with pytest.raises(StoreError, match="no such version"):
            pull(f"{place}/sql@v1", other)
    push(version, place)
    assert pull(f"{place}/sql@v1", other).verify() == []
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_what_another_upload_left_is_not_trusted(store, tmp_path):
    share = tmp_path / "share"
    version = store.load("sql@v1")
    (share / "sql" / "v1").mkdir(parents=True)
    size = (version.path / "data.jsonl").stat().st_size
    (share / "sql" / "v1" / "data.jsonl").write_bytes(b"x" * size)
    (share / "sql" / "v1" / "uploading").write_text("another")
    push(version, str(share))
    assert pull(f"{share}/sql@v1", Store(tmp_path / "other")).verify() == []


def test_nothing_is_overwritten_on_either_side(store, tmp_path):
    share = str(tmp_path / "share")
    push(store.load("sql@v1"), share)
    other = Store(tmp_path / "other")
    published(other, [record("z")])
    with pytest.raises(StoreError, match=r"has another sql@v1; it is never overwritten"):
        push(other.load("sql@v1"), share)
    with pytest.raises(StoreError, match=r"has another sql@v1; pull with another --store"):
        pull(f"{share}/sql@v1", other)
    assert next(other.load("sql@v1").records()).id == "z"


def test_a_damaged_version_is_neither_sent_nor_taken(store, tmp_path):
    share = tmp_path / "share"
    push(store.load("sql@v1"), str(share))
    data = share / "sql" / "v1" / "data.jsonl"
    data.write_bytes(data.read_bytes().replace(b"an answer", b"AN ANSWER"))
    other = Store(tmp_path / "other")
    with pytest.raises(StoreError, match="was changed after it was written"):
        pull(f"{share}/sql@v1", other)
    assert other.names() == []
    own = store.root / "sql" / "v1" / "data.jsonl"
    own.write_bytes(own.read_bytes() + b" ")
    with pytest.raises(StoreError, match="was changed"):
        push(store.load("sql@v1"), str(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("sql@v1", "names no version"),
        ("share/sql", "names no version"),
        ("share/../sql@v01", "names no version"),
        ("{share}/sql@v7", "no such version; there are v1"),
        ("{share}/other@latest", "no such version"),
        ("nowhere://x/sql@v1", "Protocol not known"),
    ],
)
def test_what_is_not_there(store, tmp_path, source, said):
    push(store.load("sql@v1"), f"{tmp_path}/share")
    with pytest.raises(StoreError, match=said):
        pull(source.format(share=f"{tmp_path}/share"), Store(tmp_path / "other"))
