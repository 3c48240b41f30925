import dataclasses
import os
import resource
import subprocess
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import StoreError
from datakit.llm.log import ResponseLog, request_key
from datakit.llm.openai import OpenAI
from datakit.llm.request import Request, Response, Sample, Usage

ASKED = Request(prompt="Once")


def response(text, n=1):
    return Response(tuple(Sample(f"{text}{at}", "stop") for at in range(n)), Usage(3, 4), "m")


def filled(path, count=5):
    with ResponseLog(path) as log:
        for at in range(count):
            log.append(f"key{at}", ASKED, response(f"text {at}"))
    return path.read_bytes()


texts = st.text(st.characters(), max_size=50)  # lone surrogates too
samples = st.builds(Sample, texts, st.sampled_from(["stop", "length", "refused"]))
usages = st.builds(Usage, st.integers(0, 10**9), st.integers(0, 10**9))


@given(st.lists(st.builds(Response, st.tuples(samples, samples), usages, texts), max_size=5))
def test_what_was_written_is_read(tmp_path_factory, responses):
    path = tmp_path_factory.mktemp("log") / "deep" / "responses.jsonl"
    with ResponseLog(path) as log:
        for at, each in enumerate(responses):
            log.append(str(at), ASKED, each)
            assert log.get(str(at)) == each
    with ResponseLog(path) as log:
        assert [log.get(str(at)) for at in range(len(responses))] == responses
        assert (len(log), log.damaged) == (len(responses), 0)
        assert log.get("never") is None
        assert "never" not in log


def test_a_torn_line_is_cut_off_wherever_it_was_torn(tmp_path):
    path = tmp_path / "log"
    whole = filled(path, 3)
    start = whole.rindex(b"\n", 0, -1) + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        with ResponseLog(path) as log:
            assert len(log) == 2
            log.append("key2", ASKED, response("text 2"))
        assert path.read_bytes() == whole


@given(at=st.integers(0), bit=st.integers(0, 7))
@pytest.mark.filterwarnings("ignore:.*damaged lines")
def test_a_flipped_bit_costs_that_answer_and_its_neighbour_at_most(tmp_path_factory, at, bit):
    path = tmp_path_factory.mktemp("log") / "log"
    raw = bytearray(filled(path))
    raw[at % len(raw)] ^= 1 << bit
    path.write_bytes(raw)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        log = ResponseLog(path)
    assert len(told) == bool(log.damaged)
    with log:
        found = [log.get(f"key{n}") for n in range(5)]
        assert found.count(None) in (1, 2)
        assert all(got in (None, response(f"text {n}")) for n, got in enumerate(found))
        for n, got in enumerate(found):
            if got is None:
                log.append(f"key{n}", ASKED, response(f"text {n}"))
    with ResponseLog(path) as log:
        assert [log.get(f"key{n}") for n in range(5)] == [response(f"text {n}") for n in range(5)]


def test_of_two_answers_to_one_request_the_later_counts(tmp_path):
    with ResponseLog(tmp_path / "log") as log:
        log.append("key", ASKED, response("first"))
        log.append("key", ASKED, response("second"))
        assert log.get("key") == response("second")
    with ResponseLog(tmp_path / "log") as log:
        assert log.get("key") == response("second")
        assert len(log) == 1


def test_a_huge_answer(tmp_path):
    huge = response("x" * 20_000_000)
    with ResponseLog(tmp_path / "log") as log:
        log.append("huge", ASKED, huge)
        log.append("small", ASKED, response("small"))
    with ResponseLog(tmp_path / "log") as log:
        assert log.get("huge") == huge
        assert log.get("small") == response("small")


_FULL = """
import resource, sys
from pathlib import Path
from datakit.errors import StoreError
from datakit.llm.log import ResponseLog
from datakit.llm.request import Request, Response, Sample, Usage
log = ResponseLog(Path(sys.argv[1]))
small = Response((Sample("small"),), Usage(), "m")
log.append("a", Request(prompt="p"), small)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    log.append("b", Request(prompt="p"), Response((Sample("x" * 5000),), Usage(), "m"))
except StoreError as error:
    print(error)
assert log.get("a") == small and log.get("b") is None
log.append("c", Request(prompt="p"), small)
assert log.get("c") == small
log.close()
"""


