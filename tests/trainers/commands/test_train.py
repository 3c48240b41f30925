"""`datakit train` as a person types it."""

import json
import subprocess
import sys

import pytest

from datakit.cli.main import main

DATA = [
    {"instruction": f"How many {word}?", "output": f"There are {at} {word}."}
    for at, word in enumerate(("boats", "mills", "lines", "goods"))
]


@pytest.fixture
def data(tmp_path):
    file = tmp_path / "data.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in DATA))
    return file


def test_train_and_merge(data, tiny_model_dir, tmp_path, capsys):
    out, merged = tmp_path / "run", tmp_path / "merged"
    model = ["--model", str(tiny_model_dir)]
    quick = ["--steps", "2", "--batch", "2", "--lora-r", "4", "--device", "cpu"]
    assert (
        main(["train", "sft", str(data), *model, "-o", str(out), *quick, "--held-out", "0.25"]) == 0
    )
    told = capsys.readouterr()
    assert "held-out loss" in told.out and "rows whose end is learnt (EOS)" in told.err
    assert f"next   datakit eval {out} --task perplexity:{out}/held_out.jsonl" in told.out
    assert "Traceback" not in told.err and "Warning" not in told.err
    assert main(["train", "merge", str(out), "-o", str(merged)]) == 0
    assert "the same as the adapter on its base" in capsys.readouterr().out
    assert (merged / "config.json").is_file()


def test_the_method_and_its_base_are_told_before_anything_else(
    data, tiny_model_dir, tmp_path, capsys
):
    pytest.importorskip("bitsandbytes")
    words = ["--model", str(tiny_model_dir), "-o", str(tmp_path / "q"), "--device", "cpu"]
    assert main(["train", "qlora", str(data), *words, "--steps", "2", "--batch", "2"]) == 0
    told = capsys.readouterr()
    first = told.err.splitlines()[0]
    assert first.startswith(
        f"train  qlora of {tiny_model_dir}, LoRA of rank 16 on a base in 4 bits"
    )
    assert "(NF4), 2 steps of 2 rows, learning rate 0.0002" in first
    assert told.out.startswith(f"{tmp_path / 'q'}   qlora of ")


def test_an_interrupted_training_says_how_it_goes_on(
    data, tiny_model_dir, tmp_path, capsys, monkeypatch
):
    def interrupted(self, text, *, last=False):
        if text.startswith("step 3/"):
            raise KeyboardInterrupt

    out = tmp_path / "run"
    words = ["train", "sft", str(data), "--model", str(tiny_model_dir), "-o", str(out)]
    words += ["--steps", "4", "--batch", "2", "--lora-r", "2", "--device", "cpu"]
    with monkeypatch.context() as patched:
        patched.setattr("datakit.cli.console.Console.repaint", interrupted)
        assert main([*words, "--save-every", "2"]) == 130
        line = f"The last checkpoint is {out}/checkpoints/checkpoint-2; the same command with"
        told = capsys.readouterr().err.splitlines()
        assert line in told[-1] and "--resume" in told[-1]
        assert [each for each in told if "nterrupted" in each] == [told[-1]]
        words[6] = str(tmp_path / "b")
        assert main([*words, "--save-every", "4", "--quiet"]) == 130
        assert "There is no checkpoint yet" in capsys.readouterr().err
    words[6] = str(out)
    assert main([*words, "--save-every", "2", "--resume"]) == 0
    assert "going on from checkpoint-2" in capsys.readouterr().err


def test_an_interruption_before_the_training_leaves_nothing(
    data, tiny_model_dir, tmp_path, capsys, monkeypatch
):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("trainers.running.launch.check_memory", interrupted)
    out = tmp_path / "made" / "run"
    words = ["train", "sft", str(data), "--model", str(tiny_model_dir), "-o", str(out)]
    assert main([*words, "--device", "cpu"]) == 130
    said = "Interrupted before the training began; nothing was written."
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert not (tmp_path / "made").exists()


CHEAP = """
import json, sys
from datakit.cli.main import main
codes = [main(["train", "sft", *words]) for words in json.loads(sys.argv[1])]
heavy = {"torch", "transformers", "trl", "peft", "datasets"} & set(sys.modules)
sys.stdout.write(json.dumps([codes, sorted(heavy)]))
"""


