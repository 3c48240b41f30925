"""The page of a training, whatever its facts are."""

import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser

import pytest

from tests.report.browser import MISSING, Browser
from trainers.page.page import render

VOID = {"meta", "br", "hr", "input", "col", "wbr"}
ATTACKS = (
    "</script><script>window.pwned = 1</script>",
    "</style><img src=x onerror=window.pwned=1>",
    "\u202egnp.exe\x1b[2J\x00",
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "javascript:window.pwned=1",
    "'\"><svg onload=window.pwned=1>",
)
LENGTHS = {"least": 201, "median": 298, "p95": 412, "most": 440, "total": 12395}
GATE = {
    "rows": 50,
    "used": 40,
    "refused": {"no_output": 2},
    "too_long": 8,
    "masked": 0,
    "stopped": 38,
    "max_length": 512,
    "lengths": LENGTHS,
    "answers": LENGTHS,
    "rejected": None,
}
STARTED = {
    "schema": 1,
    "method": "sft",
    "status": "running",
    "created": "2026-11-22T22:03:16Z",
    "model": {"given": "models/base", "base": "models/base", "kind": "folder", "sha256": "f" * 64},
    "data": {
        "train": {"ref": "sql@v4", "records": 50, "content": "5" * 32, "share": "0.8"},
        "held_out": {"ref": "sql@v4", "records": 10, "content": "9" * 32, "share": "0.2"},
    },
    "settings": {
        "lora": "lora",
        "lora_r": 16,
        "learning_rate": 0.0,
        "report_to": (),
        "long": "drop",
    },
    "device": "cpu",
    "gate": GATE,
    "held_out_gate": GATE | {"rows": 10, "used": 10, "too_long": 0, "stopped": 10, "refused": {}},
    "example": [["user: 1 + 1?\nassistant: ", False], ["Two.<|im_end|>\n", True]],
    "memory": [["weights", "538 MB"], ["needed", "1.03 GB"]],
    "command": "datakit train sft sql@v4 -o out",
    "hardware": {"machine": "x86_64", "cpus": 2, "threads": 2, "memory_bytes": 25276502016},
    "packages": {"python": "3.11.7", "torch": "2.13.0"},
    "identity": "e" * 32,
}
STEPS = range(1, 41)
DONE = STARTED | {
    "status": "done",
    "parameters": {"trainable": 4_884_480, "total": 139_399_488, "share": 0.03504},
    "curves": {
        "train": [
            {
                "step": n,
                "loss": 2 - n / 40,
                "learning_rate": 2e-4 * (1 - n / 41),
                "grad_norm": float("nan") if n == 3 else 1.0,
                "num_tokens": 300.0 * n,
            }
            for n in STEPS
        ],
        "eval": [{"step": 0, "loss": 2.0, "runtime": 3.1}, {"step": 40, "loss": 1.5}],
    },
    "result": {"steps": 40, "epochs": 1.0, "eval_loss_before": 2.0, "eval_loss": 1.5},
    "files": {"adapter_model.safetensors": "a" * 64},
    "file_bytes": {"adapter_model.safetensors": 19_593_064},
    "cost": {"seconds": 260.0, "cpu_seconds": 194.5, "train_seconds": 255.8, "rows": 160},
    "trackers": {"tensorboard": "out/trackers/tensorboard"},
}


def interval(value, low, high):
    return {"value": value, "low": low, "high": high}


WATCHED = DONE | {
    "method": "dpo",
    "watch": {
        "pairs": 48,
        "answers": 96,
        "kl": "nats per token",
        "warnings": ["The chosen answers became less likely."],
        "points": [
            {"step": n, "margin": n / 9, "train_margin": n / 8, "chosen_shift": -n, "kl": None}
            | {"rejected_shift": -5 * n, "accuracy": 0.5 + n / 100}
            for n in (0, 20, 40)
        ],
        "end": {"accuracy": interval(0.83, 0.73, 0.92), "margin": interval(2.0, None, None)},
        "by_length": [
            {"lengths": "chosen is longer", "pairs": 9, "accuracy": interval(0.4, 0.2, 0.7)}
        ],
        "greedy_answers": {"tokens_before": [20, 30], "tokens_after": [60, 90], "cut_at": 128},
    },
}
FAILED = {
    **{key: value for key, value in DONE.items() if key not in ("result", "files", "cost")},
    "status": "failed",
    "error": "out of memory. Try --batch 2.",
}


