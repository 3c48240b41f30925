"""Steps that ask a teacher about records that there are: a `score` or a `revise` with an `llm`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from datakit.errors import BudgetError
from datakit.fingerprint import Ids
from datakit.llm.calls import Calls, Runner
from datakit.llm.client import Client
from datakit.llm.llm import LLM
from datakit.outcome import Drop
from datakit.record import Record, digest
from datakit.running.local import Engine, StepFailedError
from datakit.running.making import ask_about, joint_license
from datakit.step import Resources, asks

__all__ = ["Asking"]


class Asking:
    """An engine whose steps may ask a teacher; all others go to the engine below.

    Each record is a call of its own, under way with others at once; what is said of them comes in
    their order. What is asked about a record depends on the record and the step alone, so answers
    of the log are found whatever round, or variant of the pipeline, asks again.

    Args:
        engine: Carries out all other steps.
        steps: Those of the pipeline.
        clients: The client of each step that asks, by its place.
        runner: Runs the requests.
        random_seed: Every chance comes from it.
        tell: Called with a step's name and how many records it was told about in this pass.
    """

    def __init__(
        self,
        engine: Engine,
        steps: Sequence[Any],
        clients: Mapping[int, Client],
        runner: Runner,
        random_seed: int,
        tell: Callable[[str, int], None] | None = None,
    ) -> None:
        self.stopped: BudgetError | None = None
        self._engine = engine
        self._runner = runner
        self._seed = random_seed
        self._tell = tell or (lambda _, __: None)
        self._resources = Resources()
        self._ids = Ids()
        names = [step.step_name for step in steps]
        self._own = {
            # The second of its kind is told from the first, wherever they stand.
            id(steps[at]): (f"{names[at]}#{names[:at].count(names[at])}", client)
            for at, client in clients.items()
        }

    def map(self, step: object, records: Iterable[Record]) -> Iterator[tuple[Record, Any]]:
        """Yields each record with what the step says; see `Engine`."""
        if not asks(step):
            yield from self._engine.map(step, records)
            return
        label, client = self._own[id(step)]
        name = label.partition("#")[0]
        proven = client.totals.answers > 0
        calls = Calls(self._runner, broken=StepFailedError, proven=proven)
        asked = ((record, self.ask(step, record)) for record in records)
        try:
            for done, told in enumerate(calls.of(asked), 1):
                self._tell(name, done)
                yield told
        finally:
            self.stopped = self.stopped or calls.stopped
            client.sync()

    async def ask(self, step: Any, record: Record) -> Any:  # noqa: ANN401  as the verb
        """Returns what a step that asks says of one record.

        Raises:
            RequestError: If a request was refused.
            BudgetError: If the budget does not allow a request.
        """
        label, client = self._own[id(step)]
        where = f"{label}/{record.id}"
        seed = int(digest([self._seed, label, record.id], size=4), 16) >> 1
        llm = LLM(client, where, 0, seed)
        said = await ask_about(step, record, llm, self._resources)
        return self._booked(step, record, said, llm) if isinstance(said, Record) else said

    def _booked(self, step: object, record: Record, child: Record, llm: LLM) -> Record:
        """Returns what a teacher made of a record, with its id and books."""
        books = {
            "model": llm.model,
            "prompt_hash": llm.prompt_hash,
            "cost": f"{llm.cost:f}",
            "license": joint_license([record.meta.get("license")], llm.license),
        }
        own = self._ids.made(step, (record.id,), tuple(llm.names), 0)
        return child.replace(id=own, meta={**child.meta, **books}) if llm.names else child

    def select(self, step: object, records: Iterable[Record]) -> dict[str, Drop]:
        """Returns the drops of a `select` step; see `Engine`."""
        return self._engine.select(step, records)

    def close(self) -> None:
        """Closes what steps have opened."""
        self._resources.close()
        self._engine.close()
