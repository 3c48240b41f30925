"""What the commands do when all is well."""

import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml

from datakit.errors import HIDDEN
from tests.loopback import Plan, serve

ROWS = [
    {"instruction": "Name a river in Germany.", "input": "", "output": "The Rhine.", "id": "one"},
    {"instruction": "Name a river in Germany!", "input": "", "output": "The Rhine.", "id": "two"},
    {"instruction": "Name a town.", "input": "", "output": "Cologne is a town.", "id": "three"},
    {"instruction": "Name a hill.", "input": "", "output": "", "id": "four"},
]
RECIPE = """\
name: clean
source: data.jsonl
steps:
  - filter.length: {min_chars: 2}
  - dedup.minhash: {threshold: 0.5}
"""


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def data(folder):
    (folder / "data.jsonl").write_text(lines(ROWS))
    return folder / "data.jsonl"


@pytest.fixture
def version(data, folder, cli):
    """A version, clean@v1: two of four records."""
    (folder / "p.yaml").write_text(RECIPE)
    ran = cli("run p.yaml -q")
    assert ran.code == 0, ran.err
    return folder / "datasets/clean/v1"


def document(ran, code=0):
    """Checks that stdout is one JSON document and nothing else; returns it."""
    assert ran.code == code, ran.err
    assert ran.err == ""
    return json.loads(ran.out)


def test_help_and_version(cli):
    for line in ("", "--help", "-h", "help"):
        ran = cli(line)
        assert ran.code == 0
        assert "usage: datakit COMMAND" in ran.out
    assert cli("--version").out.startswith("datakit 0.")
    from datakit.cli.main import COMMANDS

    for name in COMMANDS:
        told = cli(f"{name} --help")
        assert told.code == 0
        assert told.out.startswith(f"usage: datakit {name} ")
        assert "--json" in told.out
        assert f"\n  {name} " in ran.out


def test_init(folder, cli):
    ran = cli("init 'My Shop' --domain 'Garden  tools'")
    assert ran.code == 0
    assert ran.out.splitlines()[:3] == [
        "My Shop/seeds.jsonl",
        "My Shop/pipeline.yaml",
        "My Shop/.env.example",
    ]
    recipe = yaml.safe_load((folder / "My Shop/pipeline.yaml").read_text())
    assert recipe["name"] == "my_shop"
    assert (folder / "My Shop/pipeline.yaml").read_text().startswith("# Garden tools\n")
    assert len(read(folder / "My Shop/seeds.jsonl")) == 5
    assert "@" not in (folder / "My Shop/pipeline.yaml").read_text()
    assert cli("plan 'My Shop/pipeline.yaml'").code == 0
    told = document(cli("init other --json"))
    assert told == {"folder": "other", "files": ["seeds.jsonl", "pipeline.yaml", ".env.example"]}


def test_plan(data, folder, cli):
    (folder / "p.yaml").write_text(RECIPE)
    assert "no requests" in cli("plan p.yaml").out
    seeds = "name: s\nseeds: data.jsonl\ntarget: 50\nsteps: [generate.self_instruct]\n"
    teacher = "teacher: {provider: openai, model: m, base_url: 'http://x', price: {output: '9'}}\n"
    data.write_text(lines(ROWS[:3]))
    (folder / "p.yaml").write_text(seeds + teacher)
    ran = cli("plan p.yaml")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("plan   ")
    assert "teacher openai/m" in ran.err
    told = document(cli("plan p.yaml --json"))
    assert {"requests", "tokens", "usd", "seconds"} <= set(told)
    assert set(told["usd"]) == {"low", "high"}
    assert 0 < float(told["usd"]["low"]) <= float(told["usd"]["high"])
    assert not (folder / "datasets").exists(), "a plan writes nothing"


