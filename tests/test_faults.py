"""Each fault that a provider can have, at each provider: every row ends kept or with its reason.

What is asked is counted, nothing hangs, and a run that was killed gives the same bytes.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

import datakit as dk
from datakit.errors import ProviderError
from datakit.store import Store
from tests.judge.judges import scoring
from tests.loopback import Fault, Plan, serve

PROVIDERS = ("openai", "anthropic", "together")
# The row has its answer later.
PASSING = (
    "rate_limit", "rate_limit_bare", "overloaded", "server_error", "dropped", "reset", "hang",
    "half", "drip",
)  # fmt: skip
# The row is lost: with which reason, and after how many requests.
LASTING = {
    "bad_request": ("bad_request", 1),
    "too_large": ("bad_request", 1),
    "unprocessable": ("bad_request", 1),
    "refusal": ("refused", 1),
    "content_filter": ("refused", 1),
    "garbage": ("no_answer", 1),
    "no_choices": ("no_answer", 1),
    "malformed": ("unparsable", 2),
    "length": ("cut_short", 2),
}
UNANSWERED = {"bad_request", "too_large", "unprocessable", "garbage", "no_choices"}
_NUMBER = re.compile(r"thing (\d+) of")
_LANES = 16


def _row_of(body):
    return int(_NUMBER.search(json.dumps(body))[1])


def _reply(body):
    return 1 + _row_of(body) % 9


def _timeout(kind):
    # Only what never comes is waited for; a busy machine must not make others late.
    return 4 if kind in ("hang", "drip") else 60


@dataclass
class Job:
    """Rows that a judge scores."""

    folder: object
    provider: str
    url: str
    rows: int
    timeout: float = 60

    def __post_init__(self):
        self.folder.mkdir()
        self.store, self.pipeline = self.folder / "store", self.folder / "p.yaml"
        with (self.folder / "rows.jsonl").open("w") as file:
            for at in range(self.rows):
                row = {"instruction": f"Name thing {at} of the list.", "output": f"It is no. {at}."}
                file.write(json.dumps(row) + "\n")
        self.pipeline.write_text(
            "name: judged\nsource: rows.jsonl\n"
            f'teacher: {{provider: {self.provider}, model: m, base_url: "{self.url}", '
            f"concurrency: {_LANES}, timeout: {self.timeout}}}\n"
            "steps:\n  - score.judge: {temperature: null}\n"
        )

    def run(self):
        return dk.run(self.pipeline, store=self.store)

    def start(self):
        command = [sys.executable, "-m", "datakit.cli.main", "run", self.pipeline, "-q"]
        return subprocess.Popen(
            [*command, "--store", self.store], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def files(self):
        version = Store(self.store).load("judged@latest")
        assert version.verify() == []
        return version.data_path.read_bytes(), (version.path / "dropped.jsonl").read_bytes()


@contextmanager
def faulty(kind, share=0.2):
    times = None if kind in LASTING else 1
    with serve(scoring(_reply, faults=[Fault(kind, share, times)])) as server:
        yield server


def faults_of(server):
    """Returns the fault of each request to each row, in the order sent; `` where it had none."""
    found = defaultdict(list)
    for row in server.answered():
        found[_row_of(row["sent"])].append(row["fault"])
    return found


def check(job, server, kind):
    """Checks that every row is accounted for, as the server saw it."""
    version = Store(job.store).load("judged@latest")
    seen = faults_of(server)
    assert set(seen) == set(range(job.rows))
    hit = {row for row, faults in seen.items() if kind in faults}
    assert 0 < len(hit) < job.rows
    lost = {row for row, faults in seen.items() if faults[-1]}
    scores = {_row_of(record.instruction): record.scores["judge"] for record in version}
    assert scores == {row: 1 + row % 9 for row in range(job.rows) if row not in lost}
    drops = list(version.iter_dropped())
    assert {_row_of(record.instruction) for record, _ in drops} == lost
    reason, most = LASTING.get(kind, (None, 2))
    assert {drop["reason"] for _, drop in drops} == ({reason} if lost else set())
    assert bool(lost) == (kind in LASTING)
    assert {len(seen[row]) for row in set(seen) - hit} == {1}
    assert {len(seen[row]) for row in hit} == {most}
    funnel = version.manifest["funnel"]
    assert sum(sum(row["dropped"].values()) for row in funnel) == len(lost)


def whole(tmp_path, provider, kind, rows):
    with faulty(kind) as server:
        job = Job(tmp_path / "whole", provider, server.url, rows, _timeout(kind))
        since = time.monotonic()
        job.run()
        assert time.monotonic() - since < 60
        check(job, server, kind)
        return job, Counter(row["fault"] in UNANSWERED for row in server.answered())


@pytest.mark.parametrize(
    ("provider", "kind"),
    [(PROVIDERS[at % 3], kind) for at, kind in enumerate([*PASSING, *LASTING])],
)
def test_every_row_ends_kept_or_with_its_reason(tmp_path, provider, kind):
    whole(tmp_path, provider, kind, 60)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*PASSING, *LASTING])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_and_a_run_killed_twice_gives_the_same_bytes(tmp_path, provider, kind):
    rows = 200
    job, asked = whole(tmp_path, provider, kind, rows)
    with faulty(kind) as server:
        killed = Job(tmp_path / "killed", provider, server.url, rows, _timeout(kind))
        for share in (0.3, 0.7):
            with killed.start() as process:
                while process.poll() is None and len(server.answered()) < share * rows:
                    time.sleep(0.002)
                process.send_signal(signal.SIGKILL)
                process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
            server.settle()
        with killed.start() as process:
            said = process.communicate(timeout=120)[0].decode()
        assert process.returncode == 0, said
        assert killed.files() == job.files()
        # Asked once more: what was under way at a kill; and what has no answer that could be kept.
        sent = Counter(row["fault"] in UNANSWERED for row in server.answered())
        assert 0 <= sent[False] - asked[False] <= 2 * _LANES
        assert asked[True] <= sent[True] <= 3 * asked[True]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_never_answers_ends_the_run(tmp_path, provider):
    with serve(Plan([Fault("hang")])) as server:
        job = Job(tmp_path / "job", provider, server.url, 3, 0.2)
        text = job.pipeline.read_text().replace("timeout: 0.2", "timeout: 0.2, retries: 1")
        job.pipeline.write_text(text)
        since = time.monotonic()
        with pytest.raises(ProviderError, match="tried 2 times"):
            job.run()
        assert time.monotonic() - since < 20
        assert max(Counter(row["body"] for row in server.answered()).values()) == 2
