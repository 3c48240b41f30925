"""`datakit lift` and `datakit scaling` as they are typed."""

import json
from dataclasses import replace

import pytest

from datakit.cli.main import main
from tests.trainers.lift.test_lifting import BAD, GOOD, ends

QUICK = [
    "--steps",
    "2",
    "--batch",
    "2",
    "--lora-r",
    "4",
    "--lora-alpha",
    "8",
    "--learning-rate",
    "5e-3",
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name, records in (("good", GOOD.records), ("bad", BAD.records)):
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(each.to_line() for each in records))
    test = [
        replace(e, instruction=f"Please say: {e.instruction}") for e in ends(9, "Yes.", "trams")
    ]
    (tmp_path / "test.jsonl").write_bytes(b"".join(each.to_line() for each in test))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATAKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path


def typed(model, *words):
    return main([
        *words, "--task", "perplexity:test.jsonl", "--model", str(model), "--no-general",
        "--workers", "1", *QUICK,
    ])  # fmt: skip


def test_lift_ends_in_a_verdict_and_a_page(place, tiny_model_dir, capsys):
    words = ["lift", "good.jsonl", "--baseline", "bad.jsonl", "--detect", "0.5"]
    assert typed(tiny_model_dir, *words) == 0
    out = capsys.readouterr().out
    assert "good.jsonl beats bad.jsonl by " in out
    assert "5 replicates on 9 items find " in out
    assert "simultaneous 95 %" in out
    page = (place / "reports/lift.html").read_text()
    assert "good.jsonl" in page
    assert json.loads((place / "reports/lift.json").read_text())["status"] == "done"


def test_more_replicates_after_a_look_are_another_look(place, tiny_model_dir, capsys):
    words = ["lift", "good.jsonl", "--baseline", "bad.jsonl"]
    for seeds in ("2", "2", "3"):
        assert typed(tiny_model_dir, *words, "--seeds", seeds) == 0
    assert "simultaneous 97.5 %" in capsys.readouterr().out
    value = json.loads((place / "reports/lift.json").read_text())
    assert value["declared"]["looks"] == [2, 3]
    assert value["confidence"] == pytest.approx(0.975)


def test_json_is_one_document(place, tiny_model_dir, capsys):
    words = ["lift", "good.jsonl", "--baseline", "bad.jsonl", "--seeds", "1", "--json"]
    assert typed(tiny_model_dir, *words) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["baseline"] == "bad.jsonl"
    assert value["verdict"].startswith("No verdict")


def test_scaling_names_its_sizes(place, tiny_model_dir, capsys):
    words = ["scaling", "good.jsonl", "--sizes", "4,8", "--seeds", "1"]
    assert typed(tiny_model_dir, *words) == 0
    assert "8 records" in capsys.readouterr().out
    assert (place / "reports/scaling.html").is_file()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["lift", "good.jsonl", "--baseline", "good.jsonl"], "nothing to compare"),
        (["lift", "none.jsonl", "--baseline", "good.jsonl"], "none.jsonl"),
        (["lift", "good.jsonl", "--baseline", "bad.jsonl", "--seeds", "0"], "--seeds: must be"),
        (["lift", "good.jsonl", "--baseline", "bad.jsonl", "--tokens", "9"], "--match tokens"),
        (["lift", "good.jsonl", "--baseline", "bad.jsonl", "--detect", "nan"], "--detect"),
        (["lift", "good.jsonl", "--baseline", "bad.jsonl", "-o", "x.txt"], ".html"),
        (["lift", "test.jsonl", "--baseline", "bad.jsonl"], "9 of 9 test items stand in"),
        (["scaling", "good.jsonl", "--sizes", "4,x"], "50,100,200"),
        (["scaling", "good.jsonl", "--sizes", "4,400"], "has 40 records"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(words, says, place, tiny_model_dir, capsys):
    try:
        code = typed(tiny_model_dir, *words)
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert says in capsys.readouterr().err
    assert not (place / "cache/lift").exists()