def test_run(version, folder, cli):
    assert [row["id"] for row in read(version / "data.jsonl")] == ["one", "three"]
    gone = {row["id"]: row["dropped"] for row in read(version / "dropped.jsonl")}
    assert gone["four"]["reason"] == "too_short"
    assert (gone["two"]["reason"], gone["two"]["of"]) == ("near_duplicate", "one")
    assert {path.name for path in version.iterdir()} == {
        "data.jsonl", "dropped.jsonl", "manifest.json", "report.html", "README.md",
    }  # fmt: skip
    again = cli("run p.yaml")
    assert again.code == 0
    assert "clean@v1 already is what this pipeline gives" in again.out
    told = document(cli("run p.yaml --json"))
    assert (told["version"], told["new"], told["records"]) == ("clean@v1", False, 2)
    assert [row["step"] for row in told["funnel"]] == ["filter.length", "dedup.minhash"]
    limited = cli("run p.yaml --limit 1")
    assert "clean@v2   1 record\n" in limited.out
    assert document(cli("run p.yaml --name other --json"))["version"] == "other@v1"
    assert document(cli("run p.yaml --store elsewhere --json"))["path"] == "elsewhere/clean/v1"


def test_run_shows_the_ledger(data, folder, cli):
    (folder / "p.yaml").write_text(RECIPE)
    ran = cli("run p.yaml")
    table = [line.split() for line in ran.out.splitlines()[1:4]]
    assert table[0] == ["step", "in", "made", "kept", "dropped", "mostly"]
    assert table[1] == ["filter.length", "4", "0", "3", "1", "too_short", "1"]
    assert table[2] == ["dedup.minhash", "3", "0", "2", "1", "near_duplicate", "1"]
    assert "look   datasets/clean/v1/report.html" in ran.out
    assert ran.err == "clean · 2 steps\n"


def test_store_of_the_environment(data, folder, cli, monkeypatch):
    monkeypatch.setenv("DATAKIT_STORE", str(folder / "mine"))
    (folder / "p.yaml").write_text(RECIPE)
    assert cli("run p.yaml").code == 0
    assert (folder / "mine/clean/v1").is_dir()
    assert cli("verify clean@latest").code == 0
    assert not (folder / "datasets").exists()


def test_steps_and_schema(cli):
    ran = cli("steps")
    assert ran.code == 0
    names = [line.split()[0] for line in ran.out.splitlines()[1:]]
    assert names == sorted(names)
    told = document(cli("steps --json"))
    assert [row["name"] for row in told] == names
    assert set(told[0]) == {"name", "verb", "summary", "module"}
    ran = cli("steps filter.length")
    assert "min_chars  (integer >= 0; default 1)" in ran.out
    assert "Fewest characters" in ran.out
    assert document(cli("steps filter.length --json"))["verb"] == "check"
    for line in ("schema", "schema --json"):
        assert document(cli(line))["title"] == "datakit pipeline"


def test_prompts_of_a_step(cli):
    ran = cli("steps generate.evol_instruct --prompt")
    assert (ran.code, ran.err) == (0, "")
    told = document(cli("steps generate.evol_instruct --prompt --json"))
    assert list(told) == [
        *("constraints", "deepen", "concretize", "reasoning", "complicate_input"),
        *("breadth", "judge"),
    ]
    headings = [line[2:] for line in ran.out.splitlines() if line.startswith("# ")]
    assert headings == list(told)
    for name, text in told.items():
        assert f"# {name}\n\n{text}" in ran.out
        assert "{instruction}" in text


def test_ls_and_log(version, folder, cli):
    assert cli("run p.yaml --limit 1 -q").code == 0
    ran = cli("ls")
    assert ran.out.splitlines()[0].split() == [
        "version",
        "created",
        "records",
        "made",
        "dropped",
        "cost",
    ]
    assert ran.out.splitlines()[1].startswith("clean@v2")
    assert [row["ref"] for row in document(cli("ls --json"))] == ["clean@v2"]
    told = document(cli("log clean --json"))
    assert [(row["ref"], row["records"]) for row in told] == [("clean@v2", 1), ("clean@v1", 2)]
    assert [line.split()[0] for line in cli("log clean").out.splitlines()[1:]] == [
        "clean@v2",
        "clean@v1",
    ]
    empty = cli("ls --store no")
    assert (empty.code, empty.out) == (0, "")
    assert "There are no datasets in no." in empty.err
    assert document(cli("ls --store no --json")) == []


