"""doctor: whether the servers of a pipeline can be reached."""

import json
import threading
from base64 import b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from datakit.cli import project

KEY = "sk-4711-do-not-tell"
RECIPE = (
    "name: s\nseeds: s.jsonl\ntarget: 5\nsteps: [generate.self_instruct]\n"
    "teacher: {{provider: openai, model: m, base_url: '{url}', api_key_env: MY_KEY}}\n"
)


@contextmanager
def serving(status=200, **headers):
    """Answers every GET with a status; yields the base URL and what was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
        finally:
            server.shutdown()


@pytest.fixture
def told(cli, folder, monkeypatch):
    """Runs doctor, both forms; returns what it says of servers."""
    for name in ("OPENAI_BASE_URL", "MY_KEY", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    (folder / "s.jsonl").write_text('{"instruction": "a", "output": "b"}\n')

    def run(url=None):
        words = "doctor"
        if url:
            (folder / "p.yaml").write_text(RECIPE.format(url=url))
            words += " p.yaml"
        ran, plain = cli(f"{words} --json"), cli(words)
        assert (ran.code, plain.code) == (0, 0), ran.err
        assert "4711" not in ran.out + ran.err + plain.out + plain.err
        servers = json.loads(ran.out)["servers"]
        for name, state in servers.items():
            assert f"server          {name} {state}\n" in plain.out
        return servers

    return run


def test_no_server(told):
    assert told() == {}


def test_a_server_of_a_pipeline(told, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    with serving() as (url, asked):
        assert told(url) == {url: "reachable"}
    assert asked == [("/v1/models", f"Bearer {KEY}")] * 2


def test_the_server_of_the_environment(told, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(404) as (url, asked):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        assert told() == {url: "reachable (HTTP 404)"}
    assert asked[0] == ("/v1/models", f"Bearer {KEY}")


@pytest.mark.parametrize("status", [401, 403])
def test_unauthorised(status, told, monkeypatch):
    with serving(status) as (url, _):
        assert told(url) == {url: "unauthorised (MY_KEY is not set)"}
        monkeypatch.setenv("MY_KEY", KEY)
        assert told(url) == {url: "unauthorised (MY_KEY is refused)"}


def test_a_key_does_not_follow_a_redirect(told, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    with serving() as (other, asked), serving(302, Location=other) as (url, _):
        assert told(url) == {url: "reachable (HTTP 302)"}
    assert asked == []


@pytest.mark.parametrize("key", ["4711\nX: y", "4711\u20ac"])
def test_a_key_that_cannot_be_sent_is_not_told(key, told, monkeypatch):
    monkeypatch.setenv("MY_KEY", key)
    with serving() as (url, _):
        assert told(url)[url].startswith("not reachable: ")


def test_nobody_there(told, monkeypatch):
    with serving() as (url, _):
        pass
    assert told(url) == {url: "not reachable: Connection refused"}
    assert told("file:///etc/passwd") == {
        "file:///etc/passwd": "not reachable: the address does not begin with http:// or https://"
    }


def test_a_password_of_the_address_is_not_told(told, monkeypatch):
    with serving() as (url, asked):
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", url.replace("127", "u:4711@127"))
        assert told() == {url: "reachable"}
    assert asked[0] == ("/v1/models", "Basic " + b64encode(b"u:4711").decode())


def test_a_server_that_does_not_answer(told, monkeypatch):
    monkeypatch.setattr(project, "_SECONDS", 0.1)
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        assert told(url) == {url: "not reachable: TimeoutError"}
