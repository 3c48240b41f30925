"""Small versions, written by hand: the report needs no run."""

import hashlib
import json
from pathlib import Path

from datakit.record import Record
from datakit.store.version import Version

TEACHER = {
    "step": "generate.self_instruct",
    "provider": "openai",
    "model": "some-model",
    "license": "other",
    "terms": "https://example.org/terms",
}


def seed(id, instruction="Count the red boats.", output="SELECT 1;", **meta):
    meta = {"source": "by hand", "license": "CC0-1.0", "topic": "boats", **meta}
    return Record(instruction, "", output, id, meta)


def made(id, parents, instruction, output, input="", **meta):
    meta = {
        "step": "generate.self_instruct",
        "parents": parents,
        "model": "some-model",
        "prompt_hash": "ab" * 8,
        "cost": "0.001",
        "license": "CC0-1.0",
        **meta,
    }
    return Record(instruction, input, output, id, meta)


def drop(step, reason, of=None, score=None, **detail):
    return {"step": step, "reason": reason, "detail": detail, "of": of, "score": score}


def row(step, taken, made=0, **dropped):
    lost = sum(dropped.values())
    return {
        "step": step,
        "in": taken,
        "made": made,
        "kept": taken + made - lost,
        "dropped": dropped,
        "seconds": 0.25,
    }


def write_version(path: Path, kept=(), dropped=(), **changes) -> Version:
    path.mkdir(parents=True, exist_ok=True)
    count = 0
    with open(path / "data.jsonl", "wb") as file:
        for record in kept:
            file.write(record.to_line())
            count += 1
    with open(path / "dropped.jsonl", "wb") as file:
        for record, why in dropped:
            file.write(record.to_line(dropped=why))
    manifest = {
        "schema": 1,
        "name": "sql",
        "version": "v3",
        "created": "2026-11-22T10:00:00+00:00",
        "recipe": "name: sql\nsteps:\n  - filter.length: {min_chars: 5, max_chars: 100}\n",
        "recipe_hash": "0" * 16,
        "records": count,
        "made": 0,
        "parents": [],
        "seeds": {"path": "seeds/sql.jsonl", "sha256": "1" * 64, "records": 2},
        "sources": [],
        "funnel": [row("filter.length", count)],
        "cost": {"usd": "0.00", "input_tokens": 0, "output_tokens": 0, "requests": 0}
        | {"cached": 0, "refused": 0, "cut_short": 0},
        "teachers": [],
        "licenses": {"CC0-1.0": count} if count else {},
        "packages": {"numpy": "2.0.0"},
        "random_seed": 0,
        "interrupted": None,
        "ended": None,
        "rounds": 0,
        "target": None,
        **changes,
    }
    for key, name in (("data_sha256", "data.jsonl"), ("dropped_sha256", "dropped.jsonl")):
        manifest[key] = hashlib.sha256((path / name).read_bytes()).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return Version(path)


def grown(path: Path, **changes) -> Version:
    """A version as a run from two seeds leaves it: every kind of drop is there."""
    one, two = seed("seed1"), seed("seed2", "Name every harbour in the north.", topic="harbours")
    kept = [
        one,
        two,
        made("kept1", ["seed1"], "List all the boats that are blue.", "SELECT name FROM boats;"),
        made("kept2", ["kept1"], "Which harbours lie in the south?", "SELECT h FROM harbours;"),
    ]
    twin = made("twin", ["seed1"], "List all the boats that are green.", "SELECT name FROM boats;")
    known = made("known", ["seed2"], "Natalia sold clips to 48 of her friends.", "72")
    short = made("short", ["seed2"], "Say nothing.", "")
    dropped = [
        (twin, drop("dedup.minhash", "near_duplicate", "kept1", 0.86, threshold=0.7)),
        (
            known,
            drop(
                "contamination.by_length",
                "contaminated",
                "gsm8k/1",
                0.95,
                side="question",
                field="instruction",
                start=0,
                end=18,
                text="Natalia sold clips",
            ),
        ),
        (short, drop("filter.length", "too_short", field="output", chars=0, min_chars=5)),
    ]
    funnel = [
        row("generate.self_instruct", 2, made=5),
        row("filter.length", 7, too_short=1),
        row("dedup.minhash", 6, near_duplicate=1),
        row("contamination.by_length", 5, contaminated=1),
    ]
    given = {"funnel": funnel, "made": 5, "teachers": [TEACHER], "rounds": 2, "target": 2}
    return write_version(path, kept, dropped, **(given | changes))


ATTACKS = (
    "</script><script>window.pwned = 1</script>",
    "<img src=x onerror=\"window.pwned = 1\"><svg onload='window.pwned = 1'>",
    "javascript:window.pwned=1 <a href='javascript:window.pwned=1'>x</a>",
    "\u202egpj.exe\u202c \u2066x\u2069 \u200f\u200b\U000e0041",
    "\x00\x01\x1b[31m\x07\x7f\x85 \r \u2028\u2029",
    "\ud800 half \udfff",
    "{{7*7}} ${window.pwned=1} {% raw %} <!-- --> ]]> &lt;b&gt; &#x3c;",
    "<" * 5_000 + "&" * 5_000,
    "\x00\u202e" * 3_000,
    "\U0001f600" * 4_000 + "\u0e01" * 4_000,
    "x" * 1_000_000,
    "a\u0301" * 3_000,
)


def hostile(path: Path, copies: int = 1) -> Version:
    """A version in which every text that data can set is an attack."""
    kept, dropped = [], []
    for at in range(copies):
        for n, bad in enumerate(ATTACKS):
            odd = {"topic": bad, "lang": bad[:30], "source": bad, "scores": {bad[:99]: bad}}
            kept.append(seed(f"{bad[:60]} {n} {at}", bad, bad, **odd, **{bad[:50] or "k": bad}))
            lost = made(f"d{n} {bad[:9]} {at}", [kept[-1].id, bad], bad, bad, bad, **odd)
            detail = {"field": "output", "start": 0, "end": 5, bad[:50]: bad, "list": [bad] * 3}
            kind = ("filter.x", "dedup.minhash", "contamination.y")[(at + n) % 3]
            of = kept[-1].id if kind == "dedup.minhash" else f"{bad[:99]}/1"
            dropped.append((lost, drop(kind, f"bad_{n}", of, 0.5, **detail)))
    bad = ATTACKS[0] + ATTACKS[3] + ATTACKS[4]
    steps = ("filter.x", "dedup.minhash", "contamination.y")
    reasons = {
        step: {
            f"bad_{n}": sum(d["step"] == step and d["reason"] == f"bad_{n}" for _, d in dropped)
            for n in range(len(ATTACKS))
        }
        for step in steps
    }
    funnel, taken = [], len(kept) + len(dropped)
    for step in steps:
        funnel.append(row(step, taken, **reasons[step]))
        taken = funnel[-1]["kept"]
    return write_version(
        path,
        kept,
        dropped,
        funnel=funnel,
        teachers=[
            dict.fromkeys(("step", "provider", "model", "license", "terms"), bad)
            | {
                "known_terms": [
                    dict.fromkeys(("name", "url", "date", "limit"), bad)
                    | {"training": "limited", "duties": [bad]}
                ]
            }
        ],
        licenses={bad: 1, "MIT": 2},
        packages={bad: bad},
        recipe=bad * 3_000,
        seeds={"path": bad, "sha256": bad, "records": 3},
        sources=[{"path": bad, "sha256": bad, "records": 1}],
        parents=[bad],
        created=bad,
        name=f"bad {bad}",
    )