@pytest.mark.parametrize(
    "ref", ["clean@v1", "clean@latest", "datasets/clean/v1", "datasets/clean/v1/"]
)
def test_references(ref, version, cli):
    assert document(cli(f"show {ref} --json"))["records"] == 2


def test_show(version, folder, cli):
    assert cli("run p.yaml --limit 1 -q").code == 0
    assert document(cli("show clean@v2~1 --json"))["version"] == "v1"
    assert document(cli("show clean@latest~1 --json"))["version"] == "v1"
    ran = cli("show clean@v1")
    assert "2 records" in ran.out
    assert "The Rhine." in ran.out
    assert "Cologne" not in cli("show clean@v1 -n 1").out
    for id in ("one", "on"):
        assert document(cli(f"show clean@v1 {id} --json")) == {**ROWS[0], "meta": {}}
    gone = document(cli("show clean@v1 tw --json"))
    assert gone["dropped"]["of"] == "one"
    assert "near_duplicate" in cli("show clean@v1 two").out
    ambiguous = cli("show clean@v1 t")
    assert ambiguous.code == 2
    assert '2 records have an id that begins with "t"' in ambiguous.err


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("--dropped", ["four", "two"]),
        ("--reason too_short", ["four"]),
        ("--step dedup.minhash", ["two"]),
        ("--step dedup.minhash --reason too_short", []),
        ("--dropped -n 1", ["four"]),
    ],
)
def test_show_dropped(words, ids, version, cli):
    told = document(cli(f"show clean@v1 {words} --json"))
    assert sorted(row["id"] for row in told) == ids
    ran = cli(f"show clean@v1 {words}")
    assert ran.code == 0
    assert " shown" in ran.err


def test_verify(version, cli):
    assert "as it was written" in cli("verify clean@v1").out
    assert document(cli("verify clean@v1 --json")) == {
        "version": "clean@v1",
        "ok": True,
        "problems": [],
    }
    path = version / "data.jsonl"
    whole = path.read_bytes()
    for damaged in (whole.replace(b"Rhine", b"Rhone"), whole[:-1], whole + b"\n", b""):
        path.write_bytes(damaged)
        ran = cli("verify clean@v1")
        assert ran.code == 1
        assert (
            ran.out
            == "datasets/clean/v1/data.jsonl: was changed after it was written (SHA-256 differs).\n"
        )
    told = document(cli("verify clean@v1 --json"), code=1)
    assert told["ok"] is False
    path.unlink()
    assert cli("verify clean@v1").out == "datasets/clean/v1/data.jsonl: is missing.\n"
    path.write_bytes(whole)
    assert cli("verify clean@v1").code == 0
    manifest = json.loads((version / "manifest.json").read_text())
    manifest["funnel"][0]["kept"] += 1
    (version / "manifest.json").write_text(json.dumps(manifest))
    ran = cli("verify clean@v1")
    assert ran.code == 1
    assert ran.out.startswith("datasets/clean/v1/manifest.json: ")


def test_lineage(data, folder, cli):
    data.write_text(lines([{**ROWS[0], "output": "  The Rhine.\r\n"}]))
    (folder / "p.yaml").write_text("name: c\nsource: data.jsonl\nsteps:\n  - revise.normalize\n")
    assert cli("run p.yaml -q").code == 0
    (child,) = read(folder / "datasets/c/v1/data.jsonl")
    told = document(cli(f"lineage c@v1 {child['id']} --json"))
    assert [(row["depth"], row["id"]) for row in told] == [(0, child["id"]), (1, "one")]
    assert told[1]["dropped"]["reason"] == "revised"
    ran = cli(f"lineage c@v1 {child['id'][:6]}").out.splitlines()
    assert ran[0].startswith(f"{child['id']}  revise.normalize")
    assert ran[1].startswith("  one  seed  (dropped: revised)")


