"""The page of a lift study, whatever was found and whatever it is named."""

import base64
import hashlib
import itertools
import re
from dataclasses import replace
from functools import cache

import pytest

from tests.report.browser import MISSING, Browser
from tests.trainers.lift.made import BASE, CONTROL, GUARDS, LEAK, NEW, OLD, made
from tests.trainers.page.test_page import ATTACKS, OVERFLOW, Page
from trainers.lift.guards import Guard
from trainers.lift.page.page import render


def chapter(it, name):
    """The words of a chapter."""
    text = render(it)
    start = text.index(f'<section id="{name}"')
    end = re.compile("<section id=|</main>").search(text, start + 1).start()
    return Page(text[start:end]).words


@cache
def usual():
    return made()


STUDIES = {
    "nats": usual,
    "points": lambda: made("right", replicates=10),
    "few": lambda: made(replicates=3),
    "one": lambda: made(replicates=1),
    "stopped": lambda: made(guards=(LEAK, *GUARDS)),
    "two": lambda: made(means={BASE: 0.0, NEW: -0.05}),
    "bare": lambda: replace(usual(), guards=(), others={}, forgotten={}),
}


def hostile():
    """Studies with attacks for names and texts, each in another place."""
    for turn in range(len(ATTACKS)):
        a, b, c, d = (ATTACKS[(turn + at) % len(ATTACKS)] + str(at) for at in range(4))
        guards = (Guard(d, "warn", c, ({"variant": a, "record": b, "text": d, "rule": c},)),)
        it = made(means={a: 0.0, b: -0.02, f"{c} shuffled": 0.01}, guards=guards)
        ids = tuple(f"{ATTACKS[at % len(ATTACKS)]}{at}" for at in range(40))
        study = it.study | {
            "task": {"given": d * 20, "items": 40},
            "model": {"given": a * 20, "fingerprint": b},
            "settings": {c: d, d: [a, {b: c}]},
            "budget": {"text": a, "match": b},
            "device": c,
            "identity": d,
            "created": a,
        }
        items = replace(it.untrained, ids=ids)
        yield replace(it, study=study, untrained=items, need=b, verdicts=(*it.verdicts, d))


def test_the_first_screen_says_what_was_found():
    it = usual()
    words = Page(render(it)).words
    head = words[: words.index("Replicates Every pair")]
    assert "perplexity:held_out.jsonl embedded Lift study, 2026-11-23 02:13 UTC" in head
    assert "5 replicates, 40 test items" in head
    for verdict in it.verdicts:
        assert verdict in head
    over = it.comparison.difference(NEW, BASE)
    bare = it.over_untrained[NEW]
    row = f"{NEW} {it.comparison.means[NEW]:.3f} {over.value:+.3f} [{over.low:+.3f}, "
    assert f"{row}{over.high:+.3f}] {bare.value:+.3f} [{bare.low:+.3f}, {bare.high:+.3f}]" in head
    assert f"This size sees about {it.smallest:.3f} nats per token" in head
    assert f"untrained {it.untrained_score:.3f}" in head
    assert f"{CONTROL} control" in head and f"{BASE} baseline" in head


def test_shares_are_in_points():
    it = made("right", replicates=10)
    words = Page(render(it)).words
    over = it.comparison.difference(NEW, BASE)
    assert f"{100 * over.value:+.1f} [{100 * over.low:+.1f}, {100 * over.high:+.1f}]" in words
    assert "points over general@v1; right of 0 is better" in words


def test_the_best_variant_comes_first_and_controls_last_whichever_way_the_metric_goes():
    for it in (usual(), made("right", replicates=10)):
        words = Page(render(it)).words
        table = words[words.index("is best") : words.index("untrained 1")]
        places = [table.index(f"{name} ") for name in (NEW, OLD, BASE, f"{CONTROL} control")]
        assert places == sorted(places)


