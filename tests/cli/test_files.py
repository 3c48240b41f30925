"""dedup, filter and contamination: where results go, and in which form."""

import gzip
import json
import os
import shlex
import sys
import tempfile
import time

import pytest

from datakit.cli.main import main
from datakit.reading import read_records

ROWS = [{"instruction": f"Name a river of {x}.", "output": "y", "id": x} for x in ("a", "b", "b2")]
ROWS[2]["instruction"] = ROWS[1]["instruction"]


@pytest.fixture(autouse=True)
def data(folder):
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder


@pytest.mark.parametrize(
    ("out", "dropped"),
    [
        ("x.jsonl", "x.jsonl"),
        ("x.jsonl", "./x.jsonl"),
        ("x.jsonl", "sub/../x.jsonl"),
        ("x.jsonl", "link.jsonl"),
        ("link.jsonl", "x.jsonl"),
        ("folder/x.jsonl", "sub/x.jsonl"),
        ("-", "-"),
    ],
)
def test_kept_and_dropped_go_to_two_places(out, dropped, folder, cli):
    (folder / "sub").mkdir()
    (folder / "folder").symlink_to("sub")
    (folder / "link.jsonl").symlink_to("x.jsonl")
    ran = cli(f"dedup in.jsonl --method exact -o {out} --dropped {dropped}")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"--dropped {dropped}: is where -o writes to; name another file.\n"
    assert not (folder / "x.jsonl").exists()


@pytest.mark.parametrize("words", ["-o - --json", "-o x.jsonl --dropped - --json"])
def test_standard_output_has_one_document(words, folder, cli):
    ran = cli(f"dedup in.jsonl --method exact {words}")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("--json: standard output takes the records or the document")
    assert not (folder / "x.jsonl").exists()


def test_dropped_records_alone_on_standard_output(cli):
    ran = cli("dedup in.jsonl --method exact -o x.jsonl --dropped -")
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == ["b2"]


@pytest.mark.parametrize("name", ["x.json", "x.json.gz", "x.jsonl", "x.ndjson", "x.ndjson.gz"])
def test_what_is_written_reads_back(name, folder, cli):
    assert cli(f"dedup in.jsonl --method exact -o {name} --dropped gone-{name} -q").code == 0
    assert [record.id for record in read_records(name)] == ["a", "b"]
    assert [record.id for record in read_records(f"gone-{name}")] == ["b2"]
    assert cli(f"filter in.jsonl --step 'filter.length: 999' -o {name} -q").code == 0
    raw = (folder / name).read_bytes()
    text = gzip.decompress(raw) if name.endswith(".gz") else raw
    assert text == (b"[]\n" if ".json" in name.removesuffix(".gz")[-5:] else b"")


def test_the_same_records_are_the_same_bytes(folder, cli, monkeypatch):
    written = []
    for name, now in (("x.jsonl.gz", 1e9), ("y.jsonl.gz", 2e9)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert cli(f"dedup in.jsonl --method exact -o {name} -q").code == 0
        written.append((folder / name).read_bytes())
    assert written[0] == written[1]
    assert gzip.decompress(written[0]).count(b"\n") == 2


@pytest.mark.parametrize(
    ("words", "place"),
    [("-o sub/x.jsonl", "sub"), ("-o - --dropped sub/x.jsonl", "sub"), ("-o -", None)],
)
def test_files_between_steps_lie_next_to_the_output(words, place, folder, cli, monkeypatch):
    (folder / "sub").mkdir()
    places, real = [], tempfile.mkdtemp

    def noted(suffix=None, prefix=None, dir=None):
        if prefix.endswith("datakit-"):
            places.append(dir and str(dir))
        return real(suffix, prefix, dir)

    monkeypatch.setattr(tempfile, "mkdtemp", noted)
    assert cli(f"dedup in.jsonl --method exact {words}").code == 0
    assert places == [place]
    assert set(os.listdir("sub")) <= {"x.jsonl"}


QUESTION = "How many rivers longer than nine hundred kilometres flow through the north of it?"


def test_matches_name_the_line(folder, cli):
    rows = [
        {"instruction": "Name a town."},
        {"instruction": QUESTION},
        {"instruction": QUESTION, "id": "mine"},
        {"instruction": QUESTION, "id": "mine"},
        {"instruction": QUESTION, "id": 7},
        {"instruction": QUESTION, "id": ""},
    ]
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "in.json").write_text(json.dumps(rows))
    (folder / "b.jsonl").write_text(json.dumps({"id": "q", "question": QUESTION}) + "\n")
    for name in ("in.jsonl", "in.json"):
        told = json.loads(cli(f"contamination {name} --against b.jsonl --json").out)
        assert [each["record"] for each in told["matches"]] == [2, "mine", "mine", 7, 6]
    ran = cli("contamination in.jsonl --against b.jsonl -n 2")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["record", "2", "mine", "6"]
    assert "6 records, 5 with a question of b.jsonl; 5 matches in all" in ran.out
    assert cli("contamination in.jsonl --against b.jsonl --fail-over 4").code == 1
    assert cli("contamination in.jsonl --against b.jsonl --fail-over 5").code == 0


