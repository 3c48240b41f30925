"""Whether the hub is out of reach is found out in seconds."""

import socket

import pytest

from trainers import hub


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    hub.reachable.cache_clear()
    yield constants
    hub.reachable.cache_clear()


def test_a_hub_that_listens_is_reachable(fresh, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(fresh, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert hub.reachable()
    assert hub.local_only(on_hub=True) == {}


def test_a_hub_that_does_not_is_not(fresh, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(fresh, "ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert not hub.reachable()
    assert hub.local_only(on_hub=True) == {"local_files_only": True}
    assert hub.local_only(on_hub=False) == {}


def test_offline_is_not_asked(fresh, monkeypatch):
    monkeypatch.setattr(fresh, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket, "create_connection", None)
    assert not hub.reachable()


def test_a_proxy_is_trusted(fresh, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(fresh, "ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr(socket, "create_connection", None)
    assert hub.reachable()
