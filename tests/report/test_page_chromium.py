"""The page in a real browser: nothing runs that should not, and everything works that should."""

import pytest

from datakit.report import render
from tests.report.browser import MISSING, Browser
from tests.report.versions import ATTACKS, drop, grown, hostile, made, row, seed, write_version

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.timeout(180),
]

ENTER, TAB = "\ue007", "\ue004"
ROWS = "return [...document.querySelectorAll('#records tr.row button')].map(b => b.textContent)"


def save(version, path):
    path.write_bytes(render(version).encode())
    return path.as_uri()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def page(folder):
    return save(grown(folder / "grown"), folder / "grown.html")


@pytest.fixture(scope="module")
def browser(folder):
    browser = Browser(folder / "profile")
    yield browser
    browser.close()


@pytest.fixture
def opened(browser, page):
    browser.open("about:blank")
    browser.open(page)
    yield browser
    assert browser.log() == []


def rows(browser):
    return browser.run(ROWS)


def choose(browser, id, value):
    browser.run(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('change'))",
        id,
        value,
    )


def test_the_table_shows_all_records(opened):
    assert sorted(rows(opened)) == sorted(
        ["seed1", "seed2", "kept1", "kept2", "twin", "known", "short"]
    )


def test_search_is_live_and_looks_everywhere(opened):
    opened.type("#search", "HARBOURS lie")
    assert rows(opened) == ["kept2"]
    opened.click("#clear")
    opened.type("#search", "near_duplicate")
    assert rows(opened) == ["twin"]
    opened.click("#clear")
    assert len(rows(opened)) == 7


def test_filters(opened):
    choose(opened, "status", "dropped")
    assert sorted(rows(opened)) == ["known", "short", "twin"]
    choose(opened, "reason", "too_short")
    assert rows(opened) == ["short"]
    opened.click("#clear")
    choose(opened, "topic", "harbours")
    assert sorted(rows(opened)) == ["known", "seed2", "short"]
    assert opened.run("return document.getElementById('count').textContent").startswith("3 of 7")


def test_sorting_says_so(opened):
    opened.click("#records th[data-key=id] button")
    assert rows(opened) == sorted(rows(opened))
    head = "return document.querySelector('th[data-key=id]').getAttribute('aria-sort')"
    assert opened.run(head) == "ascending"
    opened.click("#records th[data-key=id] button")
    assert rows(opened) == sorted(rows(opened), reverse=True)
    assert opened.run(head) == "descending"


def test_a_finding_leads_to_its_records(opened):
    opened.run("document.querySelector('#findings a.show[data-step^=contamination]').click()")
    assert rows(opened) == ["known"]


def test_a_row_opens_with_the_keyboard(opened):
    opened.keys("/")
    assert opened.run("return document.activeElement.id") == "search"
    opened.type("#search", "twin")
    opened.run("document.querySelector('#records tr.row button').focus()")
    opened.keys(ENTER)
    state = "return document.querySelector('#records tr.row button').ariaExpanded"
    text = opened.run("return document.querySelector('#records tr.opened').innerText")
    assert opened.run(state) == "true"
    assert "threshold" in text and "List all the boats that are blue." in text
    opened.keys(ENTER)
    assert opened.run(state) == "false"
    assert opened.run("return document.querySelector('#records tr.opened')") is None


def test_the_first_tab_stop_skips_to_the_records(opened):
    opened.keys(TAB)
    assert opened.run("return document.activeElement.className") == "skip"
    assert opened.run("return document.activeElement.getBoundingClientRect().left") >= 0


def test_lineage_leads_to_parents(opened):
    opened.type("#search", "kept2")
    opened.click("#records tr.row button")
    links = "return [...document.querySelectorAll('tr.opened a')].map(a => a.textContent)"
    assert opened.run(links) == ["kept1", "seed1"]
    opened.click("tr.opened a[href='#record-seed1']")
    opened.run("return new Promise(done => setTimeout(done, 100))")
    assert opened.run("return document.activeElement.textContent") == "seed1"
    assert opened.run("return document.activeElement.ariaExpanded") == "true"
    assert len(rows(opened)) == 7


def test_a_link_from_outside_opens_its_record(browser, page):
    browser.open("about:blank")
    browser.open(page + "#record-twin")
    assert browser.run("return document.activeElement.textContent") == "twin"


