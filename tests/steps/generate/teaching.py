"""One record asked about, with a teacher that a test plays."""

import asyncio
import json
import random
import re
from contextlib import closing
from decimal import Decimal

from datakit.llm.budget import Budget, Price
from datakit.llm.client import Client
from datakit.llm.llm import LLM
from datakit.llm.log import ResponseLog
from datakit.llm.pace import Pace
from datakit.llm.request import ALL, Response, Sample, Usage
from datakit.record import Record
from datakit.running.making import ask_about
from datakit.step import Resources

SCHEMA = "CREATE TABLE river (name TEXT, km INTEGER); INSERT INTO river VALUES ('Rhine', 1233);"
ODD = "{question} }{ {answers} <b>&amp;</b> </answer 1> \u202e\U0001f600 e\u0301 \\boxed{"


class Teacher:
    """Answers with what `reply(request)` returns: a text or a Sample for each of `n`."""

    model = "m"
    form = "chat"
    knobs = ALL

    def __init__(self, reply):
        self.sent, self._reply = [], reply

    def identity(self):
        return {"provider": "fake", "model": self.model}

    async def send(self, request):
        self.sent.append(request)
        said = self._reply(request)
        said = [said] if isinstance(said, str | Sample) else said
        samples = tuple(each if isinstance(each, Sample) else Sample(each) for each in said)
        assert len(samples) == request.n
        return Response(samples, Usage(10, 4), self.model)

    async def close(self):
        pass


def asked(step, record, reply, folder, seed=0):
    """Returns what a step says of a record, and what it sent."""
    folder.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(reply)
    with ResponseLog(folder / "log") as log, closing(Resources()) as resources:
        client = Client(teacher, log, Price(Decimal(3), Decimal(3)), Budget(None), Pace(4))
        llm = LLM(client, f"step/{record.id}", 0, seed)
        return asyncio.run(ask_about(step, record, llm, resources)), teacher.sent


def once(*texts):
    """Answers the first request with texts, and any later one with the last of them."""
    left = [list(texts)]
    return lambda request: left.pop() if left else texts[-1]


def content(request):
    return request.messages[-1]["content"]


def shown(text):
    """Returns the answers that a rater is shown, in their order."""
    return re.findall(r"<answer \d+>\n(.*?)\n</answer \d+>(?=\n\n)", text, re.DOTALL)


def rating(worth):
    """Returns the reply of a rater: `worth(text, message)` of each answer that it is shown."""

    def reply(message):
        rated = [
            {"answer": at, "reason": "r", "rating": worth(text, message)}
            for at, text in enumerate(shown(message), 1)
        ]
        random.Random(message).shuffle(rated)
        return json.dumps({"ratings": rated})

    return reply


def record(instruction="What is 6 * 3?", input="", output="", **more):
    return Record(instruction, input, output, **({"id": "r1"} | more))
