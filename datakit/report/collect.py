"""Reads the facts of a version, in one pass over each of its files."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from datakit.errors import DatakitError
from datakit.language import Detector, FastText, judged_text
from datakit.record import Record
from datakit.report.about import About, clipped, kind_of
from datakit.report.facts import Facts, Lengths, Limit
from datakit.report.lineage import Lineage
from datakit.report.reservoir import Reservoir, Strata, Tally
from datakit.report.sample import CLIP, FIELDS, Sample, take
from datakit.store.version import Version
from datakit.text import fold, hash64

__all__ = ["collect"]

SHOWN = 200
_PAIRS = 12
# Shorter answers, such as labels, are rightly the same for many questions.
_ANSWER = 12
_ANCESTORS = 24
_LANGUAGE_SAMPLE = 2_000
# Lineage is kept in memory; a longer one belongs to a clean-up of a large file, family of one.
_MOST_LINEAGE = 500_000


@lru_cache(maxsize=1)
def collect(version: Version) -> Facts:
    """Reads a version once, and what was dropped a second time for the rivals that are there.

    Memory does not grow with the records, but for lineage and counts of different lengths.
    """
    return _Collector(version).run()


class _Collector:
    def __init__(self, version: Version) -> None:
        self._version = version
        self._limits = _limits(About(version))
        self._lengths = {field: Lengths(Counter(), Counter()) for field in FIELDS}
        self._languages: Counter[str] = Counter()
        self._openings = {field: Tally() for field in ("instruction", "output")}
        self._similarities: dict[str, Counter[int]] = {}
        self._benchmarks: Counter[str] = Counter()
        self._topic_of: dict[str, str] = {}
        self._kept: Strata[Sample] = Strata(SHOWN)
        self._dropped: Strata[Sample] = Strata(SHOWN - _PAIRS, seed=1)
        self._prose: Reservoir[str] = Reservoir(_LANGUAGE_SAMPLE)
        self._closest: list[tuple[float, int, Sample]] = []
        self._lineage = Lineage()
        self._made: list[str] = []
        self._near = self._empty = self._place = self._grown = self._repeated = 0
        self._outputs: set[int] = set()
        self._makers = About(version).makers
        self._revised: dict[str, bool] = {}

    def run(self) -> Facts:
        """Reads the dropped records first: they say which kept ones are rivals."""
        for record, drop in self._version.iter_dropped():
            self._see_dropped(record, drop)
        pairs = tuple(s for _, _, s in sorted(self._closest, key=lambda each: (-each[0], -each[1])))
        dropped = _unique([*pairs, *self._dropped.take()])
        wanted = {s.drop.of for s in dropped if s.drop and s.drop.of and not s.is_benchmark}
        rivals: dict[str, Sample] = {}
        for record in self._version.records():
            self._see_kept(record)
            if record.id in wanted:
                rivals[record.id] = take(record)
        if wanted - set(rivals):
            for record, drop in self._version.iter_dropped():
                if record.id in wanted and record.id not in rivals:
                    rivals[record.id] = take(record, drop)
        return self._facts(pairs, dropped, rivals)

    def _facts(
        self, pairs: tuple[Sample, ...], dropped: list[Sample], rivals: Mapping[str, Sample]
    ) -> Facts:
        detect = None if self._languages else _detector()
        languages, of, how = self._language(detect)
        measured = len(self._lineage) <= _MOST_LINEAGE
        kept = _unique(self._kept.take())
        return Facts(
            lengths=self._lengths,
            languages=languages,
            languages_of=of,
            languages_how=how,
            openings={field: (t.top(), t.total) for field, t in self._openings.items()},
            families=self._lineage.roots(self._made) if measured else {},
            families_of=len(self._made) if measured else 0,
            limits=self._limits,
            near_limits=self._near,
            similarities=self._similarities,
            benchmarks=self._benchmarks,
            pairs=pairs,
            kept=tuple(self._told(each, detect) for each in kept),
            dropped=tuple(self._told(each, None) for each in dropped),
            rivals=rivals,
            ancestors={
                each.id: self._lineage.ancestors(each.id, _ANCESTORS) for each in (*kept, *dropped)
            },
            empty=self._empty,
            repeated=self._repeated,
            grown=self._grown,
            dropped_of=self._dropped.seen,
        )

    def _see_dropped(self, record: Record, drop: Mapping[str, Any]) -> None:
        self._note(record)
        step, reason, score = drop["step"], drop["reason"], drop.get("score")
        if reason == "revised" and len(self._revised) < _MOST_LINEAGE:
            self._revised[record.id] = self._is_grown(record)
        self._dropped.offer((step, reason), lambda: take(record, drop))
        if kind_of(step) == "contamination":
            self._benchmarks[clipped(str(drop.get("of")).rpartition("/")[0], 80)] += 1
        elif drop.get("of") and isinstance(score, int | float):
            self._similarities.setdefault(step, Counter())[_hundredths(score)] += 1
            # The later of equals is less than the earlier: the heap keeps the first seen.
            entry = (float(score), -self._place)
            if len(self._closest) < _PAIRS:
                heapq.heappush(self._closest, (*entry, take(record, drop)))
            elif entry > self._closest[0][:2]:
                heapq.heapreplace(self._closest, (*entry, take(record, drop)))

    def _see_kept(self, record: Record) -> None:
        self._note(record)
        if record.parents and len(self._lineage) <= _MOST_LINEAGE:
            self._made.append(record.id)
        lengths = {}
        for field in FIELDS:
            text = getattr(record, field)
            lengths[field] = len(text.strip())
            self._lengths[field].chars[len(text)] += 1
            self._lengths[field].words[len(text.split())] += 1
        for field, tally in self._openings.items():
            first = fold(getattr(record, field)[:200]).split(None, 3)[:3]
            if len(first) == 3:
                tally.add(" ".join(first)[:80])
        near = any(limit.is_near(lengths[limit.field]) for limit in self._limits)
        self._near += near
        self._grown += self._is_grown(record)
        self._empty += not lengths["output"]
        self._see_language(record)
        lang = str(record.meta.get("lang", ""))
        again = self._is_repeated(record)
        self._repeated += again
        tags = _tags(record, near, again)
        kind = (tags, lang, record.meta.get("topic") or record.meta.get("step"))
        self._kept.offer(clipped(kind), lambda: take(record, tags=tags))

    def _is_repeated(self, record: Record) -> bool:
        output = record.output.strip()
        if len(output) < _ANSWER or len(self._outputs) > _MOST_LINEAGE:
            return False
        key = hash64(output)
        seen = key in self._outputs
        self._outputs.add(key)
        return seen and self._is_grown(record)

    def _is_grown(self, record: Record) -> bool:
        """Whether it was made, or revised from one that was."""
        made = record.meta.get("step") in self._makers
        return made or any(self._revised.get(parent, False) for parent in record.parents)

    def _see_language(self, record: Record) -> None:
        if record.meta.get("lang"):
            self._languages[clipped(record.meta["lang"], 12)] += 1
        elif not self._languages:
            self._prose.offer(lambda: judged_text(record, FIELDS[::2])[:CLIP])

    def _note(self, record: Record) -> None:
        self._place += 1
        if record.parents:
            if len(self._lineage) <= _MOST_LINEAGE:
                self._lineage.add(record.id, record.parents)
        elif record.meta.get("topic") and len(self._topic_of) < _MOST_LINEAGE:
            self._topic_of[record.id] = clipped(record.meta["topic"], 40)

    def _language(self, detector: Detector | None) -> tuple[Counter[str], int, str]:
        if self._languages:
            return self._languages, self._languages.total(), "recorded"
        if detector is None or not self._prose:
            return Counter(), 0, ""
        found = Counter(detector.detect(text)[0] for text in self._prose)
        return found, found.total(), "measured"

    def _told(self, sample: Sample, detector: Detector | None) -> Sample:
        """Completes a sample: its language, and the topic of the seed that it came from."""
        lang = clipped(sample.meta.get("lang") or "", 12)
        if detector and not lang:
            texts = Record(sample.texts[0], sample.texts[1], sample.texts[2])
            lang = detector.detect(judged_text(texts, FIELDS[::2]))[0]
        meta = dict(sample.meta)
        if not meta.get("topic"):
            line = [*meta.get("parents", ()), *self._lineage.ancestors(sample.id)]
            topic = next((self._topic_of[id] for id in line if id in self._topic_of), "")
            meta |= {"topic": topic} if topic else {}
        return Sample(sample.id, sample.texts, sample.lengths, meta, sample.drop, lang, sample.tags)


def _hundredths(score: float) -> int:
    # Rounded down, so that only what is the same has 100; but 0.29 is 29, not 28.
    return int(100 * min(max(score, 0.0), 1.0) + 1e-9)


def _tags(record: Record, near: bool, again: bool) -> tuple[str, ...]:
    license = str(record.meta.get("license") or "")
    tags = {
        "near_limit": near,
        "repeated_output": again,
        "empty_output": not record.output.strip(),
        "no_licence": license.upper() in ("", "NOASSERTION", "UNKNOWN"),
    }
    return tuple(tag for tag, is_so in tags.items() if is_so)


def _unique(samples: Iterable[Sample]) -> list[Sample]:
    return list({sample.id: sample for sample in reversed(list(samples))}.values())[::-1]


def _limits(about: About) -> tuple[Limit, ...]:
    found = []
    for settings in about.settings("filter.length"):
        fewest, most = settings.get("min_chars", 1), settings.get("max_chars")
        for field in settings.get("fields") or ("output",):
            if field in FIELDS and isinstance(fewest, int) and isinstance(most, int | None):
                found.append(Limit(field, fewest, most))
    return tuple(found)


def _detector() -> Detector | None:
    try:
        return FastText()
    except DatakitError:
        return None
