"""A run may be ended at any time, in any way; the next one goes on and gives the same bytes."""

import dataclasses
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from datakit import api
from datakit.errors import BudgetError, ProviderError
from datakit.llm.log import ResponseLog
from datakit.store import Store
from tests.loopback import Fault, Plan, serve, spawn
from tests.running.steps import TRIPLES

CONCURRENCY = 4
# Refused, cut short and broken answers are a part of the data; a 429 is not.
FAULTS = [
    Fault("rate_limit", 0.1, times=1),
    Fault("bad_request", 0.06),
    Fault("length", 0.06),
    Fault("refusal", 0.04),
    Fault("malformed", 0.04),
    Fault("content_filter", 0.04),
]
PIPELINE = """
name: grown
seeds: seeds.jsonl
{size}
teacher: {{provider: openai, model: m, base_url: "{url}", concurrency: {concurrency}{more}}}
steps:
  - generate.self_instruct: {{per_request: {many}, TRIPLES}}
  - revise.normalize: {{}}
  - filter.length: {{min_chars: 10}}
  - dedup.exact: {{}}
  - dedup.minhash: {{}}
"""


SMALL = "target: 60\nround_size: 6\nmax_candidates: 400"
LARGE = "target: 5000\nround_size: 400\nmax_candidates: 15000"


