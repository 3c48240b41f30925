"""The rating page in a real browser: by keys alone, with hostile texts, narrow and wide."""

import time

import pytest

from datakit.curate import AnswerLog, PairSheet, RatingServer, make_pairs
from tests.curate.sheets import NAMES, sheet_and_log
from tests.report.browser import MISSING, Browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.timeout(180),
]

ENTER, ESCAPE, LEFT, RIGHT = "\ue007", "\ue00c", "\ue012", "\ue014"
PANES = "return [...document.querySelectorAll('.pane bdi')].map(p => p.textContent)"
PLACE = "return document.getElementById('place').textContent"
ATTACK = '</script><img src=x onerror="window.pwned = 1"><b>b</b>{{7*7}}'


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def served(tmp_path, browser):
    sheet, log = sheet_and_log(tmp_path)
    with log, RatingServer(sheet, log) as server:
        browser.open(server.url)
        until(browser, "Pair 1 of 4, 0 rated")
        yield server, sheet, log
    assert browser.log() == []


def until(browser, text, script=PLACE):
    """Waits for what the page says."""
    for _ in range(100):
        if (said := browser.run(script)) == text:
            return
        time.sleep(0.05)
    raise AssertionError(f"{said!r} is not {text!r}")


def choices(sheet, log):
    return [log.answers[item].choice if item in log.answers else None for item in sheet.ids]


def test_all_keys_to_the_result(browser, served):
    server, sheet, log = served
    assert browser.run(PANES) == [sheet.item(0)["left"], sheet.item(0)["right"]]
    for at, key in enumerate([LEFT, "2", "=", "b"]):
        until(browser, f"Pair {at + 1} of 4, {at} rated")
        browser.keys(key)
    until(browser, "4 rated")
    assert choices(sheet, log) == ["left", "right", "tie", "both_bad"]
    browser.keys("u")
    until(browser, "Pair 4 of 4, 3 rated")
    browser.keys(RIGHT)
    until(browser, "4 rated")
    assert choices(sheet, log) == ["left", "right", "tie", "right"]
    assert not server.wait(0)
    text = "return document.body.innerText"
    assert not any(name in browser.run(text) for name in NAMES)
    browser.keys(ENTER)
    assert server.wait(10)
    until(browser, "Result", "return document.querySelector('h1').textContent")
    told = browser.run(text)
    assert all(name in told for name in NAMES)
    assert "of 4 pairs." in told
    assert "too few for a verdict" in told


def test_buttons_skip_and_notes(browser, served):
    _, sheet, log = served
    browser.keys("n")
    browser.type("#note", "2 is = b")
    assert choices(sheet, log) == [None] * 4
    browser.keys(ESCAPE, "s")
    until(browser, "Pair 2 of 4, 1 rated")
    assert log.answers[sheet.ids[0]].note == "2 is = b"
    assert browser.run("return document.getElementById('note').value") == ""
    browser.click("#choices button:nth-child(4)")
    until(browser, "Pair 3 of 4, 2 rated")
    assert choices(sheet, log) == ["skip", "right", None, None]
    browser.click("#undo")
    until(browser, "Pair 2 of 4, 1 rated")
    browser.keys("u")
    until(browser, "Pair 1 of 4, 0 rated")
    assert browser.run("return document.getElementById('note').value") == "2 is = b"


def test_a_reload_goes_on_at_the_first_open_pair(browser, served):
    server, *_ = served
    browser.keys("1")
    until(browser, "Pair 2 of 4, 1 rated")
    browser.open("about:blank")
    browser.open(server.url)
    until(browser, "Pair 2 of 4, 1 rated")
    browser.keys("u")
    until(browser, "Pair 1 of 4, 0 rated")


def test_a_server_that_is_gone_is_told(browser, tmp_path):
    sheet, log = sheet_and_log(tmp_path)
    trouble = "return document.getElementById('trouble').innerText.slice(0, 40)"
    with log:
        with RatingServer(sheet, log) as server:
            browser.open(server.url)
            until(browser, "Pair 1 of 4, 0 rated")
        browser.keys("1")
        until(browser, "The command that serves this page has en", trouble)
        assert browser.run(PLACE) == "Pair 1 of 4, 0 rated"
    browser.log()