def test_more_rows_come_on_demand(browser, folder):
    kept = [seed(f"s{n}", f"Say {n} words.") for n in range(120)]
    browser.open(save(write_version(folder / "many", kept), folder / "many.html"))
    assert len(rows(browser)) == 50
    browser.click("#more")
    browser.click("#more")
    assert len(rows(browser)) == 120
    assert browser.run("return document.getElementById('more').hidden")


def test_hostile_records_do_nothing(browser, folder):
    browser.open(save(hostile(folder / "hostile"), folder / "hostile.html"))
    for at in range(2 * len(ATTACKS)):
        browser.run("document.querySelectorAll('#records tr.row button')[arguments[0]].click()", at)
    for id in ("status", "step", "reason", "topic", "lang"):
        browser.run(
            "const s = document.getElementById(arguments[0]);"
            "const go = (v) => { s.value = v; s.dispatchEvent(new Event('change')); };"
            "[...s.options].forEach((option) => go(option.value)); go('');",
            id,
        )
    browser.run("document.querySelectorAll('a.show').forEach(a => a.click())")
    for link in range(
        browser.run("return document.querySelectorAll('a[href^=\"#record-\"]').length")
    ):
        browser.run(
            "document.querySelectorAll('a[href^=\"#record-\"]')[arguments[0]]?.click()", link
        )
    assert browser.run("return typeof window.pwned") == "undefined"
    assert browser.run("return document.querySelectorAll('img, iframe, #records svg').length") == 0
    assert browser.run("return document.scripts.length") == 2
    assert browser.log() == []


def test_hidden_characters_are_shown_in_the_table(browser, folder):
    version = write_version(folder / "bidi", [seed("s", "a\u202eb\x00\x00c \ud800d\U000e0041")])
    browser.open(save(version, folder / "bidi.html"))
    browser.click("#records tr.row button")
    text = browser.run("return document.querySelector('tr.opened .text').textContent")
    assert text == "aU+202EbU+0000 \u00d7 2c U+D800dU+E0041"


def test_the_policy_stops_what_is_not_its_own(browser, page):
    browser.open(page)
    browser.run(
        "const s = document.createElement('script'); s.textContent = 'window.pwned = 1';"
        "document.body.append(s); document.body.setAttribute('style', 'color: red')"
    )
    assert browser.run("return typeof window.pwned") == "undefined"
    assert len(browser.log()) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_schemes(browser, page, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.command("Emulation.setEmulatedMedia", features=[feature])
    browser.open(page)
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    browser.command("Emulation.setEmulatedMedia", features=[])


OVERFLOW = """
const wide = document.documentElement.clientWidth;
const outside = [...document.querySelectorAll("body *")].filter((each) =>
  !each.closest(".scroll, pre, .skip, .unseen") && each.getBoundingClientRect().right > wide + 1);
return [document.documentElement.scrollWidth - wide, outside.map((e) => e.outerHTML.slice(0, 90))];
"""


@pytest.mark.parametrize("name", ["grown", "hostile"])
def test_narrow_screens_do_not_scroll_sideways(browser, folder, page, name):
    make = {"grown": grown, "hostile": hostile}[name]
    url = save(make(folder / f"{name}-narrow"), folder / f"{name}-narrow.html")
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.command("Emulation.setDeviceMetricsOverride", **size)
    browser.open(url)
    try:
        assert browser.run(OVERFLOW) == [0, []]
    finally:
        browser.command("Emulation.clearDeviceMetricsOverride")


def test_the_first_screen_fits(browser, folder):
    """Name, figures, funnel and findings of a run with eight steps need no scrolling."""
    kept = [made(f"m{n}", ["s"], f"A{n} b{n} c{n}", "x" * 50) for n in range(40)]
    lost = [(seed(f"d{n}"), drop("filter.f1", "bad")) for n in range(60)]
    steps = [row("generate.x", 0, made=100), row("filter.f1", 100, bad=60)]
    steps += [row(f"filter.f{n}", 40) for n in range(2, 8)]
    url = save(write_version(folder / "fits", kept, lost, funnel=steps), folder / "fits.html")
    size = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.command("Emulation.setDeviceMetricsOverride", **size)
    browser.open(url)
    end = browser.run("return document.querySelector('.overview').getBoundingClientRect().bottom")
    browser.command("Emulation.clearDeviceMetricsOverride")
    assert end <= 800


def test_it_prints_in_black_on_white(browser, page):
    browser.command("Emulation.setEmulatedMedia", media="print")
    browser.open(page)
    style = browser.run("return getComputedStyle(document.querySelector('nav')).display")
    browser.command("Emulation.setEmulatedMedia", media="")
    assert style == "none"
