"""Judges with a known mind, as replies of the loopback server."""

import json
import re

from tests.loopback import Plan

_TAGS = ("question", "first", "second", "answer")


def shown(body):
    """Returns what a request asks about, by its mark."""
    text = body["messages"][-1]["content"]
    found = {tag: re.search(rf"<{tag}>\n(.*?)\n</{tag}>", text, re.DOTALL) for tag in _TAGS}
    return {tag: match[1] for tag, match in found.items() if match}


def pairwise(verdict, **plan):
    """Builds the plan of a judge whose verdict is `verdict(first, second)`."""

    def reply(body):
        asked = shown(body)
        better = verdict(asked["first"], asked["second"])
        return json.dumps({"reason": "so it is", "better": better})

    return Plan(reply=reply, **plan)


def longer(first, second):
    if len(first) == len(second):
        return "tie"
    return "first" if len(first) > len(second) else "second"


def good(first, second):
    """Knows the good answer, which says so."""
    if ("good" in first) == ("good" in second):
        return "tie"
    return "first" if "good" in first else "second"


def scoring(score, **plan):
    """Builds the plan of a judge whose score is `score(body)`, or a text that is sent as it is."""

    def reply(body):
        said = score(body)
        return said if isinstance(said, str) else json.dumps({"reason": "r", "score": said})

    return Plan(reply=reply, **plan)


def teacher(server, **fields):
    return {"provider": "openai", "model": "m", "base_url": server.url, **fields}
