"""A loopback teacher for pipelines whose later steps ask: it judges, evolves and rates."""

import dataclasses
import hashlib
import json
import re

from datakit import api
from datakit.steps.dedup.exact import Exact
from datakit.steps.filter.length import Length
from datakit.steps.filter.where import Where
from datakit.steps.score.judge import Judge
from tests.ablation.runs import pipeline
from tests.loopback import Fault, Plan, serve
from tests.running.steps import triples

JUDGED = (
    triples(3),
    Length(min_chars=10, max_chars=90),
    Judge(),
    Exact(),
    Where("judge >= 4"),
)
FAULTS = (Fault("bad_request", 0.08), Fault("length", 0.05), Fault("refusal", 0.04))


def reply(body):
    """Answers by the schema that is asked for, each request its own way."""
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    asked = schema.get("properties", {})
    text = body["messages"][-1]["content"]
    chance = int(hashlib.sha256(json.dumps(body).encode()).hexdigest()[:8], 16)
    if "score" in asked:
        return json.dumps({"reason": "So.", "score": 1 + chance % 6})
    if "ratings" in asked:
        answers = len(re.findall(r"<answer \d+>", text))
        ratings = [
            {"answer": at + 1, "reason": "So.", "rating": 1 + (chance + 2 * at) % 5}
            for at in range(answers)
        ]
        return json.dumps({"ratings": ratings})
    if "equal" in asked:
        return json.dumps({"equal": chance % 4 == 0})
    if "instruction" in asked:
        new = {"instruction": f"Name thing {chance} and why?", "input": ""}
        return json.dumps({key: new[key] for key in asked})
    return None


def plan(faults=()):
    return Plan([dataclasses.replace(each) for each in faults], reply=reply)


def judged(folder, *steps, faults=FAULTS, budget=None, run=api.run, **fields):
    """Runs a pipeline of which several steps ask; its teacher is gone afterwards."""
    with serve(plan(faults)) as server:
        asked = pipeline(folder, server, *(steps or JUDGED), **fields)
        return asked, run(asked, store=folder / "store", budget=budget)
