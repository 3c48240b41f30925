"""Exports, read back by those whom they are for."""

import gzip
import json
import os

import pytest

from datakit.errors import InputError
from datakit.exporting import FORMATS, export, parse_shares
from datakit.reading import read_records
from datakit.record import Record
from datakit.store import Store
from tests.store.making import published

ODD = "\u202e <b>&amp;</b> \u2028 \U0001f600 ```"
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is the mill?"},
    {"role": "assistant", "content": "By the river."},
    {"role": "user", "content": "And then?"},
]
PLAIN = [
    Record(
        f"Count the boats, {n}.",
        input="A harbour." if n % 2 else "",
        output=f"{n}. {ODD}",
        id=f"p{n}",
    )
    for n in range(6)
]
CHAT = Record("And then?", output="It turns.", id="c", extra={"messages": TURNS})
PAIRS = [
    Record(f"Which is it, {n}?", output="The blue one.", id=f"d{n}", extra={"rejected": "None."})
    for n in range(4)
]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def rows(path):
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        return json.load(file) if ".jsonl" not in path.name else [json.loads(line) for line in file]


@pytest.mark.parametrize("format", ["alpaca", "messages", "sharegpt", "prompt-completion"])
@pytest.mark.parametrize("ending", ["json", "jsonl", "jsonl.gz"])
def test_what_datakit_writes_it_reads(store, tmp_path, format, ending):
    version = published(store, [*PLAIN, CHAT])
    out = tmp_path / f"out.{ending}"
    found = export(version, format, out)
    assert dict(found.rows) == {"train": 7} and not found.left_out
    read = list(read_records(str(out)))
    assert [each.prompt for each in read[:6]] == [each.prompt for each in PLAIN]
    assert [each.output for each in read] == [*(each.output for each in PLAIN), "It turns."]
    assert read[6].instruction == "And then?"
    again = tmp_path / f"again.{ending}"
    export(version, format, again)
    assert again.read_bytes() == out.read_bytes()


def test_a_chat_keeps_its_turns(store, tmp_path):
    version = published(store, [CHAT])
    for format in ("alpaca", "messages", "sharegpt"):
        export(version, format, tmp_path / f"{format}.jsonl")
    (alpaca,) = rows(tmp_path / "alpaca.jsonl")
    assert alpaca == {
        "instruction": "And then?",
        "input": "",
        "output": "It turns.",
        "system": "Be brief.",
        "history": [["Where is the mill?", "By the river."]],
    }
    (messages,) = rows(tmp_path / "messages.jsonl")
    assert messages["messages"] == [*TURNS, {"role": "assistant", "content": "It turns."}]
    (sharegpt,) = rows(tmp_path / "sharegpt.jsonl")
    assert [each["from"] for each in sharegpt["conversations"]] == ["human", "gpt"] * 2
    assert sharegpt["system"] == "Be brief."


@pytest.mark.parametrize("format", ["messages", "prompt-completion", "preference", "kto"])
def test_trl_takes_its_formats(store, tmp_path, format):
    datasets = pytest.importorskip("datasets")
    trl = pytest.importorskip("trl")
    export(published(store, PAIRS), format, tmp_path / "out.jsonl")
    made = datasets.load_dataset(
        "json", data_files=str(tmp_path / "out.jsonl"), split="train", cache_dir=str(tmp_path / "c")
    )
    assert len(made) == (8 if format == "kto" else 4)
    assert all(trl.is_conversational(row) for row in made)
    if format == "preference":
        assert trl.extract_prompt(dict(made[0]))["rejected"] == [
            {"role": "assistant", "content": "None."}
        ]
    if format == "kto":
        assert [row["label"] for row in made] == [True, False] * 4


def test_load_dataset_reads_the_folder_with_its_splits(store, tmp_path):
    datasets = pytest.importorskip("datasets")
    version = published(store, [*PLAIN, *PAIRS])
    found = export(version, "hf", tmp_path / "hf", shares=parse_shares("0.7/0.3"))
    made = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "c"))
    assert {name: len(part) for name, part in made.items()} == dict(found.rows)
    ids = {row["id"] for part in made.values() for row in part}
    assert ids == {each.id for each in (*PLAIN, *PAIRS)}
    assert found.rows["test"] > 0