def test_report(version, folder, cli):
    assert cli("report clean@v1").out == "datasets/clean/v1/report.html\n"
    assert document(cli("report clean@v1 -o r.html --json")) == {
        "version": "clean@v1",
        "report": "r.html",
    }
    page = (folder / "r.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "near_duplicate" in page


def test_report_of_what_has_no_utf8(data, folder, cli):
    data.write_text('{"instruction": "a \\ud800 b", "output": "cd"}\n')
    (folder / "p.yaml").write_text("name: c\nsource: data.jsonl\nsteps: [dedup.exact]\n")
    assert cli("run p.yaml").code == 0
    assert cli("report c@v1 -o r.html").code == 0
    assert cli("show c@v1").code == 0
    (row,) = document(cli("show c@v1 --dropped --json")) or read(
        folder / "datasets/c/v1/data.jsonl"
    )
    assert row["instruction"] == "a \ud800 b"


def test_doctor_tells_no_secret(cli, folder, monkeypatch):
    secret = "sk-4711-do-not-tell"
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "ANTHROPIC_API_KEY", "MY_KEY"):
        monkeypatch.setenv(name, secret)
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    for line in ("doctor", "doctor --json", "doctor -v"):
        ran = cli(line)
        assert ran.code == 0
        assert secret not in ran.out + ran.err
        assert secret[3:9] not in ran.out + ran.err
    told = document(cli("doctor --json"))
    assert told["keys"]["OPENAI_API_KEY"] is True
    assert told["keys"]["TOGETHER_API_KEY"] is False
    assert told["store"]["writable"] is True
    assert {"versions", "extras", "gpu", "embedded_model", "steps"} <= set(told)
    assert "all" not in told["extras"]
    ran = cli("doctor")
    assert "OPENAI_API_KEY      set" in ran.out
    assert "TOGETHER_API_KEY    not set" in ran.out
    assert not list(folder.iterdir())


@pytest.fixture
def no_embedding(monkeypatch):
    """Without the embedding model, which takes seconds to load; its own tests have it."""
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)


def seed(text, **meta):
    return {
        "instruction": text,
        "output": "Answer.",
        "meta": {"source": "me", "license": "CC0-1.0", **meta},
    }


def test_seeds_check(folder, cli, no_embedding):
    texts = [
        "Name a river.",
        "How deep is the sea?",
        "Sort these words: b, a.",
        "Translate: good day.",
    ]
    (folder / "s.jsonl").write_text(lines(map(seed, texts)))
    ran = cli("seeds check s.jsonl")
    assert ran.code == 0, ran.out
    assert ran.out.splitlines()[-1] == "4 seeds: 0 to mend, 1 hints"
    assert "s.jsonl: few_seeds: 4 seeds; below 20 a teacher copies them (a hint)" in ran.out
    told = document(cli("seeds check s.jsonl --json"))
    assert (told["records"], told["ok"], [each["kind"] for each in told["findings"]]) == (
        4,
        True,
        ["few_seeds"],
    )


def test_seeds_check_of_bad_seeds(folder, cli, no_embedding):
    rows = [seed("Name a river."), seed("Name a river."), seed("How deep is it?", license="")]
    (folder / "s.jsonl").write_text("\n" + lines(rows))
    (folder / "b.jsonl").write_text(
        lines([{"question": "Please, how deep is it at all, the sea?", "answer": "11 km"}])
    )
    ran = cli("seeds check s.jsonl --against b.jsonl")
    assert ran.code == 1
    assert "s.jsonl:3: exact_duplicate: like s.jsonl:2" in ran.out
    assert "s.jsonl:4: no_license: meta.license says where it is from" in ran.out
    told = document(cli("seeds check s.jsonl --json"), code=1)
    assert told["ok"] is False
    assert {"where", "kind", "text", "fails"} == set(told["findings"][0])


FORMS = {
    "in.jsonl": lambda raw: raw,
    "in.jsonl.gz": gzip.compress,
    "in.jsonl.zst": lambda raw: pytest.importorskip("zstandard").compress(raw),
    "in.json": lambda raw: json.dumps([json.loads(line) for line in raw.splitlines()]).encode(),
    "in.csv": lambda raw: csv(map(json.loads, raw.splitlines())),
    "in.parquet": lambda raw: parquet([json.loads(line) for line in raw.splitlines()]),
}


def csv(rows):
    return "\n".join(
        ["instruction,output,id", *(f"{r['instruction']},{r['output']},{r['id']}" for r in rows)]
    ).encode()


