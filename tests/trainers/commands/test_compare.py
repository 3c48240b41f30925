"""datakit compare, with models that answer at once, rated over HTTP as a page would."""

import json
import re
import shutil
import threading
import urllib.request
from pathlib import Path

import pytest

from datakit.cli.main import main
from trainers.evaluate import subject
from trainers.models import resolve


class Fixed:
    """A subject with fixed answers: those of `long` are the better ones."""

    base = None

    def __init__(self, text):
        self.name = text

    def nll(self, chats, *, last=False):
        raise NotImplementedError

    def generate(self, prompts, *, max_new_tokens=256):
        words = "a long answer" if self.name == "long" else "an answer"
        return ["same" if "same" in prompt[-1]["content"] else words for prompt in prompts]

    def close(self):
        pass


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATAKIT_DEBUG", raising=False)
    monkeypatch.setattr(subject, "open_subject", Fixed)
    # There is no tokenizer in these folders.
    monkeypatch.setattr(subject, "check_subject", resolve)
    for name in ("long", "short"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    lines = [f"Question {at}?" for at in range(12)] + ["same one?", "same two?"]
    (tmp_path / "p.txt").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def compare(capsys):
    def run(line="", prompts="p.txt"):
        code = main(["compare", "long", "short", "--prompts", prompts, *line.split()])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def post(url, name, body):
    head = {"Content-Type": "application/json", "Origin": url.rsplit("/", 2)[0]}
    request = urllib.request.Request(url + name, json.dumps(body).encode(), head)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def item(url, at):
    with urllib.request.urlopen(f"{url}item?at={at}", timeout=10) as reply:
        return json.load(reply)


class Rater:
    """Rates as soon as the address is printed: the longer text is better."""

    def __init__(self, monkeypatch, stop=99, finish=True):
        from trainers.commands import compare as module

        self.seen, self._stop, self._finish = [], stop, finish
        real = module.RatingServer

        def served(sheet, log):
            server = real(sheet, log)
            self._sheet = sheet
            self._thread = threading.Thread(target=self._rate, args=(server.url,))
            self._thread.start()
            return server

        monkeypatch.setattr(module, "RatingServer", served)

    def _rate(self, url):
        for at in range(min(self._stop, len(self._sheet.ids))):
            texts = item(url, at)
            better = "left" if "long" in texts["left"] else "right"
            self.seen.append(better)
            post(url, "answer", {"at": at, "answer": better})
        if self._finish:
            post(url, "finish", {})


def test_from_prompts_to_a_verdict(compare, monkeypatch):
    rater = Rater(monkeypatch)
    code, out, err = compare("-o x --no-open")
    assert code == 0
    assert out.splitlines()[:2] == [
        "long is preferred in 93 % (73 to 98) of 14 pairs.",
        "long is better (sign test p < 0.001).",
    ]
    assert "2 pairs have the same text on both sides: a tie, not shown." in out
    assert re.search(r"^rate at http://127\.0\.0\.1:\d+/[\w-]{32}/$", err, re.M)
    assert "long: 14 of 14 answered" in err
    assert sorted(rater.seen) == ["left"] * 6 + ["right"] * 6


def test_a_second_call_prints_the_result_without_model_or_page(compare, monkeypatch):
    Rater(monkeypatch)
    first = compare("-o x --no-open")
    monkeypatch.setattr(subject, "open_subject", None)
    again = compare("-o x --no-open")
    assert again[:2] == first[:2]
    assert "http" not in again[2]
    assert compare("-o x --results")[:2] == first[:2]


def test_json(compare, monkeypatch):
    Rater(monkeypatch)
    code, out, err = compare("--json --no-open")
    told = json.loads(out)
    assert code == 0
    assert told["models"] == ["long", "short"]
    assert set(told["win_rate"]) == {"value", "low", "high"}
    assert (told["verdict"], told["wins"], told["losses"], told["n"]) == ("first", 12, 0, 14)
    assert re.fullmatch(r"comparisons/long-short-[0-9a-f]{8}", told["folder"])
    # The address must be seen, whatever is quiet.
    assert err.startswith("rate at http://127.0.0.1:")
    assert len(err.splitlines()) == 1


def test_an_interrupted_rating_is_saved_and_goes_on(compare, monkeypatch):
    from trainers.commands import compare as module

    def stopped(server, log, total, console):
        while len(log.answers) < 3:
            server.wait(0.01)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        Rater(patch, stop=3, finish=False)
        patch.setattr(module, "_wait", stopped)
        code, out, err = compare("-o x --no-open")
    assert (code, out) == (130, "")
    assert "3 of 12 rated and saved; the same command goes on." in err
    code, out, _ = compare("-o x --results")
    assert code == 0
    assert "9 pairs of 14 still to rate." in out
    assert out.startswith("You see which model leads before all is rated: the last 9 pairs ")
    assert "too few for a verdict" in out
    Rater(monkeypatch)
    out = compare("-o x --no-open")[1]
    assert "of 14 pairs." in out and "before all is rated" not in out


def test_limit_draws_from_all_of_the_file(compare, monkeypatch):
    Rater(monkeypatch)
    code, out, err = compare("-o x --limit 6 --no-open")
    assert code == 0
    assert "6 prompts drawn of 14" in err
    lines = Path("x/items.jsonl").read_text().splitlines()[1:]
    drawn = [json.loads(line)["prompt"][0]["content"] for line in lines]
    assert len(drawn) == 6
    assert set(drawn) != {f"Question {at}?" for at in range(6)}
    assert "too few for a verdict" in out


def test_outputs_that_are_all_the_same_need_no_page(compare, folder):
    (folder / "same.txt").write_text("\n".join(f"same {at}?" for at in range(10)))
    code, out, err = compare("--no-open", prompts="same.txt")
    assert code == 0
    assert "50 %" in out
    assert "cannot be told apart" in out
    assert "http" not in err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--results -o x", "x/items.jsonl: is not there; run the same command without --results"),
        ("--limit 0", '--limit: "0" is not a whole number from 1'),
        ("--max-new-tokens many", "--max-new-tokens"),
        ("-o long/config.json", "cannot be written"),
    ],
)
def test_mistakes(compare, line, told):
    code, out, err = compare(line)
    assert (code, out) == (2, "")
    assert told in err


