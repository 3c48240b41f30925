"""Pairs and requests for the tests of the rating page."""

import http.client
import json
from urllib.parse import urlsplit

from datakit.curate import AnswerLog, PairSheet, make_pairs

NAMES = ("maker-one", "maker-two")


def asked(count):
    return [({"role": "user", "content": f"Question {at}?"},) for at in range(count)]


def pairs(count=4, *, same=0, seed=0):
    first = [f"One says {at}." for at in range(count)]
    second = [first[at] if at < same else f"Two says {at}." for at in range(count)]
    return make_pairs(asked(count), first, second, names=NAMES, seed=seed, key={"of": "tests"})


def sheet_and_log(folder, count=4, **options):
    sheet = PairSheet(pairs(count, **options))
    return sheet, AnswerLog(folder / "answers.jsonl", sheet.ids, sheet.choices)


class Client:
    """Asks a server as a browser's page would, unless told otherwise."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.authority, self.path = parts.netloc, parts.path
        self.replies = b""

    def ask(self, method, name, body=None, *, path=None, **headers):
        """Returns status, headers and body; a header that is None is not sent."""
        given = {"Host": self.authority}
        if body is not None:
            given |= {"Origin": f"http://{self.authority}", "Content-Type": "application/json"}
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            given["Content-Length"] = str(len(body))
        given |= {key.replace("_", "-"): value for key, value in headers.items()}
        connection = http.client.HTTPConnection(self.authority, timeout=10)
        connection.putrequest(
            method,
            (self.path if path is None else path) + name,
            skip_host=True,
            skip_accept_encoding=True,
        )
        for key, value in given.items():
            if value is not None:
                connection.putheader(key, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        self.replies += str(reply.headers).encode() + content
        return reply.status, reply.headers, content

    def state(self):
        return json.loads(self.ask("GET", "state")[2])

    def answer(self, at, choice, note=""):
        status, _, content = self.ask("POST", "answer", {"at": at, "answer": choice, "note": note})
        return status, json.loads(content)
