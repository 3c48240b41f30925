import bz2
import gzip
import io
import json
import pickle
import sys
import warnings
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datakit import rows as rows_module
from datakit.errors import InputError, RecordError
from datakit.fingerprint import source_id
from datakit.reading import Absent, identified, parse_object, plain_row, read_records, read_rows
from datakit.record import Record

ROWS = [
    {"instruction": "Name a river.", "input": "", "output": "The Rhine."},
    {"instruction": "Nenne einen Fluß. 河", "input": 'a,"b"\nc', "output": "Die Spree."},
]


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def csv(rows):
    quoted = [[each.replace('"', '""') for each in row.values()] for row in rows]
    lines = [",".join(rows[0]), *(",".join(f'"{each}"' for each in row) for row in quoted)]
    return ("\r\n".join(lines) + "\r\n").encode()


def parquet(rows):
    arrow = pytest.importorskip("pyarrow")
    file = io.BytesIO()
    import pyarrow.parquet

    pyarrow.parquet.write_table(arrow.Table.from_pylist(rows), file)
    return file.getvalue()


def zst(raw):
    return pytest.importorskip("zstandard").compress(raw)


FORMS = {
    "a.jsonl": jsonl,
    "a.txt": jsonl,
    "a.jsonl.gz": lambda rows: gzip.compress(jsonl(rows)),
    "a.jsonl.zst": lambda rows: zst(jsonl(rows)),
    "two members.jsonl.gz": lambda rows: (
        gzip.compress(jsonl(rows[:1])) + gzip.compress(jsonl(rows[1:]))
    ),
    "a.json": lambda rows: json.dumps(rows, indent=2).encode(),
    "a.json.gz": lambda rows: gzip.compress(json.dumps(rows).encode()),
    "a.json.zst": lambda rows: zst(json.dumps(rows).encode()),
    "a.csv": csv,
    "a.csv.gz": lambda rows: gzip.compress(csv(rows)),
    "a.csv.zst": lambda rows: zst(csv(rows)),
    "a.parquet": parquet,
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FORMS[name](ROWS))
    assert [row for _, row in read_rows(str(path))] == ROWS
    records = list(read_records(str(path), answers=True))
    assert [(each.instruction, each.input, each.output) for each in records] == [
        tuple(row.values()) for row in ROWS
    ]
    assert [each.id for each in records] == [source_id(each, 0) for each in records]


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(jsonl(ROWS) + b"x\n")))
    rows = read_rows("-")
    assert [next(rows) for _ in ROWS] == [
        (f"standard input:{at}", row) for at, row in enumerate(ROWS, 1)
    ]
    with pytest.raises(RecordError, match=r"^standard input:3:1: not JSON: expecting value\.$"):
        next(rows)


