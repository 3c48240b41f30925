"""A key comes from the environment and stands nowhere else: no file, message, repr or command."""

import asyncio
import base64
import json
import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

import datakit as dk
from datakit.errors import DatakitError
from datakit.llm.anthropic import Anthropic
from datakit.llm.openai import OpenAI
from datakit.llm.request import Request
from datakit.llm.together import Together
from tests.judge.judges import scoring
from tests.loopback import Fault, serve

# With what a URL, a header and JSON each write in another way.
KEY = 'sk-very/secret+key="0123456789&abc'
FORMS = {
    "as it is": KEY,
    "in JSON": json.dumps(KEY)[1:-1],
    "in a URL": quote(KEY, safe=""),
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "as a user in base64": base64.b64encode(f":{KEY}".encode()).decode(),
    "in hex": KEY.encode().hex(),
    "its middle": KEY[8:-8],
}
PROVIDERS = {"openai": OpenAI, "anthropic": Anthropic, "together": Together}
SAYS_IT = "your key {key} is not known here"


def said_in(text: str | bytes) -> list[str]:
    """Returns the forms of the key that a text has."""
    raw = text.encode() if isinstance(text, str) else text
    return [name for name, form in FORMS.items() if form.encode() in raw]


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    rows = [{"instruction": f"Name thing {at}.", "output": "It is a boat."} for at in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def written(provider, url):
        path = tmp_path / "p.yaml"
        path.write_text(
            "name: judged\nsource: rows.jsonl\n"
            f"teacher: {{provider: {provider}, model: m, base_url: {json.dumps(url)}, "
            "api_key_env: SOME_KEY, concurrency: 4}\n"
            "steps:\n  - score.judge: {temperature: null}\n"
        )
        return path

    return written


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_that_is_written_or_said_has_it(tmp_path, pipeline, provider):
    faults = [Fault("bad_request", 0.3, message=SAYS_IT), Fault("garbage", 0.1)]
    faults.append(Fault("rate_limit", 0.2, times=1, message=SAYS_IT))
    with serve(scoring(lambda body: 5, faults=faults, jitter=0.05)) as server:
        path = pipeline(provider, server.url)
        command = [sys.executable, "-m", "datakit.cli.main", "run", str(path), "--store", "store"]
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            asked = _commands_until_the_end(process, server)
            out = process.stdout.read()
        assert process.returncode == 0, out
        assert any(row["status"] == 400 for row in server.answered())
    assert asked
    assert said_in(asked) == []
    assert said_in(out) == []
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert {"responses.jsonl", "manifest.json", "dropped.jsonl"} <= {each.name for each in files}
    assert any(b"is not known here" in each.read_bytes() for each in files)
    assert {each: said_in(each.read_bytes()) for each in files} == {each: [] for each in files}


def _commands_until_the_end(process, server) -> bytes:
    """Returns the commands of a process and of all below it, as `ps` would show them."""
    found = set()
    while process.poll() is None:
        if server.answered():
            found |= {_command(pid) for pid in _family(process.pid)}
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    return b"\n".join(found)


def _family(pid: int) -> list[int]:
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        below = []
    return [pid, *(each for child in below for each in _family(int(child)))]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("kind", ["unauthorized", "bad_request", "server_error"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_error_has_it_with_all_that_led_to_it(provider, kind):
    request = Request(messages=({"role": "user", "content": "Hello"},))

    async def once(asked):
        try:
            await asked.send(request)
        finally:
            await asked.close()

    with serve() as server:
        server.plan.faults = [Fault(kind, message=SAYS_IT)]
        asked = PROVIDERS[provider]("m", base_url=server.url, api_key=KEY, retries=0)
        with pytest.raises(DatakitError) as caught:
            asyncio.run(once(asked))
    told = "".join(traceback.format_exception(caught.value))
    assert "is not known here" in told
    for text in (told, repr(caught.value), repr(asked), str(vars(caught.value))):
        assert said_in(text) == []
    assert said_in(json.dumps(asked.identity())) == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("api_key_env: SOME_KEY", f"api_key: '{KEY}'", "teacher.api_key: unknown key"),
        ("api_key_env: SOME_KEY", f"api_key_env: '{KEY}'", "names an environment variable"),
        ("http://", f"http://user:{quote(KEY, safe='')}@", "base_url: has a user or a password"),
        ("/v1", f"/v1?key={quote(KEY, safe='')}", "base_url: ends before ?"),
        ("model: m", f"model: [m], api_key: '{KEY}'", "teacher.api_key"),
    ],
)
def test_a_key_in_the_pipeline_is_refused_unshown(tmp_path, pipeline, old, new, says):
    path = pipeline("openai", "http://127.0.0.1:9/v1")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DatakitError) as caught:
        dk.run(path, store=tmp_path / "store")
    assert says in str(caught.value)
    assert said_in(str(caught.value)) == []
    assert not (tmp_path / "store").exists()