class Project:
    """A folder with seeds and a pipeline."""

    def __init__(
        self,
        folder: Path,
        url: str,
        concurrency: int = CONCURRENCY,
        more: str = "",
        size: str = SMALL,
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self.pipeline, self.seeds = folder / "p.yaml", folder / "seeds.jsonl"
        self.store = folder / "store"
        rows = [
            {"instruction": f"Name thing {at} of the list.", "output": f"Thing {at} is a boat."}
            for at in range(8)
        ]
        self.seeds.write_text("".join(json.dumps(row) + "\n" for row in rows))
        own = ", ".join(f"{key}: {json.dumps(value)}" for key, value in TRIPLES.items())
        text = PIPELINE.replace("TRIPLES", own).format(
            url=url, concurrency=concurrency, more=more, size=size, many=3 if size == SMALL else 5
        )
        self.pipeline.write_text(text)

    def start(self, *words: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "datakit.cli.main", "run", self.pipeline, "--store"]
        return subprocess.Popen(
            [*command, self.store, "-q", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def finish(self, *words: str) -> tuple[int, str]:
        with self.start(*words) as process:
            out = process.communicate(timeout=120)[0].decode()
        return process.returncode, out

    def files(self, ref: str = "grown@latest") -> tuple[bytes, bytes]:
        version = Store(self.store).load(ref)
        assert version.verify() == []
        return version.data_path.read_bytes(), (version.path / "dropped.jsonl").read_bytes()

    def versions(self) -> list[int]:
        return Store(self.store).numbers("grown")

    def logged(self) -> int:
        """Returns the number of answers that the client will find again; the log stays as is."""
        path = self.store / "grown" / "responses.jsonl"
        if not path.exists():
            return 0
        copy = shutil.copy(path, path.with_name("copy"))
        try:
            with ResponseLog(Path(copy)) as log:
                return len(log)
        finally:
            Path(copy).unlink()


def total(server) -> int:
    return sum(server.bodies().values())


def ended(process, server, after, delay, how):
    """Ends a run some time after the server has answered so many; returns its exit code."""
    while process.poll() is None and total(server) < after:
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(how)
    process.communicate(timeout=60)
    server.settle()
    return process.returncode


def check_resumes(tmp_path, ends, faults=FAULTS, **options):
    """Runs to the end, ended on the way by `ends`: (share answered, delay, signal) each."""
    lanes = options.get("concurrency", CONCURRENCY)
    with spawn(tmp_path, Plan(faults, jitter=0.03)) as server:
        whole = Project(tmp_path / "whole", server.url, **options)
        assert whole.finish()[0] == 0
        asked = total(server)
        project, lost, codes = Project(tmp_path / "killed", server.url, **options), 0, []
        for share, delay, how in ends:
            with project.start() as process:
                after = asked + round(share * asked)
                codes.append(ended(process, server, after, delay, how))
            missing = total(server) - asked - project.logged() - lost
            assert 0 <= missing <= lanes
            lost += missing
        assert project.finish()[0] == 0
        # Exactly what was under way when a run ended was asked again.
        assert total(server) - asked == project.logged() + lost == asked + lost
        assert project.versions() == [1]
        assert project.files() == whole.files()
        left = {path.name for path in (project.store / "grown").iterdir()}
        assert left == {".lock", "responses.jsonl", "v1"}
    return project, codes


def test_killed_three_times(tmp_path):
    ends = [(0.1, 0.0, signal.SIGKILL), (0.5, 0.015, signal.SIGKILL), (0.9, 0.0, signal.SIGKILL)]
    assert check_resumes(tmp_path, ends)[1] == [-signal.SIGKILL] * 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_twenty_points(tmp_path, seed):
    chance = random.Random(seed)
    shares = sorted(chance.random() for _ in range(20))
    check_resumes(tmp_path, [(s, chance.random() * 0.06, signal.SIGKILL) for s in shares])


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path):
    # While it starts, between rounds, while it writes the version: whatever the clock hits.
    chance = random.Random(7)
    times = sorted(chance.random() * 2.5 for _ in range(12))
    check_resumes(tmp_path, [(0.0, delay, signal.SIGKILL) for delay in times])


@pytest.mark.slow
def test_five_thousand_kept_killed_five_times(tmp_path):
    kinds = ("overloaded", "server_error", "rate_limit_bare", "dropped", "reset", "half", "drip")
    faults = [*FAULTS, *(Fault(kind, 0.01, times=1) for kind in kinds)]
    ends = [(share, 0.01, signal.SIGKILL) for share in (0.05, 0.3, 0.5, 0.7, 0.95)]
    more = ", timeout: 2"
    project, codes = check_resumes(tmp_path, ends, faults, concurrency=16, more=more, size=LARGE)
    assert codes == [-signal.SIGKILL] * 5
    version = Store(project.store).load("grown@v1")
    made = sum(row["made"] for row in version.manifest["funnel"] if "generate" in row["step"])
    drops = Counter(drop["reason"] for _, drop in version.iter_dropped())
    assert len(version) >= 5000
    # The older text of a record that was revised is listed, too.
    lost = drops.total() - drops["revised"]
    seeds = len(project.seeds.read_text().splitlines())
    assert len(version) - seeds + lost == made
    assert {"bad_request", "cut_short", "refused", "unparsable", "exact_duplicate"} <= set(drops)


def test_interrupted_and_terminated(tmp_path):
    ends = [(0.2, 0.01, signal.SIGINT), (0.5, 0.0, signal.SIGTERM)]
    assert check_resumes(tmp_path, ends)[1] == [130, -signal.SIGTERM]


@pytest.fixture
def server():
    with serve(Plan(FAULTS)) as running:
        yield running


def run(project, **options):
    wanted = {key: options.pop(key) for key in ("fresh", "tell") if key in options}
    return api.execute(api.prepare(project.pipeline, store=project.store, **options), **wanted)


def test_a_second_run_changes_nothing_and_a_fresh_one_asks_again(tmp_path, server):
    project = Project(tmp_path, server.url)
    first, asked = run(project), total(server)
    again = run(project)
    assert (first.new, again.new) == (True, False)
    assert again.version.path == first.version.path
    assert total(server) == asked
    before = project.files()
    fresh = run(project, fresh=True)
    assert (fresh.new, project.versions()) == (True, [1, 2])
    assert total(server) == 2 * asked
    assert project.files("grown@v1") == project.files("grown@v2") == before
    assert run(project).new is False


@pytest.mark.parametrize("concurrency", [1, 16])
def test_neither_concurrency_nor_latency_changes_the_data(tmp_path, concurrency):
    with serve(Plan(FAULTS)) as server:
        run(Project(tmp_path / "one", server.url))
        server.plan.jitter = 0.02
        run(Project(tmp_path / "two", server.url, concurrency))
        one, two = Project(tmp_path / "one", server.url), Project(tmp_path / "two", server.url)
        assert one.files() == two.files()
        assert max(server.bodies().values()) == 2 == min(server.bodies().values())


def test_where_the_model_is_served_changes_no_byte(tmp_path):
    found = []
    for name in ("one", "two"):
        with serve(Plan(FAULTS)) as server:
            project = Project(tmp_path / name, server.url)
            run(project)
            found.append((server.url, project.files()))
    assert found[0][0] != found[1][0]
    assert found[0][1] == found[1][1]


def changed(project, old, new):
    text = project.pipeline.read_text()
    assert old in text
    project.pipeline.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("concurrency: 4", "concurrency: 9"),
        ("concurrency: 4", "concurrency: 4, timeout: 7"),
        ("concurrency: 4", "concurrency: 4, retries: 9"),
        ("127.0.0.1", "localhost"),
        ("\nsteps:", "\n# a comment\nsteps:"),
    ],
)
def test_what_does_not_count_for_a_recipe(tmp_path, server, old, new):
    project = Project(tmp_path, server.url)
    run(project)
    asked = total(server)
    changed(project, old, new)
    assert run(project).new is False
    assert total(server) == asked


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("min_chars: 10", "min_chars: 11"),
        ("model: m", "model: n"),
        ("target: 60", "target: 59"),
        ("round_size: 6", "round_size: 7"),
        ("name: grown", "name: grown\nrandom_seed: 1"),
        ("name: grown", "name: grown\ninclude_seeds: false"),
        ("concurrency: 4", "concurrency: 4, form: completion"),
        ("  - dedup.minhash: {}\n", ""),
    ],
)
def test_what_counts_for_a_recipe(tmp_path, server, old, new):
    project = Project(tmp_path, server.url)
    first = run(project)
    changed(project, old, new)
    second = run(project)
    assert second.new
    hashes = [each.version.manifest["recipe_hash"] for each in (first, second)]
    assert hashes[0] != hashes[1]


