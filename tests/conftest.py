"""What holds for all tests."""

import os
import signal
import sys
import tempfile
import types

import pytest
from hypothesis import settings

# How long an example takes says nothing about the code: cores are shared.
settings.register_profile("datakit", deadline=None)
settings.load_profile("datakit")

# A shell ignores SIGINT for what it starts in the background, and so would the commands under test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A test must neither read what an earlier run has left, nor fill the user's cache.
os.environ["DATAKIT_CACHE"] = tempfile.mkdtemp(prefix="datakit-test-")


@pytest.fixture
def hub(monkeypatch):
    """A `datasets` whose hub has what a test puts there."""
    rows = {}

    def load_dataset(id, config, split, revision, streaming):
        if id not in rows:
            raise ConnectionError("no route to the hub")
        return rows[id, split] if (id, split) in rows else rows[id]

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    return rows