@pytest.mark.parametrize(
    ("raw", "places"),
    [
        (b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"a": 2}', [1, 4]),
        (b'{"a": 1}\n{"a": 2}\n', [1, 2]),
        (b'\n\n{"a": 1}', [3]),
        # Only a line feed ends a line of JSONL; these may stand in a text.
        ('{"a": "\u2028\u0085\x0b"}\n{"a": 1}'.replace("\x0b", "").encode(), [1, 2]),
    ],
)
def test_lines_are_counted_as_an_editor_does(raw, places, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_bytes(raw)
    assert [where for where, _ in read_rows("a.jsonl")] == [f"a.jsonl:{at}" for at in places]


@pytest.mark.parametrize(
    ("raw", "places"),
    [
        (b"a,b\n1,2\n3,4\n", [2, 3]),
        (b'a,b\n\n"1\n\n1",2\n3,4\n', [3, 6]),
        (b'"a\nx",b\r\n1,2', [3]),
    ],
)
def test_a_row_of_csv_is_where_it_begins(raw, places, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_bytes(raw)
    assert [where for where, _ in read_rows("a.csv")] == [f"a.csv:{at}" for at in places]


def test_paths_are_shown_from_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_text("x\n")
    monkeypatch.chdir(tmp_path)
    for path in ("in/a.jsonl", "./in/a.jsonl", tmp_path / "in/a.jsonl"):
        with pytest.raises(RecordError, match=r"^(\./)?in/a\.jsonl:1:1: "):
            list(read_rows(str(path)))
    monkeypatch.chdir(tmp_path / "in")
    (tmp_path / "b.jsonl").write_text("x\n")
    with pytest.raises(RecordError, match=rf"^{tmp_path}/b\.jsonl:1:1: "):
        list(read_rows(str(tmp_path / "b.jsonl")))


def test_reading_is_lazy(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(ROWS) * 1000 + b"x\n")
    first = next(read_records(str(path)))
    assert first.instruction == ROWS[0]["instruction"]


@pytest.mark.parametrize("name", ["no.jsonl", "no.csv", "no.json", "no.parquet", "no.jsonl.gz"])
def test_missing(name, tmp_path):
    if "parquet" in name:
        pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match=r": there is no such file\.$"):
        list(read_rows(str(tmp_path / name)))


def test_mistakes_are_told_in_the_order_of_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text('x\n{"output": "a"}\n{"instruction": 1}\n[]\n')
    with pytest.raises(RecordError) as caught:
        list(read_records("a.jsonl"))
    assert [each.split()[0] for each in caught.value.problems] == [
        "a.jsonl:1:1:",
        "a.jsonl:2:",
        "a.jsonl:3:",
        "a.jsonl:4:",
    ]


def test_ids():
    def read(*ids):
        rows = [{"instruction": "a", "output": "b", **({"id": id} if id else {})} for id in ids]
        return list(identified(((f"[{at}]", row) for at, row in enumerate(rows)), "x"))

    twice = read("", "")
    assert len({record.id for record in twice}) == 2
    assert [record.id for record in read("", "", "")[:2]] == [record.id for record in twice]
    own = read("x", "y", "x", 7)
    assert [record.id for record in own[:2]] == ["x", "y"]
    assert own[2].meta["source_id"] == "x"
    assert own[3].meta["source_id"] == 7
    assert len({record.id for record in own}) == 4


def test_inserting_a_record_renumbers_none():
    def ids(*texts):
        rows = (("", {"instruction": text, "output": "b"}) for text in texts)
        return {record.instruction: record.id for record in identified(rows, "x")}

    less, more = ids("a", "c"), ids("a", "b", "c")
    assert less.items() <= more.items()


@pytest.mark.parametrize(
    ("fields", "row", "wanted"),
    [
        ({"instruction": "q", "output": "a"}, {"q": "x", "a": "y"}, Record("x", output="y")),
        ({"instruction": "q"}, {"q": "x", "k": 1}, Record("x", extra={"k": 1})),
        # What else has our name gives way to what the user names.
        ({"output": "a"}, {"instruction": "x", "output": "old", "a": "y"}, Record("x", output="y")),
    ],
)
def test_fields(fields, row, wanted):
    (record,) = identified([("", row)], "x", fields=fields)
    assert record.replace(id="") == wanted


def test_fields_that_are_missing():
    with pytest.raises(
        RecordError, match=r'^f:1: the field "qestion" is missing; did you mean "question"\?$'
    ):
        list(identified([("f:1", {"question": "x"})], "f", fields={"instruction": "qestion"}))


def test_a_dropped_record_can_be_read_again():
    row = {"instruction": "x", "output": "y", "dropped": {"step": "s", "reason": "r"}}
    (record,) = identified([("", row)], "x")
    assert record.extra == {"dropped_before": {"step": "s", "reason": "r"}}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (1.5, 1.5),
        (True, True),
        (None, None),
        (2**70, 2**70),
        (date(2020, 2, 1), "2020-02-01"),
        (datetime(2020, 2, 1, 3, 4, 5, tzinfo=UTC), "2020-02-01T03:04:05+00:00"),
        (Decimal("1.50"), "1.50"),
        ([("k", 1)], [["k", 1]]),
        ({"a": [float("nan")], 1: "x"}, {"a": [None], "1": "x"}),
    ],
)
def test_typed_values_become_json(value, wanted):
    assert plain_row({"k": value}, "f:1") == {"k": wanted}


def test_values_without_a_json_form():
    with pytest.raises(
        RecordError, match=r'^f:1: "a\.b" is bytes, which a JSON record cannot hold'
    ):
        plain_row({"a": {"b": b"x"}}, "f:1")