def test_a_seed_counts_by_its_text_not_by_its_file(tmp_path, server):
    project = Project(tmp_path, server.url)
    run(project)
    moved = project.seeds.rename(tmp_path / "elsewhere.jsonl")
    changed(project, "seeds.jsonl", "elsewhere.jsonl")
    assert run(project).new is False
    moved.write_text(moved.read_text().replace("thing 3", "thing three"))
    assert run(project).new is True


PRICE = ', price: {input: "10", output: "10"}'


def test_a_budget_cuts_a_round_and_a_higher_one_goes_on(tmp_path, server):
    whole = Project(tmp_path / "whole", server.url, more=PRICE)
    cost = float(run(whole).version.manifest["cost"]["usd"])
    project = Project(tmp_path / "cut", server.url, more=PRICE)
    # A request may cost 0.05 with its 2304 tokens, and costs 0.001.
    first = run(project, budget=f"{cost / 2 + 0.05:.4f}")
    spent = float(first.version.manifest["cost"]["usd"])
    assert first.growth.ended == first.version.manifest["interrupted"] == "budget"
    assert 0 < spent <= cost / 2 + 0.05
    bodies, before = server.bodies(), project.files()
    with pytest.raises(BudgetError, match="--budget") as caught:
        run(project, budget=f"{cost / 2 + 0.05:.4f}")
    assert caught.value.exit_code == 3
    assert (server.bodies(), project.versions()) == (bodies, [1])
    second = run(project, budget="100")
    assert second.new
    assert project.files() == whole.files()
    assert project.files("grown@v1") == before != whole.files()
    # Each run but the first of the two asked only what no one had.
    assert max(server.bodies().values()) == 2
    assert run(project, budget="100").new is False


def test_where_a_budget_cuts_does_not_depend_on_concurrency(tmp_path, server):
    found = []
    for concurrency in (1, 3, 16):
        project = Project(tmp_path / str(concurrency), server.url, concurrency, PRICE)
        server.plan.jitter = 0.005 * concurrency
        run(project, budget="0.08")
        found.append(project.files())
    assert found[0] == found[1] == found[2]
    assert b"generate.self_instruct" in found[0][0]


def test_the_command_says_that_the_budget_is_reached(tmp_path, server):
    project = Project(tmp_path, server.url, more=PRICE)
    for _ in range(2):
        code, out = project.finish("--budget", "0.08")
        assert code == 3, out
    assert project.versions() == [1]


def test_a_provider_that_fails_for_good(tmp_path):
    with serve(Plan([Fault("unauthorized", 0.1, message="your key {key} is wrong")])) as server:
        project = Project(tmp_path, server.url)
        with pytest.raises(ProviderError) as caught:
            run(project)
        assert caught.value.exit_code == 4
        assert project.versions() == []
        answered = server.bodies()
        server.plan.faults = []
        run(project)
        assert len(server.bodies()) > len(answered) > 0
        assert max(server.bodies().values()) == 1


def test_the_key_is_written_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-very-secret-0123456789")
    faults = [dataclasses.replace(FAULTS[1], message="bad key {key}, really"), *FAULTS[2:]]
    with serve(Plan(faults)) as server:
        project = Project(tmp_path, server.url, more=", api_key_env: SOME_KEY")
        run(project)
        assert any(row["status"] == 400 for row in server.answered())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"bad_request" in path.read_bytes() for path in files)
    assert not any(b"sk-very" in path.read_bytes() for path in files)


def test_lost_answers_are_shown_as_dropped(tmp_path, server):
    run(Project(tmp_path, server.url))
    version = Store(tmp_path / "store").load("grown@latest")
    statuses = [row["status"] for row in server.answered()]
    reasons = [drop["reason"] for _, drop in version.iter_dropped() if "generate" in drop["step"]]
    assert reasons.count("bad_request") == statuses.count(400) > 0
    assert {"cut_short", "refused", "unparsable"} <= set(reasons)
    for record, drop in version.iter_dropped():
        if "generate" in drop["step"]:
            assert record.id
            assert {"model", "prompt_hash", "cost", "parents"} <= record.meta.keys()
