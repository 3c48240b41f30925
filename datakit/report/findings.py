"""Findings: rules with thresholds, each a sentence with a number and a way to the records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from datakit.language import UNKNOWN
from datakit.report.about import About, clipped, kind_of, percent
from datakit.report.facts import Facts

__all__ = ["LIMITS", "Finding", "find", "unmeasured"]

# From which share on a rule speaks. Of what, its function says.
LIMITS: Mapping[str, float] = {
    "step_drops": 0.50,
    "one_reason": 0.60,
    "losses": 0.10,
    "family": 0.20,
    "instructions_alike": 0.10,
    "outputs_alike": 0.25,
    "near_limit": 0.05,
    "repeated": 0.05,
    "other_language": 0.02,
    "unanswered": 0.05,
}
LOOK, KNOW = 2, 1
_FEWEST_FAMILIES = 5
_FEWEST = 10


@dataclass(frozen=True)
class Finding:
    """Something that a reader should know.

    Args:
        text: The sentence, with its number.
        count: Records that it is about.
        of: Records that could have been.
        level: `LOOK` needs one, `KNOW` is good to know.
        show: Filters of the table of records: `status`, `step`, `reason`, `lang`, `tag`, `query`.
        more: What to do about it.
        code: A line to be copied.
    """

    text: str
    count: int
    of: int
    level: int = KNOW
    show: Mapping[str, str] = field(default_factory=dict)
    more: str = ""
    code: str = ""

    @property
    def share(self) -> float:
        """Part of the records that it is about."""
        return self.count / self.of if self.of else 0.0


Rule = Callable[[About, Facts], Iterator[Finding]]


def find(about: About, facts: Facts) -> list[Finding]:
    """Returns the findings, worst first."""
    found = [finding for rule in _RULES for finding in rule(about, facts)]
    return sorted(found, key=lambda each: (-each.level, -each.share, each.text))


def unmeasured(about: About, facts: Facts) -> list[str]:
    """Returns what nothing can be said about, since nothing measured it."""
    missing = []
    if not about.ran("contamination"):
        missing.append("contamination (no such step ran)")
    if not about.ran("dedup"):
        missing.append("near-duplicates (no such step ran)")
    if not facts.languages_of and about.kept:
        missing.append("language")
    if facts.grown and not facts.families_of:
        missing.append("seed families")
    return missing


def _ended(about: About, facts: Facts) -> Iterator[Finding]:
    target, ended = about.manifest.get("target"), about.manifest.get("ended")
    made = facts.grown
    why = {
        "budget": "The budget ended the run",
        "novelty": "The run ended when rounds kept nothing new",
        "max_candidates": "The run ended at its most candidates",
    }.get("budget" if about.manifest.get("interrupted") == "budget" else str(ended))
    if why and isinstance(target, int) and made < target:
        text = f"{why}: {made:,} of {target:,} records asked for were made and kept."
        yield Finding(text, target - made, target, LOOK)
    elif why == "The budget ended the run":
        yield Finding(f"{why}; what it had kept by then is here.", 0, 0, LOOK)


def _embedded(about: About, facts: Facts) -> Iterator[Finding]:
    if any(teacher.get("provider") == "embedded" for teacher in about.teachers):
        yield Finding(
            "The teacher was the embedded model. It is there for trying the pipeline; "
            "train no model on what it wrote.",
            facts.grown,
            about.kept,
            LOOK,
            {"status": "kept"},
            "A real teacher is one line and one key:",
            "teacher: {provider: openai, model: ..., api_key_env: OPENAI_API_KEY}",
        )


def _terms(about: About, facts: Facts) -> Iterator[Finding]:
    limited = {
        (clipped(teacher.get("model"), 60), clipped(each.get("name"), 60), clipped(each["limit"]))
        for teacher in about.teachers
        for each in teacher.get("known_terms") or ()
        if each.get("training") == "limited"
    }
    for model, name, limit in sorted(limited):
        text = f"Training on what {model} wrote is limited by its terms ({name}): {limit}."
        yield Finding(text, facts.grown, about.kept)


def _losses(about: About, facts: Facts) -> Iterator[Finding]:
    told = set()
    for row in about.funnel:
        lost = row.lost - row.dropped.get("revised", 0)
        if row.came >= _FEWEST and lost > LIMITS["step_drops"] * row.came:
            told.add(row.step)
            mostly = max(row.dropped, key=lambda each: row.dropped[each])
            text = (
                f"{row.step} drops {lost:,} of the {row.came:,} records that reach it "
                f"({percent(lost, row.came)}), mostly {mostly} ({row.dropped[mostly]:,})."
            )
            yield Finding(text, lost, row.came, LOOK, {"status": "dropped", "step": row.step})
    losses = about.reasons
    total = sum(n for _, _, n in losses)
    if len(losses) > 1 and total > LIMITS["losses"] * about.candidates and total >= _FEWEST:
        step, reason, n = losses[0]
        if n > LIMITS["one_reason"] * total and step not in told:
            text = f"{reason} ({step}) is {percent(n, total)} of all that was dropped."
            show = {"status": "dropped", "step": step, "reason": reason}
            yield Finding(text, n, total, KNOW, show)


def _contamination(about: About, facts: Facts) -> Iterator[Finding]:
    count = facts.benchmarks.total()
    if count:
        names = [name or "a benchmark" for name, _ in facts.benchmarks.most_common(3)]
        text = (
            f"{count:,} record{'' if count == 1 else 's'} matched {', '.join(names)}"
            " and left the dataset."
        )
        step = next(r.step for r in about.funnel if kind_of(r.step) == "contamination")
        yield Finding(text, count, about.candidates, LOOK, {"status": "dropped", "step": step})


def _families(about: About, facts: Facts) -> Iterator[Finding]:
    if len(facts.families) < _FEWEST_FAMILIES:
        return
    root, weight = max(facts.families.items(), key=lambda each: (each[1], each[0]))
    if weight > LIMITS["family"] * facts.families_of:
        text = (
            f"One seed of {len(facts.families):,}, {clipped(root, 16)}, is behind "
            f"{percent(weight, facts.families_of)} of what was made and kept."
        )
        show = {"status": "kept", "query": clipped(root, 80)}
        yield Finding(text, round(weight), facts.families_of, KNOW, show)


def _openings(about: About, facts: Facts) -> Iterator[Finding]:
    for name, (top, total) in facts.openings.items():
        if not top or total < _FEWEST:
            continue
        words, n = top[0]
        if n > LIMITS[f"{name}s_alike"] * about.kept:
            text = f"{percent(n, about.kept)} of the {name}s begin with the words “{words}”."
            yield Finding(text, n, about.kept, KNOW, {"status": "kept", "query": words})


def _repeated(about: About, facts: Facts) -> Iterator[Finding]:
    n = facts.repeated
    if n > LIMITS["repeated"] * facts.grown:
        text = f"{_count(n)} an output that an earlier record has already, under another question."
        yield Finding(text, n, facts.grown, LOOK, {"status": "kept", "tag": "repeated_output"})


def _unjudged(about: About, facts: Facts) -> Iterator[Finding]:
    if facts.grown and not any("judge" in row.step for row in about.funnel):
        text = (
            "No step judged whether answers are right: what is kept is well formed and new, and "
            "passed the filters named here, no more."
        )
        yield Finding(text, facts.grown, about.kept, KNOW, {"status": "kept"})


def _near_limits(about: About, facts: Facts) -> Iterator[Finding]:
    n = facts.near_limits
    if about.kept >= _FEWEST and n > LIMITS["near_limit"] * about.kept:
        text = f"{_count(n)} a length within a tenth of a limit of filter.length."
        yield Finding(text, n, about.kept, KNOW, {"status": "kept", "tag": "near_limit"})


def _languages(about: About, facts: Facts) -> Iterator[Finding]:
    told = {lang: n for lang, n in facts.languages.items() if lang != UNKNOWN}
    if len(told) < 2:
        return
    main = max(told, key=lambda lang: (told[lang], lang))
    others = sum(told.values()) - told[main]
    if others > LIMITS["other_language"] * facts.languages_of:
        names = sorted((lang for lang in told if lang != main), key=lambda lang: -told[lang])
        text = (
            f"{percent(others, facts.languages_of)} of the kept records are not in the main "
            f"language, {main}: mostly {', '.join(names[:3])}."
        )
        yield Finding(text, others, facts.languages_of, KNOW, {"status": "kept", "lang": names[0]})


def _count(n: int) -> str:
    return "1 kept record has" if n == 1 else f"{n:,} kept records have"


def _empty(about: About, facts: Facts) -> Iterator[Finding]:
    if facts.empty:
        text = f"{_count(facts.empty)} an empty output."
        show = {"status": "kept", "tag": "empty_output"}
        yield Finding(text, facts.empty, about.kept, LOOK, show)


def _licences(about: About, facts: Facts) -> Iterator[Finding]:
    n = sum(n for name, n in about.licenses if name.upper() in ("", "NOASSERTION", "UNKNOWN"))
    if n:
        text = f"{_count(n)} no known licence."
        yield Finding(text, n, about.kept, LOOK, {"status": "kept", "tag": "no_licence"})


def _unanswered(about: About, facts: Facts) -> Iterator[Finding]:
    answers = about.cost.get("answers") or about.cost.get("requests") or 0
    refused, cut = about.cost.get("refused") or 0, about.cost.get("cut_short") or 0
    if refused + cut > LIMITS["unanswered"] * answers:
        text = f"Of {answers:,} answers, {refused:,} were refused and {cut:,} cut short."
        reasons = {"refused", "cut_short"} & {reason for _, reason, _ in about.reasons}
        show = {"status": "dropped", "reason": min(reasons)} if reasons else {}
        yield Finding(text, refused + cut, answers, KNOW, show)


_RULES: tuple[Rule, ...] = (
    _ended,
    _embedded,
    _terms,
    _losses,
    _contamination,
    _families,
    _openings,
    _repeated,
    _unjudged,
    _near_limits,
    _languages,
    _empty,
    _licences,
    _unanswered,
)