def parquet(rows):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    file = io.BytesIO()
    write_table(arrow.Table.from_pylist(rows), file)
    return file.getvalue()


@pytest.mark.parametrize("name", FORMS)
def test_dedup_of_all_inputs(name, folder, cli):
    (folder / name).write_bytes(FORMS[name](lines(ROWS).encode()))
    told = document(cli(f"dedup {name} -o out.jsonl --threshold 0.5 --dropped gone.jsonl --json"))
    assert set(told) == {"records", "kept", "dropped", "clusters", "seconds"}
    assert (told["records"], told["kept"], told["dropped"], told["clusters"]) == (4, 3, 1, 1)
    assert [row["id"] for row in read(folder / "out.jsonl")] == ["one", "three", "four"]
    (gone,) = read(folder / "gone.jsonl")
    assert (gone["id"], gone["dropped"]["of"]) == ("two", "one")


def test_dedup(data, version, folder, cli):
    ran = cli("dedup data.jsonl -o out.jsonl.gz --method exact")
    assert ran.code == 0
    assert "4 records in out.jsonl.gz" in ran.out
    assert gzip.decompress((folder / "out.jsonl.gz").read_bytes()).count(b"\n") == 4
    for ref in ("clean@v1", "datasets/clean/v1"):
        assert document(cli(f"dedup {ref} -o o.jsonl --method exact --json"))["records"] == 2
    longest = "dedup data.jsonl -o o.jsonl --threshold 0.5 --keep longest -q"
    assert cli(longest).code == 0
    before = (folder / "o.jsonl").stat().st_ino
    assert cli("dedup o.jsonl -o o.jsonl --method exact -q").code == 0
    assert (folder / "o.jsonl").stat().st_ino != before, "written beside and renamed, so never half"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_streams(data, shell):
    raw = data.read_bytes()
    ran = shell("dedup - -o - --method exact", input=raw)
    assert (ran.code, ran.err) == (0, "")
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == [row["id"] for row in ROWS]
    ran = shell(
        "filter - -o - --step 'filter.length: {min_chars: 2}' --step dedup.exact", input=raw
    )
    assert (ran.code, ran.err) == (0, "")
    assert len(ran.out.splitlines()) == 3
    ran = shell("dedup - -o -", input=b"\n{\n")
    assert ran.code == 2
    assert ran.err.startswith("standard input:2: ")


def test_filter(data, folder, cli):
    line = "filter data.jsonl -o out.jsonl --step 'filter.length: {min_chars: 2}' "
    line += "--step 'filter.where: len(output) > 12'"
    told = document(cli(f"{line} --json"))
    assert set(told) == {"records", "kept", "funnel"}
    assert (told["records"], told["kept"]) == (4, 1)
    assert [(row["step"], row["in"], row["kept"]) for row in told["funnel"]] == [
        ("filter.length", 4, 3),
        ("filter.where", 3, 1),
    ]
    ran = cli(line)
    assert "1 record in out.jsonl" in ran.out
    assert [row["id"] for row in read(folder / "out.jsonl")] == ["three"]


def test_fields(folder, cli):
    (folder / "q.jsonl").write_text(lines([{"question": "Why?", "answer": "Because.", "k": [1]}]))
    assert (
        cli(
            "dedup q.jsonl --fields instruction=question,output=answer -o o.jsonl --method exact -q"
        ).code
        == 0
    )
    (row,) = read(folder / "o.jsonl")
    assert (row["instruction"], row["output"], row["k"]) == ("Why?", "Because.", [1])