def test_findings_stand_worst_first():
    order = ("ok", "note", "warn")
    guards = [Guard(f"g{at}", level, f"Text {level}.") for at, level in enumerate(order)]
    words = Page(render(made(guards=guards))).words
    found = words[words.index("Findings") : words.index("Replicates Every pair")]
    assert found.startswith("Findings needs a look Text warn. result Forgetting: ")
    assert found.index("good to know Text note.") < found.index("in order Text ok.")


def test_many_findings_are_left_to_their_chapter():
    guards = [Guard("g", "note", f"Text {at}.") for at in range(9)]
    words = Page(render(made(guards=guards))).words
    found = words[words.index("Findings") : words.index("Replicates Every pair")]
    assert "5 more, and evidence" in found and "Text 8." not in found
    assert "Text 8." in words


@pytest.mark.parametrize("replicates", [1, 3])
def test_few_replicates_give_dots_and_no_verdict(replicates):
    text = render(made(replicates=replicates))
    page = Page(text)
    assert f"No verdict: {replicates} replicate" in page.words
    assert "not enough for a verdict, which needs 5." in page.words
    lines = [a for t, a in page.elements if t == "line" and "interval" in a.get("class", "")]
    assert not lines and 'class="point clear"' not in text
    assert "<strong>" not in text and "This size sees" not in page.words
    assert not re.search(r"\d\u00a0% (sql|general|untrained)", page.words)


def test_leaked_items_leave_no_verdict():
    text = render(made(guards=(LEAK, *GUARDS)))
    words = Page(text).words
    assert f"No verdict: {LEAK.text}" in words
    assert 'class="point clear"' not in text and "<strong>" not in text
    assert "beats" not in words
    assert "Evidence: 1 record variant record item rule text sql@v4 r1 i7 same_prompt" in words


def test_every_pair_stands_there_once_the_better_one_first():
    it = usual()
    words = chapter(it, "pairs")
    for each in it.comparison.differences:
        better = it.comparison.difference(*sorted(
            (each.variant, each.over), key=it.comparison.means.__getitem__
        ))  # fmt: skip
        assert f"{better.value:+.3f} [{better.low:+.3f}, {better.high:+.3f}]" in words
    assert words.count("clear") == 6 + words.count("filled mark")
    assert "bits_per_byte lower is better" in words


def test_the_parts_of_an_error_are_shares():
    it = usual()
    found = re.findall(r"(\d+) / (\d+) / (\d+)", chapter(it, "pairs"))
    assert len(found) == 6
    assert all(99 <= sum(map(int, each)) <= 101 for each in found)


def test_learning_curves_have_each_replicate_and_their_mean():
    page = Page(render(usual()))
    curves = [a["class"] for t, a in page.elements if t == "polyline" and "curve" in a["class"]]
    assert curves.count("curve held") == 4
    assert curves.count("curve faint") == 4 * 6
    assert "step replicate 1 replicate 2 replicate 3 replicate 4 replicate 5 mean 1 " in page.words


def test_a_loss_that_is_no_number_is_left_out():
    it = usual()
    spoilt = [replace(each, loss=((1, float("nan")), (2, 1.0))) for each in it.trials]
    page = Page(render(replace(it, trials=tuple(spoilt))))
    assert "nan" not in page.words
    none = [replace(each, loss=()) for each in it.trials]
    assert "No step was logged." in Page(render(replace(it, trials=tuple(none)))).words


def test_items_that_gained_and_lost_most_are_listed():
    it = made(spread=0.02)
    changes = {}
    for at, name in enumerate(it.untrained.ids):
        tables = [
            [t.items.scores["nll"][at] for t in it.trials if t.variant == each]
            for each in (NEW, BASE)
        ]
        weight = it.untrained.weights["nll"][at]
        changes[name] = weight * (sum(tables[1]) - sum(tables[0]))
    ranked = sorted(changes, key=changes.__getitem__, reverse=True)
    words = chapter(it, "items")
    gained, _, lost = words[words.index("Gained most") :].partition("Lost most")
    assert re.findall(r"\bi\d+\b", gained) == ranked[:10]
    losers = [each for each in reversed(ranked) if changes[each] < 0][:10]
    assert losers and re.findall(r"\bi\d+\b", lost) == losers
    count = sum(each > 0 for each in changes.values())
    assert f"{NEW} over the baseline, mean over 5 replicates: {count} of 40 items gained" in words