def test_matching_records_are_not_kept_in_memory(folder, cli, monkeypatch):
    rows = ({"instruction": QUESTION, "output": str(at)} for at in range(50))
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "b.jsonl").write_text(json.dumps({"id": "q", "question": QUESTION}) + "\n")
    from datakit.cli import files

    alive, real, most = [], files.open_input, []

    def watched(*words, **named):
        for record in real(*words, **named):
            alive.append(record)
            # One is ours, one the call's own.
            most.append(sum(sys.getrefcount(each) > 3 for each in alive))
            yield record

    monkeypatch.setattr(files, "open_input", watched)
    assert cli("contamination in.jsonl --against b.jsonl --json").code == 0
    assert max(most) <= 2


FORGED = "x\n1 record, 0 with a question of b.jsonl; 0 matches\r\tin all"


def test_a_record_s_id_forges_no_line(folder, capsys):
    rows = [{"instruction": QUESTION, "output": "o", "id": FORGED, "meta": {"step": "a\nb"}}]
    rows += [{"instruction": "Short?", "id": f"y{FORGED}"}, {"instruction": "Why?", "output": "o"}]
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "b.jsonl").write_text(json.dumps({"id": "q\nz", "question": QUESTION}) + "\n")
    (folder / "p.yaml").write_text(
        "name: c\nsource: in.jsonl\nsteps: [{filter.length: {fields: [output]}}]\n"
    )
    for line in (
        "run p.yaml -q",
        "contamination in.jsonl --against b.jsonl",
        "show c@v1",
        "show c@v1 --dropped",
        "lineage c@v1 x",
        "seeds check in.jsonl --against b.jsonl",
    ):
        capsys.readouterr()
        main(shlex.split(line))
        told = capsys.readouterr()
        for each in (told.out + told.err).splitlines():
            assert not each.startswith(("1 record, 0", "b  ", "z"))
        assert "\t" not in told.out
        if line.startswith(("contamination", "lineage", "show")):
            assert "<U+000A>1 record, 0" in told.out


def test_verbose_tells_seconds_and_versions(folder, cli):
    ran = cli("dedup in.jsonl --method exact -o x.jsonl -v")
    head, row, packages, _ = ran.out.splitlines()
    assert head.split() == ["step", "in", "made", "kept", "dropped", "seconds", "mostly"]
    assert float(row.split()[5]) >= 0
    assert packages.startswith("with   python 3.")
    assert "datakit " in packages
    (folder / "p.yaml").write_text("name: c\nsource: in.jsonl\nsteps: [dedup.exact]\n")
    for line in ("run p.yaml -v", "show c@v1 -v"):
        assert "seconds" in cli(line).out
    assert "seconds" not in cli("show c@v1").out


def test_dedup_keeps_what_is_new_beside_a_version_and_a_file(folder, cli):
    for name, asked in {
        "old.jsonl": ["List all rivers.", "List all lakes."],
        "more.jsonl": ["Name every hill."],
        "new.jsonl": ["List all  rivers.", "Name every hill.", "Go."],
    }.items():
        rows = ({"instruction": text, "output": "an answer"} for text in asked)
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    pipeline = "name: old\nsource: old.jsonl\nsteps:\n  - filter.length: {}\n"
    (folder / "p.yaml").write_text(pipeline)
    assert cli("run p.yaml").code == 0
    command = "dedup new.jsonl -o o.jsonl --dropped d.jsonl --method exact --against"
    assert cli(f"{command} old@latest,more.jsonl").code == 0
    dropped = [json.loads(row)["dropped"] for row in (folder / "d.jsonl").open()]
    assert [each["of"].partition("/")[0] for each in dropped] == ["old@v1", "more.jsonl"]
    assert [each["detail"]["rival"] for each in dropped] == ["List all rivers.", "Name every hill."]
    assert [json.loads(row)["instruction"] for row in (folder / "o.jsonl").open()] == ["Go."]
    missing = cli(f"{command} old@v7")
    assert missing.code == 2
    assert 'dedup.exact.against: there is no "old@v7"; old has v1.' in missing.err
