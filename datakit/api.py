"""What a notebook calls; the command line is a thin door over it."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datakit import registry
from datakit.config import load_pipeline, parse_step
from datakit.errors import BudgetError, InputError, StoreError
from datakit.fingerprint import EXCLUDED
from datakit.llm.budget import Budget
from datakit.llm.client import Client
from datakit.llm.log import ResponseLog
from datakit.llm.request import Provider
from datakit.llm.teacher import Teacher, check_budget, open_provider
from datakit.outcome import Drop
from datakit.reading import identified, read_records
from datakit.record import Record
from datakit.report import card, render
from datakit.running.flow import Flow
from datakit.running.growth import Growth, Progress, grow
from datakit.running.local import LocalEngine
from datakit.running.pipeline import Pipeline
from datakit.running.plan import History, Plan, history_of, make_plan
from datakit.step import FileRef
from datakit.store import Store, Version
from datakit.store.manifest import manifest
from datakit.store.store import is_reference

__all__ = [
    "Result",
    "Run",
    "apply",
    "contamination",
    "dedup",
    "execute",
    "filter",
    "load",
    "open_input",
    "plan",
    "run",
]

_LOG = "responses.jsonl"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+\Z")


@dataclass(frozen=True)
class Run:
    """What `execute` came to.

    Args:
        version: The version.
        new: False if the newest version already is what the pipeline gives.
        growth: The rounds, if records were made.
    """

    version: Version
    new: bool
    growth: Growth | None = None


def run(
    pipeline: str | Path | Pipeline,
    *,
    store: str | Path | None = None,
    name: str | None = None,
    budget: str | None = None,
    limit: int | None = None,
    fresh: bool = False,
    tell: Callable[[Progress], None] | None = None,
) -> Version:
    """Runs a pipeline and returns the version it gives; resumes by itself.

    Args:
        pipeline: A YAML file, or a `Pipeline`.
        store: The folder of versions; None is `DATAKIT_STORE`, or `datasets`.
        name: Another name for the dataset.
        budget: US dollars, such as `"5.00"`; a hard cap.
        limit: Most records to keep (or to read, for a pipeline with a `source`).
        fresh: Ask the teacher again instead of using what it answered before.
        tell: Called with the run's progress.

    Raises:
        InputError: With all that is wrong; nothing is written and nothing is spent then.
        ProviderError: If a provider failed for good; what it answered is saved.
        BudgetError: If the budget was reached before and is no higher now.
    """
    return execute(
        pipeline, store=store, name=name, budget=budget, limit=limit, fresh=fresh, tell=tell
    ).version


def execute(
    pipeline: str | Path | Pipeline,
    *,
    store: str | Path | None = None,
    name: str | None = None,
    budget: str | None = None,
    limit: int | None = None,
    fresh: bool = False,
    tell: Callable[[Progress], None] | None = None,
) -> Run:
    """Does what `run` does and says more about it."""
    asked = adjusted(pipeline, name, budget, limit)
    keeper = Store(store)
    seeds, providers = _prepared(asked)
    hash_ = asked.recipe_hash({at: _who(each) for at, each in providers.items()})
    for last in keeper.versions(asked.name)[-1:]:
        if not fresh and _same(last, hash_):
            return Run(last, new=False)
    try:
        with keeper.writing(asked.name) as work:
            return _write(asked, keeper, work, seeds, providers, hash_, fresh, tell)
    except OSError as error:
        where = error.filename or keeper.root / asked.name
        raise StoreError(f"{where}: cannot be written: {error.strerror or error}.") from None


def _same(version: Version, recipe_hash: str) -> bool:
    if version.verify() or version.manifest["recipe_hash"] != recipe_hash:
        return False
    return not version.manifest["interrupted"]


def adjusted(
    pipeline: str | Path | Pipeline, name: str | None, budget: str | None, limit: int | None
) -> Pipeline:
    """Returns the pipeline with what a caller wants otherwise; see `run`."""
    asked = pipeline if isinstance(pipeline, Pipeline) else load_pipeline(pipeline)
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = name
    if budget is not None:
        changes["budget"] = budget
    if limit is not None and asked.makers:
        changes["target"] = min(limit, asked.target or limit)
    elif limit is not None:
        changes["limit"] = limit
    return replace(asked, **changes)


def _prepared(pipeline: Pipeline) -> tuple[list[Record], dict[int, Provider]]:
    """Opens and reads what a run needs; raises everything that is wrong at once."""
    problems: list[str] = []
    seeds: list[Record] = []
    providers: dict[int, Provider] = {}
    opened: dict[Teacher, Provider] = {}
    try:
        if pipeline.seeds is not None:
            seeds = list(pipeline.seeds.read())
    except InputError as error:
        problems += error.problems
    for place in pipeline.makers:
        teacher = pipeline.teacher_of(place)
        try:
            check_budget(teacher, pipeline.cap)
            if _key(teacher) not in opened:
                opened[_key(teacher)] = open_provider(teacher)
            providers[place] = opened[_key(teacher)]
        except InputError as error:
            problems += [each for each in error.problems if each not in problems]
    if problems:
        raise InputError(problems)
    return seeds, providers


def _key(teacher: Teacher) -> Any:  # noqa: ANN401
    return repr(teacher)


def _who(provider: Provider) -> dict[str, Any]:
    known = {**provider.identity(), "form": provider.form}
    return {key: value for key, value in known.items() if key not in EXCLUDED}


def _write(
    pipeline: Pipeline,
    store: Store,
    work: Path,
    seeds: list[Record],
    providers: Mapping[int, Provider],
    recipe_hash: str,
    fresh: bool,
    tell: Callable[[Progress], None] | None,
) -> Run:
    with ExitStack() as stack:
        engine = stack.enter_context(closing(LocalEngine()))
        flow = Flow(
            pipeline.steps,
            engine,
            work,
            keep_seeds=pipeline.include_seeds,
            remember=bool(pipeline.makers),
        )
        growth, clients = None, {}
        if pipeline.makers:
            log = stack.enter_context(_log(store.root / pipeline.name / _LOG, fresh))
            clients = _clients(pipeline, providers, log)
            growth = _grow(pipeline, flow, seeds, clients, tell)
            started = len(seeds)
        else:
            started = flow.run(_limited(pipeline), {})
        draft = store.draft(pipeline.name)
        stack.callback(draft.discard)
        totals = [client.totals for client in dict.fromkeys(clients.values())]
        whole = manifest(
            pipeline, flow, growth, totals, recipe_hash=recipe_hash, started_from=started
        )
        written = draft.write(whole, flow.kept.path, flow.dropped.path)
        if growth and growth.ended == "budget" and _is_there(store, written):
            raise BudgetError(growth.message)
        draft.add("report.html", render(written))
        draft.add("README.md", card(written))
        return Run(draft.publish(), new=True, growth=growth)


def _is_there(store: Store, written: Version) -> bool:
    keys = ("recipe_hash", "data_sha256", "dropped_sha256")
    return any(
        not last.verify() and all(last.manifest[key] == written.manifest[key] for key in keys)
        for last in store.versions(written.name)[-1:]
    )


def _limited(pipeline: Pipeline) -> Iterator[Record]:
    for number, record in enumerate(pipeline.source.read()):
        if number == pipeline.limit:
            return
        yield record


def _log(path: Path, fresh: bool) -> ResponseLog:
    if fresh and path.exists():
        number = 1
        while (old := path.with_suffix(f".{number}.jsonl")).exists():
            number += 1
        path.rename(old)
    return ResponseLog(path)


def _clients(
    pipeline: Pipeline, providers: Mapping[int, Provider], log: ResponseLog
) -> dict[int, Client]:
    budget = Budget(pipeline.cap)
    made: dict[int, Client] = {}
    clients: dict[int, Client] = {}
    for place, provider in providers.items():
        teacher = pipeline.teacher_of(place)
        if id(provider) not in made:
            license = teacher.describe()["license"]
            made[id(provider)] = Client(
                provider, log, teacher.prices(), budget, teacher.concurrency, license
            )
        clients[place] = made[id(provider)]
    return clients


def _grow(
    pipeline: Pipeline,
    flow: Flow,
    seeds: Sequence[Record],
    clients: Mapping[int, Client],
    tell: Callable[[Progress], None] | None,
) -> Growth:
    with asyncio.Runner() as runner:
        try:
            return grow(pipeline, flow, seeds, clients, runner, tell or (lambda _: None))
        finally:
            for client in set(clients.values()):
                runner.run(client.provider.close())


def plan(pipeline: str | Path | Pipeline, *, store: str | Path | None = None) -> Plan:
    """Estimates what a run would send, cost and take; spends nothing.

    The range is narrower once a version of the dataset has measured what is kept.

    Raises:
        InputError: With all that is wrong with the pipeline and its seeds.
    """
    asked = adjusted(pipeline, None, None, None)
    seeds = list(asked.seeds.read()) if asked.seeds is not None else []
    history: History | None = None
    for version in reversed(Store(store).versions(asked.name)):
        history = history or history_of(version.manifest["funnel"], version.manifest)
    return make_plan(asked, seeds, history)


def load(reference: str, *, store: str | Path | None = None) -> Version:
    """Returns a version: `sql@v3`, `sql@latest`, `sql@v3~1`, or its folder."""
    return Store(store).load(reference)


@dataclass(frozen=True)
class Result:
    """What steps did to records.

    Args:
        kept: The records that were kept.
        dropped: The others, each with its step and reason.
        funnel: The ledger, as in a manifest.
    """

    kept: list[Record]
    dropped: list[tuple[Record, str, Drop]]
    funnel: list[dict[str, Any]]


def apply(records: str | Iterable[Record | Mapping[str, Any]], steps: Sequence[Any]) -> Result:
    """Runs steps over records, without a version.

    Args:
        records: A file, a version's reference, records, or dictionaries with their fields.
        steps: Step objects, or YAML such as `"filter.length: {min_chars: 20}"`.
    """
    built = [parse_step(step) if isinstance(step, str) else step for step in steps]
    with tempfile.TemporaryDirectory(prefix="datakit-") as work:
        flow = sweep(open_input(records), built, Path(work))
        dropped = []
        for row in _rows(flow.dropped.path):
            told = row.pop("dropped")
            drop = Drop(told["reason"], of=told["of"], score=told["score"], **told["detail"])
            dropped.append((Record.from_json(row), told["step"], drop))
        return Result(list(flow.kept), dropped, [row.to_json() for row in flow.rows])


def sweep(records: Iterable[Record], steps: Sequence[Any], work: Path) -> Flow:
    """Runs steps over records into files of a folder; returns the finished flow."""
    for step in steps:
        if step.step_verb in ("make", "read"):
            raise InputError(f"{step.step_name}: makes records; it belongs into a pipeline.")
    with closing(LocalEngine()) as engine:
        flow = Flow(steps, engine, work)
        flow.run(records, {})
    return flow


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    import json

    with open(path, "rb") as file:
        for line in file:
            yield json.loads(line)


def open_input(
    records: str | Iterable[Record | Mapping[str, Any]],
    *,
    store: str | Path | None = None,
    fields: Mapping[str, str] | None = None,
) -> Iterator[Record]:
    """Yields the records of a version, a file, `-` (standard input) or a hub dataset.

    Args:
        records: Its reference or path; or records or dictionaries, which are given ids.
        store: The folder of versions.
        fields: Our fields to the file's, such as `{"instruction": "question"}`.
    """
    if not isinstance(records, str):
        rows = (each.to_json() if isinstance(each, Record) else {**each} for each in records)
        numbered = ((f"[{at}]", row) for at, row in enumerate(rows, 1))
        return identified(numbered, "records", fields=fields)
    if is_reference(records) or (Path(records) / "manifest.json").is_file():
        return load(records, store=store).records()
    if not os.path.exists(records) and _HUB_ID.match(records) and not FileRef(records).is_path:
        hub: Iterator[Record] = registry.find("source.hub")(id=records, fields=fields).read()
        return hub
    return read_records(records, fields=fields)


def dedup(
    records: str | Iterable[Record | Mapping[str, Any]],
    method: str = "minhash",
    **options: Any,  # noqa: ANN401
) -> Result:
    """Drops duplicates; `method` is `exact`, `minhash` or `embedding`.

    Args:
        records: As `apply` takes them.
        method: The dedup step.
        **options: The step's parameters, such as `threshold` and `keep`.
    """
    return apply(records, [registry.find(f"dedup.{method}")(**options)])


def filter(records: str | Iterable[Record | Mapping[str, Any]], *steps: Any) -> Result:  # noqa: ANN401
    """Runs filters, given as step objects or as YAML, over records."""
    return apply(records, steps)


def contamination(
    records: str | Iterable[Record | Mapping[str, Any]],
    against: Sequence[str],
    **options: Any,  # noqa: ANN401
) -> Result:
    """Drops records that contain items of a benchmark.

    Args:
        records: As `apply` takes them.
        against: Files of benchmark items.
        **options: Parameters of `contamination.by_length`.
    """
    return apply(records, [registry.find("contamination.by_length")(against=against, **options)])