def hostile_pairs():
    texts = [
        (ATTACK, "plain"),
        ("a\u202eb\u202cc\x00\x00d", "abcd"),
        ("x" * 200_000, "\u202e\u200b" * 100_000),
        ("\ud800 half", " \n "),
    ]
    prompts = [
        ({"role": "system", "content": ATTACK}, {"role": "user", "content": f"\u202e{at}"})
        for at in range(len(texts))
    ]
    first, second = zip(*texts, strict=True)
    return make_pairs(prompts, first, second, names=(ATTACK, "\u202ename"), seed=0)


def test_hostile_texts_are_shown_and_do_nothing(browser, tmp_path):
    pairs = hostile_pairs()
    sheet = PairSheet(pairs)
    count = "return document.querySelectorAll('img, iframe, b').length + document.scripts.length"
    shown = []
    with (
        AnswerLog(tmp_path / "a", sheet.ids, sheet.choices) as log,
        RatingServer(sheet, log) as server,
    ):
        browser.open(server.url)
        for at in range(4):
            until(browser, f"Pair {at + 1} of 4, {at} rated")
            shown += browser.run(
                "return [...document.querySelectorAll('.pane')].map(p => p.textContent)"
            )
            assert browser.run(count) == 2
            browser.keys("1")
        until(browser, "4 rated")
        browser.keys(ENTER)
        assert server.wait(10)
        until(browser, "Result", "return document.querySelector('h1').textContent")
        assert browser.run(count) == 2
    assert browser.run("return typeof window.pwned") == "undefined"
    assert browser.log() == []
    texts = {text.removeprefix("Left").removeprefix("Right") for text in shown}
    assert {ATTACK, "plain", "aU+202EbU+202CcU+0000 \u00d7 2d", "abcd", "U+D800 half"} < texts
    assert "(an empty text)" in texts
    assert max(map(len, texts)) <= 220_000


def test_the_policy_stops_what_is_not_its_own(browser, served):
    browser.run(
        "const s = document.createElement('script'); s.textContent = 'window.pwned = 1';"
        "document.body.append(s); document.body.setAttribute('style', 'color: red');"
    )
    assert browser.run("return typeof window.pwned") == "undefined"
    assert len(browser.log()) == 2


def long_sheet():
    asked = [({"role": "user", "content": "Why?\n" * 60},)] * 2
    long = ["word " * 4000, "y" * 3000]
    return PairSheet(make_pairs(asked, long, ["short", "z\n" * 400], names=NAMES, seed=0))


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (700, 900), (400, 800)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sizes_and_schemes(browser, tmp_path, width, height, scheme):
    """Nothing scrolls sideways; the buttons are always in sight; wide, the sides stand level."""
    sheet = long_sheet()
    feature = {"name": "prefers-color-scheme", "value": scheme}
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.command("Emulation.setDeviceMetricsOverride", **size)
    browser.command("Emulation.setEmulatedMedia", features=[feature])
    box = "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
    try:
        with (
            AnswerLog(tmp_path / "a", sheet.ids, sheet.choices) as log,
            RatingServer(sheet, log) as server,
        ):
            browser.open(server.url)
            until(browser, "Pair 1 of 2, 0 rated")
            assert browser.run("return document.documentElement.scrollWidth") == width
            ground = browser.run("return getComputedStyle(document.body).backgroundColor")
            assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
            assert browser.run(f"{box} return r.bottom <= innerHeight && r.top > 0", "#panel")
            left, right = (
                browser.run(
                    f"{box} return [r.left, r.top, r.width, r.height]", f"[data-side={side}]"
                )
                for side in ("left", "right")
            )
            if width == 1280:
                assert browser.run("return document.documentElement.scrollHeight") == height
                assert left[1:] == right[1:]
            else:
                assert left[0] == right[0]
                assert right[1] > left[1]
    finally:
        browser.command("Emulation.clearDeviceMetricsOverride")
        browser.command("Emulation.setEmulatedMedia", features=[])
    assert browser.log() == []
