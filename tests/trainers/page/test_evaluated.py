"""The page of an evaluation, whatever its facts are."""

import re

import pytest

from tests.report.browser import MISSING, Browser
from trainers.page.evaluated import render

ATTACK = "</style><script>window.pwned = 1</script><img src=x onerror=window.pwned=1>\u202e{{7*7}}"


def figure(value, low, high, n=120):
    return {"value": value, "low": low, "high": high, "n": n}


def facts(text="runs/answers", calibrated=True):
    judge = {
        "provider": "openai", "model": "judge-1", "server": "openai's own", "form": "pair",
        "prompt": "0", "settings": {"temperature": 0.0, "max_tokens": 1024, "effort": None},
    }  # fmt: skip
    told = "calibrated: agrees with people in 83 % (75 to 89) of 120 pairs"
    told = told if calibrated else "not calibrated: no verdict"
    pair = {
        "form": "pair", "judge": judge, "against": text, "calibrated": calibrated,
        "calibration": told, "verdict": f"{text} beats base" if calibrated else told,
        "figures": {
            "win_rate": figure(0.63, 0.55, 0.703), "length_controlled": figure(0.581, 0.502, 0.66),
        },
        "judged": 120, "wins": 70, "losses": 39, "ties": 11, "flips": 8, "same": 2,
        "failed": {text: 1}, "categories": {}, "cost": {"usd": 0.12, "requests": 240, "cached": 4},
    }  # fmt: skip
    grade = {
        **pair, "form": "grade", "figures": {"grade": figure(6.1, 5.5, 6.7, 30),
        "gain": figure(0.4, None, None, 1)}, "categories": {text: figure(4.0, None, None, 1)},
    }  # fmt: skip
    row = {
        "model": text, "task": "pairwise:x", "id": "r1", "answer": text,
        "judged": {
            "pair": {"winner": "tie", "verdicts": ["a", "b"], "reasons": [text, "r"], "other": text}
        },
    }  # fmt: skip
    graded = {**row, "judged": {"grade": {"grade": 7.0, "reason": text}}}
    dropped = {**row, "judged": {"pair": {"dropped": "refused", "other": "x"}}}
    nll = {"nll": {"value": 1.5, "low": 1.2, "high": 1.8}}
    tasks = [
        {"task": f"pairwise:{text}", "n": 120, "scores": {}, "judged": [pair, grade]},
        {"task": "perplexity:x", "n": 9, "scores": nll, "base": nll, "lift": nll},
    ]
    return {
        "models": [{"model": text, "tasks": tasks, "unfinished": [text]}],
        "judged": [graded, row, dropped],
    }


def test_each_figure_stands_beside_what_people_think_of_the_judge():
    page = render(facts())
    (table,) = re.findall(r"<table><caption[^>]*>What the judge says.*?</table>", page)
    rows = re.findall(r"<tr>(?:(?!</tr>).)*</tr>", table)[1:]
    assert len(rows) == 4
    assert all("calibrated: agrees with people in 83 %" in row for row in rows)
    assert "63.0 %" in rows[0] and "55.0 to 70.3" in rows[0]
    assert "beats base." in page
    assert page == render(facts())


def test_without_a_calibration_no_mark_is_filled():
    page = render(facts(calibrated=False))
    assert 'class="point sure"' not in page and 'class="point"' in page
    assert '<bdi dir="auto">not calibrated: no verdict.</bdi>' in page and "beats" not in page
    assert 'class="point sure"' in render(facts())


def test_flips_are_shown_first():
    page = render(facts())
    places = [page.index(text) for text in ("model and other in the two orders", "grade 7.0")]
    assert places == sorted(places)


def test_an_evaluation_without_a_judge_or_of_nothing_has_a_page():
    found = facts()
    found["models"][0]["tasks"] = found["models"][0]["tasks"][1:]
    page = render({**found, "judged": []})
    assert "Other tasks" in page and 'id="figures"' not in page
    assert render({"models": []}).startswith("<!doctype html>")


def test_hostile_texts_stay_texts():
    page = render(facts(ATTACK))
    body = page.partition("<body>")[2]
    assert not re.search(r"<(script|img|style)", body)
    assert "\u202e" not in page and "script-src" not in page
    assert "default-src &#39;none&#39;" in page


@pytest.mark.browser
@pytest.mark.skipif(bool(MISSING), reason=str(MISSING))
def test_nothing_of_it_runs_in_a_browser(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(render(facts(ATTACK)))
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(path.as_uri())
        assert browser.run("return window.pwned === undefined")
    finally:
        browser.close()
