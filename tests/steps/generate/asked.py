"""A teacher that says what a test tells it to, behind the real client and log."""

import asyncio
from decimal import Decimal

from datakit.llm.budget import Budget, Price
from datakit.llm.client import Client
from datakit.llm.llm import LLM
from datakit.llm.log import ResponseLog
from datakit.llm.pace import Pace
from datakit.llm.request import ALL, Response, Sample, Usage
from datakit.record import Record
from datakit.step import Resources, call

SEEDS = [
    Record(f"Question {n}?", output=f"Answer {n} {{x}}.", id=f"s{n}", meta={"license": "CC0-1.0"})
    for n in range(4)
]


class Scripted:
    """Answers each request with what `script` says of its last message: a text, or a Sample."""

    model = "m"
    form = "chat"
    knobs = ALL

    def __init__(self, script):
        self.sent, self._script = [], script

    def identity(self):
        return {"provider": "scripted"}

    async def send(self, request):
        self.sent.append(request)
        said = self._script(request.messages[-1]["content"])
        sample = said if isinstance(said, Sample) else Sample(said)
        return Response((sample,), Usage(10, 4), self.model)

    async def close(self):
        pass

    @property
    def messages(self):
        return [request.messages[-1]["content"] for request in self.sent]


def make(folder, step, script, ordinals=(0,), seeds=SEEDS, own=None):
    """Returns what the calls of a step made, one list for each, and the provider."""
    provider = Scripted(script)
    own = {seed.id for seed in seeds} if own is None else own

    async def go():
        with ResponseLog(folder / "log") as log:
            client = Client(provider, log, Price(Decimal(1), Decimal(1)), Budget(None), Pace(1))
            resources = Resources()
            return [
                await call(
                    step,
                    seeds,
                    llm=LLM(client, f"0/0/{each}", each, 1000 + each, own),
                    resources=resources,
                )
                for each in ordinals
            ]

    return asyncio.run(go()), provider