def test_parquet_with_and_without_meta(store, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    version = published(store, PAIRS)
    export(version, "parquet", tmp_path / "a.parquet")
    export(version, "parquet", tmp_path / "b.parquet", anonymise=True)
    names = ["instruction", "input", "output", "rejected", "id", "meta"]
    assert parquet.read_table(tmp_path / "a.parquet").column_names == names
    assert parquet.read_table(tmp_path / "b.parquet").column_names == names[:-2]


def test_llama_factory_has_its_table(store, tmp_path):
    export(published(store, [*PLAIN, CHAT]), "llama-factory", tmp_path / "sft")
    info = json.loads((tmp_path / "sft" / "dataset_info.json").read_text())
    entry = info["sql_train"]
    data = rows(tmp_path / "sft" / entry["file_name"])
    assert len(data) == 7 and "ranking" not in entry
    # Each column that is named is in the data, under that name.
    assert set(entry["columns"].values()) == {key for row in data for key in row}
    export(published(store, PAIRS), "llama-factory", tmp_path / "dpo")
    entry = json.loads((tmp_path / "dpo" / "dataset_info.json").read_text())["sql_train"]
    assert entry["ranking"] is True
    data = rows(tmp_path / "dpo" / entry["file_name"])
    assert set(entry["columns"].values()) == set(data[0])


def test_axolotl_has_its_lines(store, tmp_path):
    import yaml

    shares = parse_shares("50/50")
    export(published(store, PLAIN), "axolotl", tmp_path / "ax", shares=shares)
    lines = yaml.safe_load((tmp_path / "ax" / "datasets.yaml").read_text())
    for entry in (*lines["datasets"], *lines["test_datasets"]):
        assert all("messages" in row for row in rows(tmp_path / "ax" / entry["path"]))


def test_what_has_no_such_form_is_counted(store, tmp_path):
    version = published(store, [*PAIRS, PLAIN[0], Record("No answer.", output="", id="n")])
    found = export(version, "preference", tmp_path / "out.jsonl")
    assert dict(found.left_out) == {"no_rejected": 1, "empty_output": 1}
    with pytest.raises(InputError, match="no record can be written as preference: no_rejected 6"):
        export(published(store, PLAIN), "preference", tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


def test_half_a_character_survives_as_an_escape(store, tmp_path):
    version = published(store, [Record("Half \ud83d of it", output="So.", id="h")])
    export(version, "alpaca", tmp_path / "out.json")
    assert rows(tmp_path / "out.json")[0]["instruction"] == "Half \ud83d of it"


@pytest.mark.parametrize(
    ("out", "format", "said"),
    [
        ("out.txt", "alpaca", "must end in one of"),
        ("store", "hf", "is there already"),
        ("nowhere/out.json", "alpaca", "there is no folder"),
        ("dir.json", "alpaca", "is a folder"),
    ],
)
def test_a_place_that_cannot_be(store, tmp_path, out, format, said):
    version = published(store, PLAIN)
    (tmp_path / "dir.json").mkdir()
    with pytest.raises(InputError, match=said):
        export(version, format, tmp_path / out)


def test_a_failed_write_leaves_what_was_there(store, tmp_path, monkeypatch):
    version = published(store, PLAIN)
    out = tmp_path / "out.json"
    export(version, "alpaca", out)
    before = out.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        export(version, "messages", out)
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "store"]


def test_terms_that_limit_training_are_told(store, tmp_path):
    version = published(store, PLAIN)
    terms = {"training": "limited", "limit": "not a competing model", "name": "Terms of X"}
    teacher = {"model": "m-1", "known_terms": [{**terms, "date": "2026-01-01", "url": "https://x"}]}
    version.manifest["teachers"] = [teacher]
    found = export(version, "alpaca", tmp_path / "out.json")
    (note,) = found.notes
    assert note.startswith("m-1: training is limited: not a competing model; see Terms of X")


def test_every_format_says_what_it_is():
    assert all(each.summary for each in FORMATS.values())