def test_what_is_cheap_to_know_is_told_before_anything_is_imported(data, tiny_model_dir, tmp_path):
    model, out = ["--model", str(tiny_model_dir)], ["-o", str(tmp_path / "out")]
    taken, sealed = tmp_path / "taken", tmp_path / "sealed"
    taken.mkdir()
    (taken / "file").write_text("mine")
    sealed.write_text("a file")
    commands = [
        ([str(data), *model, "-o", str(taken)], "is not empty"),
        ([str(data), *model, "-o", str(sealed / "out")], "cannot be written"),
        ([str(tmp_path / "absent.jsonl"), *model, *out], "absent.jsonl: there is no such file"),
        ([str(data), *model, *out, "--held-out", "none.jsonl"], "none.jsonl: there is no such"),
        ([str(data), *model, *out, "--held-out", str(data)], "4 of 4 held-out records are trained"),
        (
            [str(data), *model, *out, "--template", "no.jinja"],
            "--template no.jinja: cannot be read",
        ),
        ([str(data), *model, *out, "--template", "chatlm"], 'did you mean "chatml"'),
        (
            [str(data), "--model", "embeded", *out],
            'there is no such model; did you mean "embedded"',
        ),
        ([str(data), "--model", "http://127.0.0.1:1/v1", *out], "is served elsewhere"),
        (
            [str(data), *model, *out, "--patience", "2", "--evaluate-every", "1"],
            "--patience: needs",
        ),
    ]
    done = subprocess.run(
        [sys.executable, "-c", CHEAP, json.dumps([words for words, _ in commands])],
        capture_output=True,
        text=True,
    )
    assert done.stdout == json.dumps([[2] * len(commands), []]), done.stderr
    told = done.stderr.splitlines()
    for (_, says), line in zip(commands, told, strict=True):
        assert says in line
    assert not (tmp_path / "out").exists() and sealed.read_text() == "a file"


def test_json_before_and_after_the_method(data, tiny_model_dir, tmp_path, capsys):
    rest = ["sft", str(data), "--model", str(tiny_model_dir), "--steps", "1", "--device", "cpu"]
    assert main(["train", "--json", *rest, "-o", str(tmp_path / "a")]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"
    assert main(["train", *rest, "-o", str(tmp_path / "b"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "sft"


def test_settings_of_a_file_hold_unless_an_option_says_otherwise(
    data, tiny_model_dir, tmp_path, capsys
):
    file = tmp_path / "sft.yaml"
    file.write_text("steps: 1\nlearning_rate: 2e-3\nlora_r: 2\nreport_to: []\n")
    words = ["train", "sft", str(data), "--model", str(tiny_model_dir), "--settings", str(file)]
    assert (
        main([*words, "--lora-r", "4", "-o", str(tmp_path / "r"), "--device", "cpu", "--json"]) == 0
    )
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert (settings["steps"], settings["learning_rate"], settings["lora_r"]) == (1, 2e-3, 4)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["sft", "DATA", "-o", "OUT", "--lora", "lorra"],
            '--lora: there is no "lorra"; did you mean "lora"?',
        ),
        (["sft", "DATA", "-o", "OUT", "--steps", "many"], '--steps: "many" is not a whole number'),
        (["sft", "DATA", "-o", "OUT", "--lora-r", "0"], "--lora-r: must be a whole number"),
        (["sft", "DATA", "-o", "OUT", "--held-out", "1.5"], "a share lies between 0 and 1"),
        (["sft", "DATA", "-o", "OUT", "--fields", "x"], "is not of the form instruction=question"),
        (["sft", "DATA", "-o", "OUT", "--settings", "absent.yaml"], "absent.yaml: cannot be read"),
        (["sft", "DATA"], "-o/--out is missing"),
        (["stf", "DATA", "-o", "OUT"], "stf"),
        (["sft", "absent.jsonl", "-o", "OUT"], "absent.jsonl"),
        (["sft", "DATA", "-o", "OUT", "--model", "absent/"], "there is no such model"),
        (["sft", "DATA", "-o", "OUT", "--max-length", "8"], "--max-length 8 tokens"),
        (["sft", "DATA", "-o", "OUT", "--template", "chatlm"], 'did you mean "chatml"'),
        (["qlora", "DATA", "-o", "OUT", "--quantize", "none"], "quantize"),
        (["ipo", "DATA", "-o", "OUT", "--loss", "sigmoid"], "leave it out"),
        (["dpo", "DATA", "-o", "OUT"], "no_rejected 4"),
        (["merge", "MODEL", "-o", "OUT"], "is no adapter"),
    ],
)
def test_mistakes(words, says, data, tiny_model_dir, tmp_path, capsys):
    known = {"DATA": str(data), "OUT": str(tmp_path / "out"), "MODEL": str(tiny_model_dir)}
    words = [known.get(word, word) for word in words]
    if words[0] != "merge" and "--model" not in words:
        words += ["--model", str(tiny_model_dir)]
    assert main(["train", *words]) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert "Traceback" not in told.err and not (tmp_path / "out").exists()


def test_a_file_of_settings_with_mistakes(data, tiny_model_dir, tmp_path, capsys):
    file = tmp_path / "sft.yaml"
    words = ["train", "sft", str(data), "--model", str(tiny_model_dir), "-o", str(tmp_path / "o")]
    for text, says in [
        ("stps: 1", 'unknown key "stps"; did you mean "steps"?'),
        ("steps: many", "steps: must be a whole number"),
        ("- steps", "must hold keys and values"),
        ("a: [", "is no YAML"),
    ]:
        file.write_text(text)
        assert main([*words, "--settings", str(file)]) == 2
        assert says in capsys.readouterr().err


def test_every_setting_has_a_flag_with_its_text(capsys):
    assert main(["train", "sft", "--help"]) == 0
    text = capsys.readouterr().out
    for flag in ("--lora-alpha N", "--long {stop,drop,cut}", "--no-packing", "--learning-rate X"):
        assert flag in text
    assert "(cosine)" in text