def test_items_of_equal_weight_have_none():
    words = chapter(made("right", replicates=10), "items")
    assert "weight" not in words and "stayed" in words


def test_forgetting_is_shown_for_every_variant():
    it = usual()
    words = chapter(it, "forgetting")
    for name, each in it.forgotten.items():
        ends = f"[{each.low:+.3f}, {each.high:+.3f}]"
        assert f"{name} {each.value:+.3f} {ends}" in words
    none = chapter(replace(it, forgotten={}), "forgetting")
    assert "It was not measured" in none


def test_cost_is_summed_and_spans_are_those_of_a_trial():
    words = chapter(usual(), "cost")
    assert "20 trials, 16 min 40 s one after the other, 183,600 tokens." in words
    assert f"{CONTROL} control 5 1 4 min 10 s 16 64 62 9,100 to 9,260" in words


def test_what_was_declared_is_shown():
    words = chapter(usual(), "method").replace("\u00a0", " ")
    assert "replicates 5 looks at 5 replicates; 1 look declared confidence" in words
    assert "confidence of all intervals 95 %" in words
    for each in ("e" * 32, "f" * 64, "0" * 64, "docs/statistics.md", "half the answers shuffled"):
        assert each in words
    assert "16 steps of 4 examples each" in words and "learning_rate 0" in words


def test_a_study_without_a_date_has_none():
    it = usual()
    study = {key: value for key, value in it.study.items() if key != "created"}
    words = Page(render(replace(it, study=study))).words
    assert "Lift study, 5 replicates" in words and "UTC" not in words


@pytest.mark.parametrize("name", STUDIES)
def test_a_page_is_whole(name):
    it = STUDIES[name]()
    text = render(it)
    page = Page(text)
    assert render(it) == text
    levels = [int(tag[1]) for tag, _ in page.elements if tag[1:].isdigit()]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert len(page.ids) == len(set(page.ids))
    assert all(link[1:] in page.ids for link in page.links)
    pictures = [a for t, a in page.elements if t == "svg"]
    assert all(a["role"] == "img" and a["aria-label"] for a in pictures)
    figures = [t for t, _ in page.elements if t == "figure"]
    assert len(figures) == len(pictures)
    assert page.words.count("As a table") == len(figures)


@pytest.mark.parametrize("it", [usual(), *hostile()])
def test_nothing_runs_and_nothing_comes_from_elsewhere(it):
    text = render(it)
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


def test_a_long_study_stays_a_small_page():
    it = made("right", replicates=10, items=1_000)
    long = tuple((step, 1.0 + 1 / step) for step in range(1, 3_001))
    trials = tuple(replace(each, loss=long) for each in it.trials)
    assert len(render(replace(it, trials=trials))) < 600_000


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if MISSING:
        pytest.skip(MISSING)
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def opened(browser, folder, it, width=1280):
    path = folder / "lift.html"
    path.write_text(render(it), encoding="utf-8")
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.command("Emulation.setDeviceMetricsOverride", **size)
    browser.open("about:blank")
    browser.open(path.as_uri())
    return browser


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_the_first_screen_fits_and_nothing_scrolls_sideways(browser, tmp_path):
    bottom = "return document.querySelector('.overview').getBoundingClientRect().bottom"
    for name in STUDIES:
        assert opened(browser, tmp_path, STUDIES[name]()).run(bottom) <= 800, name
    spoilt = list(hostile())
    for width in (1280, 700, 400):
        for it in (usual(), made(replicates=3), *spoilt[:2]):
            assert opened(browser, tmp_path, it, width).run(OVERFLOW) == [0, []]
    for it in spoilt:
        opened(browser, tmp_path, it)
        assert browser.run("return typeof window.pwned") == "undefined"
    assert browser.log() == []
