"""Finished runs to ablate: a loopback teacher, which is gone once the run is done."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from datakit import api
from datakit.llm.teacher import Teacher
from datakit.record import Record
from datakit.running.pipeline import Pipeline
from datakit.step import FileRef
from datakit.steps.dedup.exact import Exact
from datakit.steps.filter.length import Length
from datakit.steps.filter.where import Where
from datakit.steps.revise.normalize import Normalize
from datakit.steps.source.jsonl import JsonLines
from tests.loopback import Fault, Plan, serve
from tests.running.steps import triples, unlisted

PRICES = {"input": "1", "output": "2"}
# What is refused, cut short or broken is a part of the data.
FAULTS = (
    Fault("bad_request", 0.08),
    Fault("length", 0.06),
    Fault("refusal", 0.04),
    Fault("malformed", 0.04),
)


@unlisted("test.chars")
class Chars:
    """Measures the output."""

    def score(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        return [{"chars": len(record.output)} for record in records]


STEPS = (
    triples(3),
    Normalize(),
    Chars(),
    Length(min_chars=10),
    Exact(),
    Where("chars < 110"),
)


def seeds(folder, number=8):
    folder.mkdir(exist_ok=True)
    path = folder / "seeds.jsonl"
    texts = [(f"Name thing {n} of the list.", f"Thing {n} is a boat.") for n in range(number)]
    path.write_bytes(b"".join(Record(asked, output=said).to_line() for asked, said in texts))
    return JsonLines(FileRef(str(path)), answers=True)


def pipeline(folder, server, *steps, price=PRICES, **fields):
    teacher = Teacher(provider="openai", model="m", base_url=server.url, concurrency=4, price=price)
    fields = {"target": 50, "round_size": 5, "teacher": teacher, "seeds": seeds(folder)} | fields
    return Pipeline("grown", steps or STEPS, **fields)


def finished(folder, *steps, faults=FAULTS, budget=None, limits=(None,), **fields):
    """Runs a pipeline, once for each limit; its teacher is gone afterwards."""
    with serve(Plan([dataclasses.replace(each) for each in faults])) as server:
        asked = pipeline(folder, server, *steps, **fields)
        for limit in limits:
            version = api.run(asked, store=folder / "store", budget=budget, limit=limit)
    return asked, version
