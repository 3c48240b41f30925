"""What a user names is opened: files, versions, the hub, public sets in their own format."""

import gzip
import io
import json
import sys
import types
import warnings

import pytest

from datakit.errors import DatakitWarning, InputError, MissingExtraError, RecordError
from trainers.data import SETS, open_data
from trainers.examples import chats, labelled, pairs, reasons

ALPACA = {"instruction": "Name a river.", "input": "", "output": "The Rhine."}
HH = {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hub(monkeypatch):
    """A hub with rows to give; notes what it was asked for."""
    fake = types.SimpleNamespace(asked=[], rows=[], fails=None)

    def load(id, config=None, **options):
        fake.asked.append((id, config, options["split"], options["streaming"]))
        if isinstance(fake.fails, Exception):
            raise fake.fails

        def stream():
            yield from fake.rows
            if fake.fails:
                raise OSError("connection\nreset")

        return stream()

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load))
    return fake


def test_files_of_any_shape(folder):
    write(folder / "a.jsonl", [ALPACA, {"messages": [{"role": "user", "content": "q"}]}])
    assert [each.instruction for each in open_data("a.jsonl")] == ["Name a river.", "q"]
    write(folder / "b.jsonl", [{"q": "x", "a": "y"}])
    (record,) = open_data("b.jsonl", fields={"instruction": "q", "output": "a"})
    assert (record.instruction, record.output) == ("x", "y")


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(ALPACA).encode())))
    assert [each.output for each in open_data("-")] == ["The Rhine."]


def test_a_set_from_a_file_with_its_source_and_licence(folder):
    with gzip.open(folder / "a.jsonl.gz", "wt") as file:
        file.write(json.dumps({**ALPACA, "text": "all in one"}) + "\n")
    for name in ("alpaca", "tatsu-lab/alpaca"):
        (record,) = open_data(f"{name}={folder}/a.jsonl.gz")
        assert record.meta == {"source": "tatsu-lab/alpaca", "license": "CC-BY-NC-4.0"}
        assert (record.extra, len(record.id)) == ({}, 16)


def test_two_equal_rows_are_two_records(folder):
    write(folder / "a.jsonl", [ALPACA, ALPACA])
    assert len({each.id for each in open_data("alpaca=a.jsonl")}) == 2


def test_a_file_comes_before_a_set_of_its_name(folder):
    write(folder / "alpaca", [{**ALPACA, "mine": 1}])
    (record,) = open_data("alpaca")
    assert (record.extra, record.meta) == ({"mine": 1}, {})
    write(folder / "alpaca=b.jsonl", [ALPACA, ALPACA])
    assert len(list(open_data("alpaca=b.jsonl"))) == 2


def test_columns_under_other_names(folder):
    row = {"instruction": "a", "input": "b", "output": "c", "category": "qa"}
    write(folder / "d.jsonl", [row])
    (record,) = open_data("dolly-15k=d.jsonl", fields={"context": "input", "response": "output"})
    assert (record.prompt, record.output, record.meta["category"]) == ("a\nb", "c", "qa")
    with pytest.raises(RecordError, match=r'^d\.jsonl:1: the field "inptu" is missing; did you'):
        list(open_data("dolly-15k=d.jsonl", fields={"context": "inptu"}))


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_limit(limit, folder):
    write(folder / "a.jsonl", [ALPACA] * 3)
    assert len(list(open_data("alpaca=a.jsonl", limit=limit))) == min(limit, 3)
    assert len(list(open_data("a.jsonl", limit=limit))) == min(limit, 3)


def test_what_is_left_out_is_counted_or_told(folder):
    write(folder / "a.jsonl", [ALPACA, {**ALPACA, "output": " "}, {**ALPACA, "instruction": ""}])
    refused = []
    assert len(list(open_data("alpaca=a.jsonl", refused=refused))) == 1
    assert [(each.id, each.reason) for each in refused] == [
        ("a.jsonl:2", "empty_output"),
        ("a.jsonl:3", "empty_prompt"),
    ]
    with pytest.warns(
        DatakitWarning, match=r"^alpaca: left out 2 rows: empty_output 1, empty_prompt 1\.$"
    ):
        list(open_data("alpaca=a.jsonl"))
    write(folder / "b.jsonl", [ALPACA])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(open_data("alpaca=b.jsonl"))
    # Of one list for several sets only the own ones count.
    list(open_data("alpaca=b.jsonl", refused=refused))
    assert len(refused) == 2


def test_a_set_without_a_usable_row(folder):
    write(folder / "a.jsonl", [{**ALPACA, "output": ""}] * 3)
    with pytest.raises(
        InputError,
        match=r"^alpaca: none of its rows can be used: 3 rows: empty_.* The first, .*:1: ",
    ):
        list(open_data("alpaca=a.jsonl", refused=[]))
    write(folder / "empty.jsonl", [])
    with pytest.raises(InputError, match=r"^empty\.jsonl: there are no records in it"):
        list(open_data("alpaca=empty.jsonl"))


BROKEN = [
    ({"instruction": "a", "input": ""}, 'a.jsonl:2: "output" is missing. alpaca has instruction, '),
    (
        {"instruction": "a", "input": "", "outputs": "b"},
        'a.jsonl:2: "output" is missing; did you mean "outputs"? alpaca has instruction, input',
    ),
    ({**ALPACA, "input": None}, 'a.jsonl:2: "input" must be a text, not null.'),
    ({**ALPACA, "output": ["x"]}, 'a.jsonl:2: "output" must be a text, not a list.'),
]