def test_contamination(folder, cli):
    question = "How many rivers longer than nine hundred kilometres flow through the north of it?"
    (folder / "in.jsonl").write_text(
        lines(
            [
                {"instruction": "Name a town.", "output": "Bonn"},
                {"instruction": f"Say: {question}", "output": "3", "id": "x"},
            ]
        )
    )
    (folder / "bench.jsonl").write_text(
        lines([{"id": "q7", "question": question, "answer": "three"}])
    )
    line = "contamination in.jsonl --against bench.jsonl"
    told = document(cli(f"{line} --json"))
    assert set(told) == {"records", "matches"}
    assert told["records"] == 2
    (match,) = told["matches"]
    assert {"record", "benchmark", "item", "method", "score", "spans"} <= set(match)
    assert (match["record"], match["benchmark"], match["item"]) == ("x", "bench", "q7")
    (span,) = match["spans"]
    text = f"Say: {question}"[span["start"] : span["end"]]
    assert text == span["text"]
    assert "rivers longer" in text
    ran = cli(line)
    assert ran.code == 0
    assert "2 records, 1 with a question of bench.jsonl" in ran.out
    assert cli(f"{line} --fail-over 0").code == 1
    assert cli(f"{line} --fail-over 1").code == 0
    assert document(cli(f"{line} --fail-over 0 --json"), code=1)["records"] == 2
    (folder / "more.jsonl").write_text(lines([{"id": 1, "prompt": question}]))
    both = document(cli(f"{line},more.jsonl --json"))
    assert [each["benchmark"] for each in both["matches"]] == ["bench", "more"]


@pytest.mark.parametrize(
    "line",
    [
        "run p.yaml",
        "ls",
        "log clean",
        "show clean@v1",
        "verify clean@v1",
        "plan p.yaml",
        "steps",
        "doctor",
    ],
)
def test_quiet_and_json(line, version, cli):
    quiet = cli(f"{line} -q")
    assert quiet.code == 0
    assert quiet.err == ""
    document(cli(f"{line} --json"))
    assert document(cli(f"{line} --json -q -v --no-color --yes")) is not None


def pty_of(line, env):
    """Runs a command whose output is a terminal; returns what it writes there."""
    import pty

    parent, child = pty.openpty()
    command = [sys.executable, "-m", "datakit.cli.main", *line.split()]
    process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=env)
    os.close(child)
    raw = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        raw += piece
    os.close(parent)
    assert process.wait(timeout=60) == 0
    return raw.decode()


@pytest.mark.parametrize(
    ("words", "more", "colours"),
    [
        ("", {}, True),
        ("", {"NO_COLOR": ""}, False),
        ("--no-color", {}, False),
        ("", {"TERM": "dumb"}, False),
    ],
)
def test_colours(words, more, colours, folder):
    env = {**os.environ, "TERM": "xterm", **more}
    if "NO_COLOR" not in more:
        env.pop("NO_COLOR", None)
    told = pty_of(f"steps {words}", env)
    assert "dedup.minhash" in told
    assert ("\x1b[" in told) is colours


def test_no_colours_in_a_pipe(shell):
    assert "\x1b" not in shell("steps", env={"TERM": "xterm"}).out


NASTY = "\x1b[31mred\x07 \x9b2J \u202eevil\u2066 \r over \u200b \ud800 \ufeff"


def test_control_characters_do_not_reach_the_terminal(data, folder, cli):
    row = {"instruction": f"I {NASTY}", "input": NASTY, "output": f"O {NASTY}", "id": f"id{NASTY}"}
    other = {**row, "id": "short", "output": "x"}
    data.write_text("".join(json.dumps(each) + "\n" for each in (row, other)))
    (folder / "b.jsonl").write_text(
        json.dumps({"question": f"I {NASTY}", "answer": "x", "id": NASTY}) + "\n"
    )
    (folder / "p.yaml").write_text(
        "name: c\nsource: data.jsonl\nsteps:\n  - filter.length: {min_chars: 2}\n"
    )
    for line in (
        "run p.yaml",
        "show c@v1",
        "show c@v1 id",
        "show c@v1 short",
        "show c@v1 --dropped",
        "lineage c@v1 id",
        "lineage c@v1 short",
        "show c@v1 --json",
        "show c@v1 id --json",
        "ls",
        "contamination data.jsonl --against b.jsonl",
        "contamination data.jsonl --against b.jsonl --json",
        "seeds check b.jsonl",
    ):
        ran = cli(line)
        assert ran.code in (0, 2), ran.err
        found = HIDDEN.search(ran.out + ran.err)
        assert found is None, f"{line}: {found}"
    assert document(cli("show c@v1 id --json"))["instruction"] == row["instruction"]


