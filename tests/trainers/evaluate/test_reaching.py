"""Why a server does not answer, from connections that really fail where that is quick."""

import http.server
import itertools
import json
import socket
import ssl
import threading
from contextlib import closing, contextmanager

import pytest

from datakit.errors import InputError, ProviderError
from tests.loopback import Fault, Plan, serve
from trainers.evaluate import reaching
from trainers.evaluate.reaching import explained, listed
from trainers.evaluate.subject import check_subject, open_subject

PROMPT = [({"role": "user", "content": "Question?"},)]


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    pytest.importorskip("openai")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(reaching, "_SECONDS", 0.3)
    monkeypatch.setattr("trainers.evaluate.served._RETRIES", 0)


@contextmanager
def listening(answer=None):
    """Accepts connections; answers them with some bytes, or never."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        if answer is not None:

            def serve_all():
                while True:
                    try:
                        line, _ = server.accept()
                    except OSError:
                        return
                    with line:
                        line.recv(65536)
                        line.sendall(answer)

            threading.Thread(target=serve_all, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def why(call, *given):
    with pytest.raises(ProviderError) as error:
        call(*given)
    return str(error.value)


def test_nothing_listens():
    with listening() as url:
        pass
    port = url.split(":")[2].removesuffix("/v1")
    said = f"{url} does not answer: nothing listens on port {port} of 127.0.0.1. Start the server"
    assert said in why(listed, url)
    assert said in why(open_subject(f"{url}#m").generate, PROMPT)
    assert said in why(check_subject, f"{url}#m")


def test_no_answer_in_time():
    with listening() as url:
        assert "is reached, but gives no answer in time. It may be busy" in why(listed, url)


def test_what_speaks_no_http():
    with listening(b"SSH-2.0-OpenSSH_9.9\r\n") as url:
        assert "breaks the connection off, or speaks no HTTP" in why(listed, url)
        assert "Is it http:// there, not https://?" in why(listed, url.replace("http", "https"))


def chained(*errors):
    """The last of some errors, each the cause of the next."""
    for inner, outer in itertools.pairwise(errors):
        outer.__cause__ = inner
    return errors[-1]


def named(name, *bases):
    return type(name, (*bases, Exception), {})("Connection error.")


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (socket.gaierror(-2, "Name or service not known"), 'the host "gpu7" is not known here'),
        (named("ConnectTimeout"), "no connection to port 8000 of gpu7 in time. Correct the addr"),
        (named("PoolTimeout", TimeoutError), "is reached, but gives no answer in time"),
        (ssl.SSLCertVerificationError("self-signed"), "certificate of gpu7 is not trusted here"),
        (ssl.SSLError("wrong version number"), "no encrypted connection can be made"),
        (
            ExceptionGroup("all", [ConnectionRefusedError(111, "refused")] * 2),
            "nothing listens on port 8000 of gpu7",
        ),
        (OSError(101, "Network is unreachable"), "Is the address right, and does the server run?"),
    ],
)
def test_causes_that_cannot_be_had_here(cause, says):
    error = chained(cause, named("APIConnectionError"), ProviderError("it does not answer"))
    assert says in str(explained("http://gpu7:8000/v1", error))


def test_the_system_s_own_timeout_is_one_of_connecting():
    error = chained(
        TimeoutError(110, "timed out"), named("ConnectError"), named("APIConnectionError")
    )
    assert "no connection to port 443 of h in time" in reaching._unreached("https://h/v1", error)


@pytest.mark.parametrize("url", ["http://h:99999999/v1", "http://:80/v1"])
def test_no_address(url):
    with pytest.raises(InputError, match=r"is no address of a server; write http://HOST:PORT/v1"):
        listed(url)


@pytest.fixture
def files(tmp_path):
    """A server of files, which knows no API."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_another_kind_of_server(files):
    said = why(check_subject, f"{files}#m")
    assert f"{files}: something answers there, but not as an OpenAI-compatible server does" in said
    assert f"Most have it at {files}/v1." in said
    assert "Most have it at" not in why(check_subject, f"{files}/v1#m")
    with listening(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as url:
        assert "not as an OpenAI-compatible server does (its answer has another form)" in why(
            check_subject, f"{url}#m"
        )


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("unauthorized", "Put the right key into the environment: OPENAI_API_KEY."),
        ("not_found", "because the test says so. Is the model's name right, after the #?"),
    ],
)
def test_what_the_api_refuses(kind, says):
    with serve(Plan([Fault(kind, message="because the test says so.")])) as server:
        assert says in why(check_subject, f"{server.url}#m")
        assert says in why(open_subject(f"{server.url}#m").generate, PROMPT)


def test_a_server_is_asked_for_one_token_unless_it_lists_the_model(monkeypatch):
    with serve() as server:
        check_subject(f"{server.url}#m")
        (asked,) = server.answered()
        assert (asked["sent"]["model"], asked["sent"]["max_tokens"]) == ("m", 1)
        page = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode()
        monkeypatch.setattr("tests.loopback._Handler.do_GET", lambda self: self._send(200, page))
        assert listed(server.url) == ["m"]
        check_subject(f"{server.url}#m")
        assert len(server.answered()) == 1
        check_subject(f"{server.url}#other")
        assert len(server.answered()) == 2


def test_one_request_that_is_refused_means_that_the_server_is_there():
    with serve(Plan([Fault("bad_request")])) as server:
        check_subject(f"{server.url}#m")
