"""Steps for tests, outside the registry: a property over the whole registry must not meet them."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from datakit import registry
from datakit.outcome import Drop, Rejected
from datakit.record import Record
from datakit.step import Resources, step
from datakit.steps.generate.self_instruct import SelfInstruct

# One request for whole records, none of them refused for its words.
TRIPLES = {
    "style": "alpaca", "examples": 5, "machine_examples": 2, "rules": False, "rouge": None,
    "temperature": 0.9, "top_p": 0.95,
}  # fmt: skip


def triples(per_request: int = 4) -> SelfInstruct:
    """A generator that the loopback server can answer."""
    return SelfInstruct(**TRIPLES, per_request=per_request)


def unlisted(name):
    """Makes a step as `@step` does, and takes it out of the registry."""

    def make(cls):
        made = step(name)(cls)
        registry._steps.pop(name)
        return made

    return make


@unlisted("test.short")
class Short:
    """Drops what is longer than `most`."""

    most: int = 10

    def check(self, record: Record) -> Drop | None:
        chars = len(record.output)
        return Drop("too_long", chars=chars) if chars > self.most else None


@unlisted("test.measure")
class Measure:
    """Measures the output."""

    def score(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        return [{"chars": len(record.output), "lang": "en"} for record in records]


@unlisted("test.twins")
class Twins:
    """Drops records whose output came before."""

    def select(self, records: Iterable[Record]) -> dict[str, Drop]:
        first: dict[str, str] = {}
        drops = {}
        for record in records:
            kept = first.setdefault(record.output, record.id)
            if kept != record.id:
                drops[record.id] = Drop("twin", of=kept, score=1.0)
        return drops


@unlisted("test.shout")
class Shout:
    """Makes answers loud."""

    def revise(self, record: Record) -> Record | None:
        loud = record.output.upper()
        return None if loud == record.output else record.child(output=loud)


@unlisted("test.made")
class Made:
    """Makes nothing itself; a test says what it has made."""

    async def make(self, seeds: Sequence[Record], llm: Any) -> list[Record | Rejected]:
        return []


class Opened:
    """Notes in a file that it was opened, used and closed, and by whom."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.note("open")

    def note(self, what: str) -> None:
        with open(self._path, "a") as file:
            file.write(f"{what} {os.getpid()}\n")

    def close(self) -> None:
        self.note("close")


@unlisted("test.opens")
class Opens:
    """Opens something slow."""

    path: str

    def check(self, record: Record, resources: Resources) -> Drop | None:
        resources.open(Opened, self.path).note("use")
        return None


@unlisted("test.says")
class Says:
    """Says what a `check` may not say."""

    what: str = "true"

    def check(self, record: Record) -> Any:
        said: Any = {
            "true": True,
            "nan": Drop("bad", value=float("nan")),
            "set": Drop("bad", v={1}),
        }
        return said[self.what]


@unlisted("test.scores")
class Scores:
    """Scores what a `score` may not score."""

    what: str = "nan"

    def score(self, records: Sequence[Record]) -> list[Any]:
        said: Any = {"nan": {"x": float("nan")}, "number": 3, "bytes": {"x": b""}}
        return [] if self.what == "none" else [said[self.what] for _ in records]


@unlisted("test.selects")
class Selects:
    """Selects what a `select` may not select."""

    what: str = "unknown"

    def select(self, records: Iterable[Record]) -> Any:
        said: Any = {"unknown": {"nobody": Drop("bad")}, "list": ["a"], "text": {"r0": "bad"}}
        return said[self.what]


@unlisted("test.raises")
class Raises:
    """Fails on one record."""

    on: str

    def check(self, record: Record) -> Drop | None:
        if record.id == self.on:
            raise KeyError("a fault of the step")
        return None


@unlisted("test.dies")
class Dies:
    """Ends its process, as one does that is out of memory."""

    def check(self, record: Record) -> Drop | None:
        os._exit(9)
