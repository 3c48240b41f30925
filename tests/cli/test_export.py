"""export, as it is typed."""

import json

import pytest

from datakit.record import Record
from datakit.store import Store
from tests.store.making import published


@pytest.fixture
def version(folder):
    records = [Record(f"Count {n} boats.", output=f"{n}.", id=f"r{n}") for n in range(10)]
    return published(Store("datasets"), [*records, Record("None.", output="", id="n")])


def test_a_file(version, cli):
    ran = cli("export sql@v1 --format messages -o out.jsonl")
    assert (ran.code, ran.out) == (0, "out.jsonl   10 rows\n")
    assert ran.err == "left out: 1 record: empty_output\n"


def test_a_split_as_json(version, cli):
    said = json.loads(cli("export sql@v1 --format alpaca -o out --split 80/20 --json").out)
    assert said["files"] == {"train": "out/train.json", "test": "out/test.json"}
    assert sum(said["rows"].values()) == 10 and said["left_out"] == {"empty_output": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("export sql@v1 --format mesages -o o.jsonl", 'there is no "mesages"; did you mean'),
        ("export sql@v1 --format messages -o o.txt", "o.txt: must end in one of"),
        ("export sql@v1 --format messages -o o --split 1/1", "--split 1/1: must be"),
        ("export sql@v1 --format kto -o o.jsonl", "no record can be written as kto: no_label 10"),
        ("export sql@v2 --format kto -o o.jsonl", "sql has v1"),
        ("export sql@v1 --format hf -o datasets", "datasets: is there already"),
    ],
)
def test_what_is_wrong(version, cli, line, said):
    ran = cli(line)
    assert ran.code == 2 and said in ran.err and "Traceback" not in ran.err
