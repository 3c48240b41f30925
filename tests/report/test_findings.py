from datakit.report import card, render
from datakit.report.about import About, percent
from datakit.report.collect import collect
from datakit.report.findings import LOOK, find, unmeasured
from tests.report.versions import TEACHER, drop, grown, made, row, seed, write_version


def findings(version):
    return find(About(version), collect(version))


def texts(version):
    return [each.text for each in findings(version)]


def kept(n, **meta):
    return [seed(f"s{i}", f"Word{i} more{i} last{i}", "x" * 50, **meta) for i in range(n)]


def test_a_clean_version_has_none(tmp_path):
    assert texts(write_version(tmp_path, kept(20, lang="en"))) == []


def test_the_embedded_teacher_is_told_with_the_way_out(tmp_path):
    teachers = [{**TEACHER, "provider": "embedded"}]
    found = findings(write_version(tmp_path, kept(20, lang="en"), teachers=teachers))
    assert found[0].level == LOOK and "trying the pipeline" in found[0].text
    assert found[0].code.startswith("teacher: {provider: openai")


def test_a_step_that_drops_most(tmp_path):
    lost = [(seed(f"d{n}"), drop("filter.x", "bad")) for n in range(80)]
    funnel = [row("filter.x", 100, bad=80)]
    found = findings(write_version(tmp_path, kept(20, lang="en"), lost, funnel=funnel))
    assert found[0].text == (
        "filter.x drops 80 of the 100 records that reach it (80 %), mostly bad (80)."
    )
    assert found[0].show == {"status": "dropped", "step": "filter.x"}


def test_one_reason_of_all(tmp_path):
    funnel = [row("filter.x", 100, bad=30, worse=4)]
    assert texts(write_version(tmp_path, kept(66, lang="en"), funnel=funnel)) == [
        "bad (filter.x) is 88 % of all that was dropped."
    ]


def test_revised_records_are_no_loss(tmp_path):
    funnel = [row("revise.x", 20, made=20, revised=20)]
    version = write_version(tmp_path, kept(20, lang="en"), funnel=funnel)
    assert texts(version) == []
    assert About(version).candidates == 20


def test_contamination(tmp_path):
    version = grown(tmp_path)
    assert "1 record matched gsm8k and left the dataset." in texts(version)


def test_one_seed_behind_it_all(tmp_path):
    start = kept(10, lang="en")
    children = [
        made(f"m{n}", ["s3" if n % 2 else f"s{n % 10}"], f"A{n} b{n} c{n}", "x" * 50, lang="en")
        for n in range(40)
    ]
    found = findings(write_version(tmp_path, start + children))
    assert [each.show.get("query") for each in found] == ["s3"]
    assert "is behind 50 %" in found[0].text


def test_alike_openings(tmp_path):
    same = [
        seed(f"a{n}", f"Write  a FUNCTION {n}", f"o{n} p{n} q{n}" * 4, lang="en") for n in range(9)
    ]
    assert texts(write_version(tmp_path, kept(20, lang="en") + same)) == [
        "31 % of the instructions begin with the words “write a function”."
    ]


def test_near_limits(tmp_path):
    near = [seed(f"n{n}", f"N{n} b{n} c{n}", "x" * 99, lang="en") for n in range(5)]
    found = findings(write_version(tmp_path, kept(20, lang="en") + near))
    assert found[0].show == {"status": "kept", "tag": "near_limit"}


def test_other_languages(tmp_path):
    other = [seed(f"n{n}", f"N{n} b{n} c{n}", "x" * 50, lang="fr") for n in range(5)]
    assert texts(write_version(tmp_path, kept(20, lang="en") + other)) == [
        "20 % of the kept records are not in the main language, en: mostly fr."
    ]


def test_the_budget_that_ended_it_is_told_first(tmp_path):
    changes = {"interrupted": "budget", "ended": "budget", "target": 500}
    found = findings(write_version(tmp_path, kept(20, lang="en"), **changes))
    assert found[0].text == (
        "The budget ended the run: 0 of 500 records asked for were made and kept."
    )


def test_unknown_licences(tmp_path):
    licenses = {"MIT": 15, "NOASSERTION": 5}
    found = texts(write_version(tmp_path, kept(20, lang="en"), licenses=licenses))
    assert found == ["5 kept records have no known licence."]


def test_requests_without_an_answer(tmp_path):
    cost = {"usd": "1.00", "requests": 25, "answers": 100, "refused": 4, "cut_short": 6}
    found = texts(write_version(tmp_path, kept(20, lang="en"), cost=cost))
    assert found == ["Of 100 answers, 4 were refused and 6 cut short."]


def test_what_was_not_measured_is_told(tmp_path):
    version = write_version(tmp_path, kept(2, lang="en"))
    missing = unmeasured(About(version), collect(version))
    assert [each.split(" (")[0] for each in missing] == ["contamination", "near-duplicates"]


def test_shares_do_not_lie_at_the_ends():
    assert percent(0, 10) == percent(0, 0) == "0 %"
    assert percent(1, 10_000) == "under 1 %"
    assert percent(9_999, 10_000) == "over 99 %"
    assert percent(10, 10) == "100 %"


LIMITED = {
    "name": "A Host's Terms",
    "url": "https://example.org/terms",
    "date": "2025-05-31",
    "training": "limited",
    "limit": "no rival <b>model</b>",
    "duties": ["say `so`"],
}


def test_terms_that_limit_training_are_found_once_and_told_in_the_card(tmp_path):
    teachers = [
        {"step": step, "provider": "openai", "model": "m", "known_terms": [LIMITED]}
        for step in ("generate.self_instruct", "score.judge")
    ]
    version = grown(tmp_path, teachers=teachers)
    texts = [each.text for each in find(About(version), collect(version))]
    told = [text for text in texts if "limited by its terms" in text]
    assert told == [
        "Training on what m wrote is limited by its terms (A Host's Terms): no rival <b>model</b>."
    ]
    page, text = render(version), card(version)
    assert "<b>model" not in page and "<b>model" not in text
    assert text.count("A Host's Terms, 2025-05-31: https://example.org/terms") == 1
    assert "say \\`so\\`" in text
