import enum
import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from datakit.fingerprint import EXCLUDED, file_sha256, identity, made_id, source_id
from datakit.llm.teacher import Teacher
from datakit.record import Record, digest
from datakit.step import FilePath, FileRef
from tests.running.steps import unlisted


class Colour(enum.Enum):
    RED = "red"


@unlisted("test.fields")
class Fields:
    """Has a field of every kind."""

    words: frozenset[str] = frozenset({"b", "a", "c"})
    colour: Colour = Colour.RED
    amount: Decimal = Decimal("1.10")
    day: date = date(2026, 1, 2)
    pair: tuple[int, float] = (1, 2.0)
    file: FileRef = FileRef("")

    def check(self, record):
        return None


def test_every_kind_of_field_has_an_identity():
    step = Fields()
    assert digest(identity(step)) == digest(identity(Fields(words=frozenset({"c", "b", "a"}))))
    assert identity(step)["name"] == "test.fields"
    others = [
        Fields(words=frozenset({"a"})),
        Fields(amount=Decimal("1.1000001")),
        Fields(day=date(2026, 1, 3)),
        Fields(pair=(1, 2.5)),
        Fields(file=FileRef("name")),
    ]
    assert len({digest(identity(each)) for each in [step, *others]}) == 6


def test_a_file_counts_by_its_bytes(tmp_path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_text("a")
    two.write_text("a")
    assert identity(FileRef(str(one))) == identity(FileRef(str(two)))
    two.write_text("b")
    assert identity(FileRef(str(one))) != identity(FileRef(str(two)))
    assert identity(Path("a")) == "a"


@pytest.mark.parametrize("kind", [FilePath, FileRef])
def test_a_path_counts_by_content_whatever_its_ending(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one.txt", "two"):
        Path(name).write_text("a")
    assert identity(kind("one.txt")) == identity(kind("two")) == {"sha256": file_sha256("two")}
    assert identity(kind("gone")) == "gone"
    assert identity(kind("")) == ""


def test_a_folder_counts_by_its_files(tmp_path):
    def folder(name, files):
        for path, text in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
        return identity(FileRef(str(tmp_path / name)))

    first = folder("one", {"config.json": "{}", "deep/weights": "w"})
    assert folder("two", {"deep/weights": "w", "config.json": "{}"}) == first
    assert len(first["sha256"]) == 64
    assert folder("three", {"config.json": "{}", "deep/weights": "v"}) != first
    assert folder("four", {"config.json": "{}", "weights": "w"}) != first
    (tmp_path / "one/more").write_text("")
    assert identity(FileRef(str(tmp_path / "one"))) != first


def test_a_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "file"
    path.write_text("a")
    first = file_sha256(path)
    path.write_text("b")
    os.utime(path, ns=(1, 1))
    assert file_sha256(path) != first


@pytest.mark.parametrize("field", sorted(EXCLUDED.keys() & set(Teacher.__dataclass_fields__)))
def test_what_is_excluded_makes_no_difference(field):
    values = {
        "mode": "batch",
        "api_key_env": "OTHER",
        "base_url": "http://x",
        "price": {"input": "1"},
        "limits": {"requests_per_minute": 60},
    }
    other = Teacher(provider="openai", model="m", **{field: values.get(field, 7)})
    assert identity(other) == identity(Teacher(provider="openai", model="m"))


def test_ids():
    record = Record("q", output="a")
    assert source_id(record, 0) != source_id(record, 1)
    assert source_id(record, 0) == source_id(record.with_meta(x=1).replace(id="i"), 0)
    step = Fields()
    ids = {
        made_id(step, ("a",), ("k",), 0),
        made_id(step, ("a",), ("k",), 1),
        made_id(step, ("a",), ("l",), 0),
        made_id(step, ("b",), ("k",), 0),
        made_id(step, ("a", "b"), ("k",), 0),
        made_id(step, ("a",), ("b", "k"), 0),
        made_id(Fields(pair=(2, 2.0)), ("a",), ("k",), 0),
    }
    assert len(ids) == 7


def test_all_fields_of_a_step_count_and_so_does_its_code():
    def made(seconds, body):
        namespace = {"__module__": "notebook", "check": body, "__annotations__": {"timeout": int}}
        cls = unlisted("test.code")(type("Code", (), {**namespace, "timeout": 1}))
        return identity(cls(timeout=seconds))

    def one(self, record):
        return None

    def other(self, record):
        return bool(record)

    assert made(1, one) == made(1, one)
    assert made(1, one) != made(2, one), "a step's timeout may change the data"
    assert made(1, one) != made(1, other), "an edited cell is another step"
