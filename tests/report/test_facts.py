from datakit.report.collect import collect
from tests.report.versions import drop, grown, made, row, seed, write_version


def test_lengths_are_those_of_the_kept(tmp_path):
    facts = collect(grown(tmp_path))
    assert facts.lengths["output"].chars.total() == 4
    assert facts.lengths["output"].words[3] == 0
    assert facts.lengths["output"].words[4] == 2
    assert facts.lengths["input"].chars == {0: 4}


def test_rivals_pairs_and_benchmarks(tmp_path):
    facts = collect(grown(tmp_path))
    assert [each.id for each in facts.pairs] == ["twin"]
    assert set(facts.rivals) == {"kept1"}
    assert facts.similarities == {"dedup.minhash": {86: 1}}
    assert facts.benchmarks == {"gsm8k": 1}


def test_a_rival_that_was_dropped_later_is_found(tmp_path):
    rival = made("rival", ["s"], "Count the boats.", "1")
    late = made("late", ["s"], "Count the boats!", "1")
    dropped = [
        (late, drop("dedup.minhash", "near_duplicate", "rival", 0.9)),
        (rival, drop("filter.length", "too_short", chars=1)),
    ]
    facts = collect(write_version(tmp_path, [seed("s")], dropped))
    assert facts.rivals["rival"].drop.reason == "too_short"


def test_topics_come_from_the_seed(tmp_path):
    facts = collect(grown(tmp_path))
    topics = {each.id: each.meta.get("topic") for each in (*facts.kept, *facts.dropped)}
    assert topics["kept2"] == "boats"
    assert topics["known"] == "harbours"


def test_languages_as_recorded(tmp_path):
    kept = [seed(f"s{n}", lang="de" if n else "en") for n in range(3)]
    facts = collect(write_version(tmp_path, kept))
    assert facts.languages == {"de": 2, "en": 1}
    assert (facts.languages_of, facts.languages_how) == (3, "recorded")


def test_languages_are_not_measured_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr("datakit.report.collect._detector", lambda: None)
    facts = collect(grown(tmp_path))
    assert facts.languages_of == 0 and facts.languages_how == ""


def test_languages_are_measured_with_a_detector(tmp_path, monkeypatch):
    class Detector:
        def detect(self, text):
            return "en", 0.9

    monkeypatch.setattr("datakit.report.collect._detector", Detector)
    facts = collect(grown(tmp_path))
    assert facts.languages == {"en": 4} and facts.languages_how == "measured"
    assert {each.lang for each in facts.kept} == {"en"}


def test_near_limits_and_empty_outputs_are_tagged(tmp_path):
    kept = [seed("a", output="x" * 95), seed("b", output=""), seed("c", output="x" * 50)]
    facts = collect(write_version(tmp_path, kept))
    assert (facts.near_limits, facts.empty) == (2, 1)
    assert {each.id: each.tags for each in facts.kept} == {
        "a": ("near_limit",),
        "b": ("near_limit", "empty_output"),
        "c": (),
    }


def test_a_large_version_is_sampled(tmp_path):
    kept = (seed(f"s{n}", f"Say {n} words.", topic=f"t{n % 3}") for n in range(1_000))
    lost = (
        (seed(f"d{n}"), drop("filter.x", "rare" if n == 7 else "often", n=n)) for n in range(900)
    )
    facts = collect(write_version(tmp_path, kept, lost))
    assert len(facts.kept) == 200 and len(facts.dropped) <= 200
    assert "rare" in {each.drop.reason for each in facts.dropped}
    assert {each.meta["topic"] for each in facts.kept} == {"t0", "t1", "t2"}


def test_giant_texts_are_clipped(tmp_path):
    facts = collect(write_version(tmp_path, [seed("s", "x" * 1_000_000)]))
    assert len(facts.kept[0].texts[0]) == 2_000
    assert facts.kept[0].lengths[0] == 1_000_000


def test_an_empty_version(tmp_path):
    facts = collect(write_version(tmp_path, funnel=[row("filter.x", 0)]))
    assert facts.kept == () and facts.families_of == 0