def hostile():
    """Facts with an attack wherever a text is, also as a name."""

    def spoil(value, at):
        if isinstance(value, dict):
            keep = {
                key: spoil(each, at + place)
                for place, (key, each) in enumerate(value.items())
                if key not in ("status", "lengths", "answers", "long")
            }
            kept = {
                key: value[key] for key in ("status", "lengths", "answers", "long") if key in value
            }
            return keep | kept
        if isinstance(value, list):
            return [spoil(each, at + place) for place, each in enumerate(value)]
        return ATTACKS[at % len(ATTACKS)] if isinstance(value, str) else value

    facts = json.loads(json.dumps(WATCHED))
    spoilt = [spoil(facts, at) for at in range(len(ATTACKS))]
    for at, each in enumerate(spoilt):
        name = ATTACKS[at]
        each["packages"][name] = name
        each["settings"][name] = [name, name]
        each["gate"]["refused"][name] = 3
        each["watch"]["points"].append({"step": 60, name: 1.0})
        each["curves"]["train"].append({"step": 41, name: 1.0, "loss": name})
        each["example"] = [[attack * 40, at % 2 == 0] for at, attack in enumerate(ATTACKS)]
    return spoilt


class Page(HTMLParser):
    """What a browser would make of it, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.ids, self.links, self.text = [], [], [], []
        self.style = ""
        self._open = []
        self.feed(text)
        self.close()
        assert not self._open

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] == "style":
            self.style += data
        else:
            self.text.append(data)


def test_the_first_screen_says_what_was_done():
    words = Page(render(DONE)).words
    assert "models/base sft" in words
    assert "2026-11-22 22:03 UTC, done in 4 min 20 s" in words
    assert "LoRA of rank 16, by supervised fine-tuning, on 40 rows of sql@v4; 10 held out." in words
    assert "held-out loss before and after, \u221225.0 % 2.000 \u2192 1.500" in words
    assert "parameters trained, 3.5 % of 139 M; adapter 19.6 MB 4.88 M" in words
    assert "for 12,000 tokens, on a CPU 4 min 20 s" in words


def test_what_stands_out_is_said_with_its_share():
    words = Page(render(DONE)).words
    assert "10 rows of 50 were left out; dropped.jsonl lists them. needs a look 10 of 50" in words
    assert "2 rows of 40 do not teach the model when to stop." in words
    assert "The held-out loss rests on 10 rows" in words


def held_out(*losses):
    curve = [{"step": 10 * at, "loss": loss} for at, loss in enumerate(losses)]
    result = {"steps": 40, "eval_loss_before": losses[0], "eval_loss": losses[-1]}
    return DONE | {"curves": {"train": [], "eval": curve}, "result": result}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (held_out(2.0, 1.2, 1.5), "was lowest at step 10 (1.200) and rose to 1.500"),
        (held_out(2.0, 2.1), "The held-out loss did not fall."),
        (DONE | {"data": {"train": STARTED["data"]["train"]}}, "Nothing was held out"),
        (DONE | {"settings": {"long": "cut"}}, "8 rows of 50 lost their end"),
        (FAILED, "The training failed after 40 steps: out of memory. Try --batch 2."),
        (STARTED, "There is no result yet."),
        (WATCHED, "The chosen answers became less likely."),
    ],
)
def test_findings(facts, said):
    assert said in Page(render(facts)).words
    assert said not in Page(render(DONE)).words


def test_what_came_apart_is_told_first_and_once():
    apart = "The training came apart: the gradient was exactly 0."
    words = Page(render(held_out(2.0, 11.0) | {"warnings": [apart]})).words
    findings = words[words.index("Findings") :]
    assert findings.startswith(f"Findings {apart} needs a look")
    assert "did not fall" not in words


@pytest.mark.parametrize(("epochs", "said"), [(0.25, True), (1.0, False), (3.0, False)])
def test_a_part_of_an_epoch_is_told(epochs, said):
    facts = DONE | {"result": DONE["result"] | {"epochs": epochs}}
    words = Page(render(facts)).words
    assert ("saw 25 % of the data of 40 rows: it ended after 40 steps" in words) is said


def test_dropped_rows_are_spoken_of_only_where_there_are_some():
    whole = DONE | {"gate": GATE | {"rows": 40, "too_long": 0, "refused": {}}}
    assert "left out are in dropped.jsonl" in Page(render(DONE)).words
    assert "dropped.jsonl" not in Page(render(whole)).words


def test_settings_are_shown_as_they_were_used():
    settings = {"learning_rate": 0.0, "optimizer": "auto", "steps": 0, "epochs": 3.0}
    used = {"learning_rate": 2e-4, "optimizer": "paged_adamw_8bit", "steps": 40}
    words = Page(render(DONE | {"settings": settings, "used": used})).words
    assert "learning_rate 2e-4 (the method's own)" in words
    assert "optimizer paged_adamw_8bit (auto)" in words
    assert "steps 40 (of 3.0 epochs)" in words
    settings |= {"steps": 40}
    words = Page(render(DONE | {"settings": settings, "used": used})).words
    assert "steps 40 epochs 1 (by the steps)" in words


def test_training_and_evaluations_have_times_of_their_own():
    cost = DONE["cost"] | {"train_seconds": 200.0, "evaluate_seconds": 50.0}
    words = Page(render(DONE | {"cost": cost})).words
    assert "of it training 3 min 20 s of it evaluations 50 s" in words


def test_a_fall_that_lasts_is_no_finding():
    assert "lowest" not in Page(render(held_out(2.0, 1.2, 1.21))).words


def test_a_small_loss_is_not_shown_as_none():
    assert "2.000 \u2192 4.9e-4" in Page(render(held_out(2.0, 0.00049))).words


def test_the_loss_curve_has_its_figures_as_a_table():
    page = Page(render(DONE))
    curves = [attrs for tag, attrs in page.elements if tag == "polyline"]
    assert {"curve held", "curve train", "curve faint"} <= {each["class"] for each in curves}
    held = next(each for each in curves if each["class"] == "curve held")
    assert len(held["points"].split()) == 2
    assert "step training held out learning rate 0 2 1 1.975 1.95e-4" in page.words


def test_what_is_no_number_is_left_out_of_a_curve():
    page = Page(render(DONE))
    assert "nan" not in page.words.lower()
    assert "Norm of the gradient" in page.words


def test_preferences_are_shown_with_their_two_sides():
    words = Page(render(WATCHED)).words
    assert "Margin on watched pairs" in words and "Watched pairs ranked as labelled" in words
    assert "step chosen, watched rejected, watched 0 0 0 20 -20 -100 40 -40 -200" in words
    assert "On 48 watched pairs, at the end" in words and "0.83 [0.73, 0.92]" in words
    assert "chosen is longer 9 0.4 [0.2, 0.7]" in words
    assert "Greedy answers to 2 prompts: 25 tokens before, 75 after." in words


def test_what_is_learnt_is_marked_and_keeps_its_lines():
    text = render(DONE)
    assert "user: 1 + 1?\nassistant: <mark>Two.&lt;|im_end|&gt;\n</mark>" in text


def test_a_long_prompt_does_not_hide_the_answer():
    text = render(DONE | {"example": [["a" * 500_000, False], ["Two.", True]]})
    assert "<mark>Two.</mark>" in text and "492,000 characters are not shown" in text
    assert len(text) < 100_000


def test_provenance_has_hashes_packages_and_the_command():
    words = Page(render(DONE)).words
    for each in (
        "f" * 64,
        "5" * 32,
        "9" * 32,
        "e" * 32,
        "a" * 64,
        "datakit train sft sql@v4 -o out",
    ):
        assert each in words
    assert "torch 2.13.0" in words and "out/trackers/tensorboard" in words and "538 MB" in words


@pytest.mark.parametrize("facts", [{}, STARTED, FAILED, DONE, WATCHED])
def test_a_page_is_whole(facts):
    page = Page(render(facts))
    levels = [int(tag[1]) for tag, _ in page.elements if tag[1:].isdigit()]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert len(page.ids) == len(set(page.ids))
    assert all(link[1:] in page.ids for link in page.links)


@pytest.mark.parametrize("facts", [{}, WATCHED, *hostile()])
def test_nothing_runs_and_nothing_comes_from_elsewhere(facts):
    text = render(facts)
    page = Page(text)
    policy = next(attrs["content"] for _, attrs in page.elements if "http-equiv" in attrs)
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert dict(rule.strip().split(" ", 1) for rule in policy.split(";")) == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    for tag, attrs in page.elements:
        assert tag not in ("script", "link", "img", "iframe", "object", "embed", "base", "form")
        assert not {"src", "srcset", "style", "action"} & set(attrs)
        assert not any(name.startswith("on") for name in attrs)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    assert len(text.encode()) < 500_000


def test_a_long_training_stays_a_small_page():
    train = [{"step": n, "loss": 1 + 1 / n, "grad_norm": 1.0} for n in range(1, 20_001)]
    page = Page(render(DONE | {"curves": {"train": train, "eval": []}}))
    assert len([tag for tag, _ in page.elements if tag == "tr"]) < 1_000


OVERFLOW = """
const wide = document.documentElement.clientWidth;
const outside = [...document.querySelectorAll("body *")].filter((each) =>
  !each.closest(".scroll, pre, .unseen") && each.getBoundingClientRect().right > wide + 1);