@pytest.mark.parametrize(("row", "message"), BROKEN, ids=lambda each: str(each)[-30:])
def test_rows_of_another_format_name_file_line_and_column(row, message, folder):
    write(folder / "a.jsonl", [ALPACA, row])
    with pytest.raises(RecordError) as caught:
        list(open_data("alpaca=a.jsonl"))
    assert str(caught.value).startswith(message)


def test_mistakes_of_file_and_columns_are_told_together(folder):
    (folder / "a.jsonl").write_text('{"chosen": 1, "rejected": "x"}\nnot json\n{"chosen": "a"}\n')
    with pytest.raises(RecordError) as caught:
        list(open_data("hh-rlhf=a.jsonl"))
    assert [each.split()[0] for each in caught.value.problems] == [
        "a.jsonl:1:",
        "a.jsonl:2:1:",
        "a.jsonl:3:",
    ]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("hh-rlhf", {"want": "chat"}, "^hh-rlhf: gives pairs, no chats. .* not meant for superv"),
        ("alpaca", {"want": "pair"}, "^alpaca: gives chats, no pairs"),
        ("gsm8k", {"want": "label"}, "^gsm8k: gives chats, no pairs"),
        ("hh-rlhf:tset", {}, 'has no split "tset"; did you mean "test"\\? It has: train, test'),
        ("alpaca:test", {}, 'alpaca has no split "test"'),
        ("hh-rlhf:test=a.jsonl", {}, "a file has no splits; write hh-rlhf=a.jsonl"),
        ("hh-rlhf=none.jsonl", {}, "^none.jsonl: there is no such file"),
        ("hh-rlf=a.jsonl", {}, '"hh-rlf" is no public set and no file; did you mean "hh-rlhf"'),
        ("hh_rlhf", {}, 'is no public set and no file; did you mean "hh-rlhf"'),
        ("x.jsonl", {}, "^x.jsonl: there is no such file"),
        ("alpaca", {"limit": 0}, "^limit must be 1 or more, not 0"),
    ],
)
def test_mistakes(text, options, message, folder, hub):
    write(folder / "a.jsonl", [HH])
    with pytest.raises(InputError, match=message):
        list(open_data(text, **options))
    assert hub.asked == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("hh-rlhf", ("Anthropic/hh-rlhf", None, "train", True)),
        ("hh-rlhf:test", ("Anthropic/hh-rlhf", None, "test", True)),
        ("Anthropic/hh-rlhf:test", ("Anthropic/hh-rlhf", None, "test", True)),
    ],
)
def test_a_set_from_the_hub(text, wanted, hub):
    hub.rows = [HH]
    (record,) = open_data(text)
    assert hub.asked == [wanted]
    assert (record.instruction, record.output, record.extra) == ("a", "b", {"rejected": "c"})
    assert record.meta == {"source": "Anthropic/hh-rlhf", "license": "MIT"}


def test_a_set_with_a_configuration(hub):
    hub.rows = [{"question": "1 + 1?", "answer": "2\n#### 2"}]
    assert [each.output for each in open_data("gsm8k:test")] == ["2\n#### 2"]
    assert hub.asked == [("openai/gsm8k", "main", "test", True)]


def test_any_other_dataset_of_the_hub(hub):
    hub.rows = [{"messages": [{"role": "user", "content": "q"}], "when": None}]
    assert [each.instruction for each in open_data("owner/name")] == ["q"]
    assert [each.instruction for each in open_data("owner/name:test_sft")] == ["q"]
    assert [asked[:3] for asked in hub.asked] == [
        ("owner/name", None, "train"),
        ("owner/name", None, "test_sft"),
    ]


@pytest.mark.parametrize("text", ["alpaca", "owner/name", "owner/name:test"])
def test_a_hub_that_cannot_be_reached(text, hub):
    hub.fails = ConnectionError("Max retries\n exceeded")
    with pytest.raises(InputError, match=r"cannot be loaded from the hub: Max retries exceeded$"):
        list(open_data(text))


def test_a_hub_that_breaks_off(hub):
    hub.rows, hub.fails = [ALPACA], True
    records = open_data("alpaca")
    assert next(records).output == "The Rhine."
    with pytest.raises(
        InputError, match=r"alpaca:train: cannot be read after row 1: connection reset$"
    ):
        next(records)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match="hub"):
        list(open_data("alpaca"))


ROWS = {
    "dolly-15k": {"instruction": "a", "context": "b", "response": "c"},
    "oasst1": None,
    "gsm8k": {"question": "a", "answer": "b"},
    "helpsteer2": None,
    "hh-rlhf": HH,
    "orca_dpo_pairs": {"system": "", "question": "a", "chosen": "b", "rejected": "c"},
}


@pytest.mark.parametrize("name", [each.name for each in {id(s): s for s in SETS.values()}.values()])
def test_each_set_is_in_the_table_as_a_whole(name, folder):
    known = SETS[name]
    assert SETS[known.id] is known
    assert known.license and known.terms.endswith(".") and "/" in known.id
    assert known.splits[0] == "train"
    row = ROWS.get(name, ALPACA)
    if row is None:
        return
    write(folder / "a.jsonl", [row])
    usual = next(iter(known.gives))
    built = {"chat": chats, "pair": pairs}[usual](open_data(f"{name}=a.jsonl", want=usual))
    assert len(list(built)) == 1
    if usual == "pair":
        good = [each.good for each in labelled(open_data(f"{name}=a.jsonl", want="label"))]
        assert good == [True, False]


def test_refused_rows_have_reasons_in_snake_case(folder):
    rows = [ALPACA, {**ALPACA, "output": ""}]
    refused = []
    list(open_data("alpaca=" + write(folder / "a.jsonl", rows), refused=refused))
    assert reasons(refused) == {"empty_output": 1}