def test_a_slip_in_the_second_name_is_told_before_the_first_model_works(compare, folder):
    (folder / "short" / "config.json").unlink()
    code, _, err = compare("-o x")
    assert code == 2
    assert "short: is no model" in err
    assert "loading" not in err


def test_a_second_model_without_a_template_is_told_before_the_first_works(
    compare, folder, monkeypatch, tiny_model_dir
):
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    for name in ("long", "short"):
        shutil.copytree(tiny_model_dir, folder / name, dirs_exist_ok=True)
    (folder / "short" / "chat_template.jinja").unlink()
    code, _, err = compare("-o x")
    assert code == 2
    assert "the model has no chat template" in err
    assert "loading" not in err and not (folder / "x").exists()


def test_fields_are_named(compare, folder, monkeypatch):
    (folder / "q.jsonl").write_text('{"question": "same one?"}\n')
    code, out, _ = compare("--no-open --fields instruction=question", prompts="q.jsonl")
    assert code == 0 and "1 pair has the same text" in out
    code, _, err = compare("--fields question", prompts="q.jsonl")
    assert code == 2 and "--fields" in err


def test_secrets_of_a_url_are_not_in_the_result(folder, capsys):
    models = ["https://u:s3cret@h/v1?key=s3cret#m", "https://h/v1?key=s3cret#n"]
    code = main(["compare", *models, "--prompts", "p.txt", "--results"])
    told = capsys.readouterr()
    assert code == 2 and "comparisons/v1-m-v1-n-" in told.err
    assert main(["compare", *models[::-1], "--prompts", "p.txt", "-o", "x"]) == 2
    told = told.err + told.out + "".join(capsys.readouterr())
    assert "s3cret" not in told


def test_another_seed_in_the_same_folder_is_refused(compare, monkeypatch):
    Rater(monkeypatch)
    compare("-o x --no-open")
    code, _, err = compare("-o x --no-open --seed 1")
    assert code == 2
    assert "what differs: seed. Name another folder with -o." in err


def test_a_browser_opens_only_where_there_is_a_screen(compare, monkeypatch):
    from trainers.commands import compare as module

    opened = []
    monkeypatch.setattr(module.webbrowser, "open", opened.append)
    monkeypatch.setattr(module.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    Rater(monkeypatch)
    compare("-o x")
    assert opened == []
    monkeypatch.setenv("DISPLAY", ":0")
    compare("-o y")
    assert len(opened) == 1
    assert opened[0].startswith("http://127.0.0.1:")