@pytest.mark.parametrize(
    "line", ["steps", "schema", "--help", "show clean@v1", "dedup data.jsonl -o - --method exact"]
)
def test_a_reader_that_has_seen_enough(line, version, folder):
    """`| head` closes the pipe: no message, and no complaint of Python's at its exit."""
    command = f"{sys.executable} -m datakit.cli.main {line} 2>err | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    assert (folder / "err").read_text() == ""


def interrupted(process, ready):
    """Sends Ctrl-C once `ready()`; returns exit code and stderr."""
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    return process.returncode, err.decode()


def start(*words):
    command = [sys.executable, "-m", "datakit.cli.main", *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **pipes)


def test_interrupt(folder):
    fifo = folder / "in.jsonl"
    os.mkfifo(fifo)
    with start("dedup", "in.jsonl", "-o", "out.jsonl") as process, open(fifo, "w") as writer:
        writer.write(lines(ROWS))  # opened by both sides now: the command is reading
        writer.flush()
        code, err = interrupted(process, lambda: True)
    assert (code, err) == (130, "Interrupted.\n")
    assert not (folder / "out.jsonl").exists()


def test_interrupted_run_goes_on(data, folder, cli):
    with serve(Plan(jitter=0.1)) as server:
        (folder / "p.yaml").write_text(
            "name: c\nseeds: data.jsonl\ntarget: 3\n"
            "steps: [generate.self_instruct: {style: alpaca, rouge: null}]\n"
            f"teacher: {{provider: openai, model: m, base_url: '{server.url}', concurrency: 1}}\n"
        )
        data.write_text(lines(ROWS[:3]))
        log = folder / "datasets/c/responses.jsonl"
        with start("run", "p.yaml") as process:
            code, err = interrupted(process, lambda: log.exists() and log.stat().st_size > 0)
        assert code == 130, err
        assert err.splitlines()[-1] == (
            "Interrupted. What was answered is saved; the same command goes on from there."
        )
        assert "Traceback" not in err
        saved = log.read_bytes()
        assert not list(folder.glob("datasets/c/v*"))
        ran = cli("run p.yaml")
        assert ran.code == 0, ran.err
        assert log.read_bytes().startswith(saved[: saved.rindex(b"\n") + 1])
        assert "from the log" in ran.out
    shutil.rmtree(folder / "datasets")


def test_batch_goes_out_and_comes_in(folder, cli):
    (folder / "rows.jsonl").write_text('{"instruction": "Name a boat.", "output": ""}\n')
    (folder / "b.yaml").write_text(
        "name: asked\nsource: {source.jsonl: {path: rows.jsonl, answers: false}}\n"
        "teacher: {provider: anthropic, model: m}\n"
        "steps:\n  - generate.distill: {temperature: null}\n"
    )
    out = cli("batch export b.yaml -o asked.jsonl").out
    assert out == "asked.jsonl   1 request to anthropic/m\n"
    (row,) = (json.loads(line) for line in (folder / "asked.jsonl").read_text().splitlines())
    assert row["params"]["messages"] == [{"role": "user", "content": "Name a boat."}]
    (folder / "wrong.jsonl").write_text('{"custom_id": "other", "text": "Argo."}\n')
    wrong = cli("batch import b.yaml wrong.jsonl")
    assert wrong.code == 2
    assert 'wrong.jsonl:1: "other" is no request of this pipeline' in wrong.err
    (folder / "in.jsonl").write_text(json.dumps({"custom_id": row["custom_id"], "text": "Argo."}))
    assert cli("batch import b.yaml in.jsonl").out == "1 answer taken   0 requests open\n"
    told = document(cli("batch export b.yaml -o asked.jsonl --json"))
    assert told == {"files": [], "version": "asked@v1"}
    assert "was there already" in cli("batch export b.yaml -o asked.jsonl").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("batch export b.yaml", "-o FILE"),
        ("batch export b.yaml x.jsonl -o y.jsonl", "did you mean import"),
        ("batch import b.yaml", "name the files"),
        ("batch import b.yaml x.jsonl -o y", "belongs to export"),
    ],
)
def test_batch_says_what_it_lacks(folder, cli, words, says):
    ran = cli(words)
    assert ran.code == 2
    assert says in ran.err
