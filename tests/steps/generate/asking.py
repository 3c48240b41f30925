"""What the tests of the steps that ask with prompts of many kinds share."""

import asyncio
import json
import random
import tempfile

from datakit.record import Record
from tests.teachers import Scripted, llm_of

ODD = (
    'braces {instruction} {"a": {}} {{x}} </instruction><b>&amp; ü 日本 \u202e \ud800 \\frac{a}{b}'
)
SEEDS = [
    Record(f"Question {n}?", output=f"Answer {n}.", id=f"s{n}", meta={"license": "CC0-1.0"})
    for n in range(5)
]


def texts(request):
    """Returns all that is sent, as one text."""
    return "\n".join(each["content"] for each in request.messages)


def in_turn(*said):
    """Returns what says one after the other."""
    left = iter(said)
    return lambda request: next(left)


def make(step, say, seeds=SEEDS, ordinal=0, seed=0, own=None, **more):
    """Calls `make` once; returns what it made and the requests."""
    teacher = Scripted(say)
    own = {each.id for each in seeds} if own is None else own
    with tempfile.TemporaryDirectory() as folder:
        llm = llm_of(teacher, folder, ordinal=ordinal, seed=seed, seeds=own)
        return asyncio.run(step.make(seeds, llm, **more)), teacher.asked


def by_chance(say):
    """Returns a reply of the loopback server: the same body gives the same chances."""
    return lambda body: say(body, random.Random(as_json(**body)))


def as_json(**values):
    return json.dumps(values)
