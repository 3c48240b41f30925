"""Teachers for unit tests: what they say is written in the test; all above them is real."""

import asyncio
from decimal import Decimal
from pathlib import Path

from datakit.llm.budget import Budget, Price
from datakit.llm.client import Client
from datakit.llm.llm import LLM
from datakit.llm.log import ResponseLog
from datakit.llm.pace import Pace
from datakit.llm.request import ALL, Response, Sample, Usage

__all__ = ["Scripted", "ask", "llm_of"]


class Scripted:
    """A provider that answers as a function of the request says.

    Args:
        answer: Takes a request; returns a text, a sample, or a list of them; or raises.
        form: How it is asked best.
    """

    model = "m"

    def __init__(self, answer, form="chat"):
        self.answer = answer
        self.form = form
        self.knobs = ALL
        self.asked = []

    def identity(self):
        return {"provider": "scripted", "model": self.model}

    async def send(self, request):
        self.asked.append(request)
        await asyncio.sleep(0)
        said = self.answer(request)
        listed = said if isinstance(said, list) else [said] * request.n
        samples = tuple(each if isinstance(each, Sample) else Sample(each) for each in listed)
        return Response(samples, Usage(10, 10), self.model)

    async def close(self):
        pass


def client_of(provider, folder: Path, *, cap=None, price=1):
    """A real client of it, with a log in a folder."""
    log = ResponseLog(Path(folder) / "responses.jsonl")
    each = Price(Decimal(price), Decimal(price))
    return Client(provider, log, each, Budget(cap), Pace(8))


def llm_of(provider, folder: Path, *, ordinal=0, seed=0, seeds=(), due=None):
    """What a step is given that asks it."""
    return LLM(client_of(provider, folder), f"0/0/{ordinal}", ordinal, seed, set(seeds), due)


def ask(step, records, provider, folder, **more):
    """Calls a `make` step once."""
    return asyncio.run(step.make(records, llm_of(provider, folder, **more)))