def test_a_full_disk_tears_nothing(tmp_path):
    path = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert str(path) in done.stdout
    assert "cannot be written" in done.stdout
    assert len(path.read_bytes()) < 1000
    with ResponseLog(path) as log:
        assert (sorted(log._where), log.damaged) == (["a", "c"], 0)


class _HalfFull:
    """A file that takes the first bytes of a write and says so, as POSIX allows."""

    def __init__(self, file):
        self._file = file

    def write(self, data):
        return self._file.write(data[:40])

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_a_short_write_is_undone(tmp_path):
    path = tmp_path / "log"
    whole = filled(path)
    log = ResponseLog(path)
    log._file = _HalfFull(log._file)
    with pytest.raises(StoreError, match="No space left"):
        log.append("next", ASKED, response("next"))
    assert log.get("next") is None
    log._file = log._file._file
    log.close()
    assert path.read_bytes() == whole


def test_a_log_that_cannot_be_opened(tmp_path):
    (tmp_path / "log").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        ResponseLog(tmp_path / "log")


def test_nothing_is_opened_for_longer_than_needed(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    filled(tmp_path / "log")
    assert len(os.listdir("/proc/self/fd")) == before
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


WHOLE = Request(
    messages=({"role": "user", "content": "Hi"},),
    prompt=None,
    n=2,
    max_tokens=10,
    temperature=0.5,
    top_p=0.5,
    presence_penalty=0.5,
    stop=("a",),
    seed=1,
    schema={"type": "object"},
)
OTHER = {
    "prefill": ["", "It is"],
    "messages": [
        (),
        ({"role": "user", "content": "Ho"},),
        ({"role": "system", "content": "Hi"},),
        ({"role": "system", "content": ""}, *WHOLE.messages),
    ],
    "prompt": ["", "Hi"],
    "n": [1, 3],
    "max_tokens": [11],
    "temperature": [None, 0.0, 0.51],
    "top_p": [None, 0.51],
    "presence_penalty": [None, 0.0],
    "stop": [(), ("b",), ("a", "b"), ("b", "a")],
    "seed": [None, 0, 2],
    "schema": [None, {}, {"type": "array"}],
}
WHO = OpenAI("m", base_url="http://127.0.0.1:1/v1").identity()


def test_every_field_of_a_request_is_tried_below():
    assert sorted(OTHER) == sorted(spec.name for spec in dataclasses.fields(Request))


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in OTHER.items() for value in values]
)
def test_the_key_depends_on_the_whole_request(field, value):
    changed = dataclasses.replace(WHOLE, **{field: value})
    assert request_key(WHO, changed, "0/0/0/0") != request_key(WHO, WHOLE, "0/0/0/0")
    assert request_key(WHO, changed, "x") == request_key(WHO, dataclasses.replace(changed), "x")


@pytest.mark.parametrize(
    "who",
    [
        OpenAI("other", base_url="http://127.0.0.1:1/v1").identity(),
        OpenAI("m", base_url="http://127.0.0.1:2/v1").identity(),
        {"provider": "embedded", "sha256": "0", "context": 2048},
        {**WHO, "provider": "together"},
    ],
)
def test_the_key_depends_on_who_is_asked(who):
    assert request_key(who, WHOLE, "x") != request_key(WHO, WHOLE, "x")


def test_the_key_depends_on_which_of_equal_requests_it_is():
    keys = {
        request_key(WHO, WHOLE, where) for where in ("0/0/0/0", "0/0/0/1", "0/0/1/0", "1/0/0/0")
    }
    assert len(keys) == 4


def test_the_key_does_not_depend_on_the_order_of_keys_or_on_the_secret():
    turned = {"content": "Hi", "role": "user"}
    assert request_key(WHO, dataclasses.replace(WHOLE, messages=(turned,)), "x") == request_key(
        WHO, WHOLE, "x"
    )
    keyed = OpenAI("m", base_url="http://127.0.0.1:1/v1", api_key="sk-secret")
    assert keyed.identity() == WHO