return [document.documentElement.scrollWidth - wide, outside.map((e) => e.outerHTML.slice(0, 90))];
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if MISSING:
        pytest.skip(MISSING)
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def opened(browser, folder, facts, width=1280):
    path = folder / "run.html"
    path.write_text(render(facts), encoding="utf-8")
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.command("Emulation.setDeviceMetricsOverride", **size)
    browser.open("about:blank")
    browser.open(path.as_uri())
    return browser


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_hostile_facts_do_nothing_in_a_browser(browser, tmp_path):
    for facts in hostile():
        opened(browser, tmp_path, facts)
        assert browser.run("return typeof window.pwned") == "undefined"
        assert browser.run("return document.scripts.length") == 0
    hidden = "return document.querySelector('.decoded .hidden-char').textContent"
    assert browser.run(hidden) == "U+202E"
    assert browser.log() == []


@pytest.mark.browser
@pytest.mark.timeout(180)
@pytest.mark.parametrize("width", [1280, 700, 400])
def test_no_width_scrolls_sideways(browser, tmp_path, width):
    for facts in (WATCHED, FAILED, hostile()[1]):
        assert opened(browser, tmp_path, facts, width).run(OVERFLOW) == [0, []]


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_the_first_screen_fits(browser, tmp_path):
    opened(browser, tmp_path, DONE)
    end = browser.run("return document.querySelector('.overview').getBoundingClientRect().bottom")
    assert end <= 800
    log = browser.log()
    assert log == []


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_it_prints_whole(browser, tmp_path):
    browser.command("Emulation.setEmulatedMedia", media="print")
    long = DONE | {"example": [["a line\n" * 400, False], ["Two.", True]]}
    opened(browser, tmp_path, long)
    seen = browser.run(
        "const e = document.querySelector('.decoded');"
        "const shown = getComputedStyle(document.querySelector('nav')).display;"
        "return [e.scrollHeight - e.clientHeight, shown]"
    )
    browser.command("Emulation.setEmulatedMedia", media="")
    assert seen == [0, "none"]