def test_parquet_with_types_and_nulls(tmp_path):
    rows = [
        {
            "instruction": "a",
            "input": None,
            "output": "b",
            "meta": None,
            "when": date(2020, 1, 1),
            "f": float("nan"),
        },
        {
            "instruction": "c",
            "input": "d",
            "output": "e",
            "meta": {"license": "x"},
            "when": None,
            "f": 1.0,
        },
    ]
    (tmp_path / "a.parquet").write_bytes(parquet(rows))
    first, second = read_records(str(tmp_path / "a.parquet"))
    assert (first.input, first.meta, first.extra) == ("", {}, {"when": "2020-01-01", "f": None})
    assert second.meta == {"license": "x"}
    json.loads(first.to_line())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=5), st.booleans())
def test_an_object_is_parsed_as_json_has_it(row, ascii_only):
    text = json.dumps(row, ensure_ascii=ascii_only)
    assert parse_object(text.encode("utf-8", "surrogatepass") if ascii_only else text, "x") == row


@given(
    st.binary(max_size=60) | st.text(alphabet='{}[]":,\\ua0e1.-\n ', max_size=40).map(str.encode)
)
def test_any_bytes_are_an_object_or_a_plain_mistake(raw):
    try:
        assert isinstance(parse_object(raw, "f:1"), dict)
    except RecordError as error:
        assert str(error).startswith("f:1")
        assert "\n" not in str(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([*FORMS, "a.jsonl.gz", "a.parquet"]),
    cut=st.integers(0, 99),
    flip=st.integers(0, 999),
)
def test_damaged_files_of_all_forms(name, cut, flip, tmp_path):
    raw = bytearray(FORMS[name](ROWS))
    raw[flip % len(raw)] ^= 0xFF
    path = tmp_path / name
    path.write_bytes(raw[: len(raw) * (100 - cut) // 100])
    try:
        list(read_records(str(path)))
    except InputError as error:
        assert all(str(tmp_path) in each or "first mistakes" in each for each in error.problems)


def test_longest_line(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "MAX_LINE", 64)
    row = b'{"instruction": "' + b"x" * 44 + b'"}'
    assert len(row) == 63
    (tmp_path / "a.jsonl").write_bytes(row + b"\n")
    assert len(list(read_rows(str(tmp_path / "a.jsonl")))) == 1
    (tmp_path / "a.jsonl").write_bytes(row + b"  \n")
    with pytest.raises(RecordError, match="the line is longer than"):
        list(read_rows(str(tmp_path / "a.jsonl")))


def test_an_unknown_ending_is_jsonl(tmp_path):
    (tmp_path / "a.bz2").write_bytes(bz2.compress(jsonl(ROWS)))
    with pytest.raises(RecordError, match=r"a\.bz2:1: the file is not text"):
        list(read_rows(str(tmp_path / "a.bz2")))


SHARED = [Record(f"i{at}").replace(id="") for at in range(3)]
OWN_IDS = ["a", "b", *(source_id(each, at) for each in SHARED for at in range(3))]
ANY_ROWS = st.lists(
    st.tuples(st.sampled_from(SHARED), st.sampled_from(["", "", *OWN_IDS])), max_size=12
)


def ids(rows):
    made = (
        (f"f:{at}", {"instruction": each.instruction, **({"id": own} if own else {})})
        for at, (each, own) in enumerate(rows, 1)
    )
    return [record.id for record in identified(made, "f")] if rows else []


@given(rows=ANY_ROWS, new=st.sampled_from(["", "new"]), at=st.integers(0, 12))
def test_ids_are_unique_and_another_row_renumbers_nothing(rows, new, at):
    at = min(at, len(rows))
    found = ids(rows)
    assert all(found)
    assert len(set(found)) == len(found)
    more = ids([*rows[:at], (Record("another"), new), *rows[at:]])
    assert [*more[:at], *more[at + 1 :]] == found


def test_a_version_read_together_with_its_seeds():
    (made,) = ids([(SHARED[0], "")])
    both = ids([(SHARED[0], made), (SHARED[0], ""), (SHARED[1], "")])
    assert both == [made, source_id(SHARED[0], 1), source_id(SHARED[1], 0)]


@pytest.mark.parametrize("name", FORMS)
def test_files_are_closed(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FORMS[name](ROWS))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        list(read_rows(str(path)))
    assert [str(each.message) for each in seen if each.category is ResourceWarning] == []


NOT_TEXT = [
    (
        "a.jsonl",
        b"\0" * 40,
        "a.jsonl:1: the file is not text. Data are JSONL, JSON, CSV or",
    ),
    ("a.jsonl", b"\0\x17\xff{\x02", "a.jsonl:1: the file is not text."),
    ("a.jsonl", b"GGUF\3\0\0\0\x10\1\0\0", "a.jsonl:1: the file is not text."),
    ("a.json", b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a.json: the file is not text."),
    ("a.csv", b"\x8a\x01\x03\xf0\n", "a.csv:1: the file is not text."),
    ("a.jsonl", b"PAR1\x15\4", "a.jsonl:1: the file is Parquet. Let its name end in .parquet."),
    ("a.jsonl", gzip.compress(b"{}"), "a.jsonl:1: the file is packed with gzip. Let its name end"),
    ("a.csv", b"PK\3\4\x14\0", "a.csv:1: the file is a ZIP archive or an Excel sheet."),
    # Text all the same: another encoding, a slip in one record, a character that is cut.
    ("a.jsonl", '[{"a": "ö"}]'.encode("utf-16-le"), "a.jsonl:1: the file is UTF-16."),
    ("a.jsonl", b"\x01\xe9 \n", "a.jsonl:1: the file is not text."),
    ("a.csv", "a,b\n".encode("utf-16-be"), "a.csv:1: the file is UTF-16."),
    ("a.jsonl", '{"a": "é"}'.encode("latin-1"), "a.jsonl:1: not UTF-8 (byte 0xe9"),
    ("a.jsonl", b'{"a": "\x01"}', "a.jsonl:1:8: not JSON: a line break or tab"),
    ("a.jsonl", b'{"a": "\x01' + "河".encode() * 400, "a.jsonl:1:8: not JSON: a line break or tab"),
]


@pytest.mark.parametrize(("name", "raw", "message"), NOT_TEXT, ids=map(str, range(len(NOT_TEXT))))
def test_what_is_no_text_is_called_so(name, raw, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(RecordError) as caught:
        list(read_rows(name))
    assert str(caught.value).startswith(message)


def test_a_missing_output_is_told_from_an_empty_one():
    lines = [{"instruction": "x"}, {"instruction": "y", "output": ""}]
    missing, empty = identified([(f"f:{at}", row) for at, row in enumerate(lines)], "f")
    assert isinstance(missing.output, Absent) and missing.output == ""
    assert type(empty.output) is str
    # It is written as any other, and has the same id.
    assert json.loads(missing.to_line())["output"] == ""
    assert missing.content_hash == missing.replace(output="").content_hash
    assert isinstance(pickle.loads(pickle.dumps(missing)).output, Absent)


@pytest.mark.parametrize(
    ("row", "options", "says"),
    [
        (
            {"question": "x", "answer": "y"},
            {},
            "Say what its keys mean: --fields instruction=question,output=answer; in a pipeline",
        ),
        ({"Prompt": "x", "response": "y"}, {}, "--fields instruction=Prompt,output=response;"),
        ({"problem": "x", "output": "y"}, {}, "--fields instruction=problem;"),
        ({"q": "x", "answer": "y"}, {}, None),
        ({"question": 3, "answer": "y"}, {}, None),
        (
            {"instruction": "x", "answer": "y"},
            {"answers": True},
            '"output" is missing. A seed needs instruction and output (input may be empty). Say '
            "what its keys mean: --fields output=answer;",
        ),
        (
            {"question": "x", "answer": "y", "context": "z"},
            {"fields": {"input": "context"}},
            "--fields input=context,instruction=question,output=answer;",
        ),
        ({"instruction": 3, "answer": "y"}, {}, None),
    ],
)
def test_the_names_of_keys_are_proposed_once(row, options, says):
    with pytest.raises(RecordError) as caught:
        list(identified([("f:1", row), ("f:2", row)], "f", **options))
    first, *rest = caught.value.problems
    assert (says or "") in first and ("--fields" in first) == (says is not None)
    assert not any("--fields" in each for each in rest)
