"""Opening a finished run: its candidates from the log, and the proof that they are the right ones.

The proof is that all steps, run over them in one pass, give the version's records byte for byte.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

from datakit.ablation.engine import Remembering
from datakit.ablation.finding import Found, find
from datakit.ablation.lab import Ablation
from datakit.ablation.replay import Replay, clients_of, logs, refused_of, replay
from datakit.ablation.replayed import Recalling, asking_of, recalled_of, refusals_of
from datakit.ablation.silent import MissedError
from datakit.errors import InputError
from datakit.llm.client import Client
from datakit.llm.log import ResponseLog
from datakit.llm.loop import Loop
from datakit.running.growth import Growth
from datakit.running.local import Engine, LocalEngine
from datakit.running.pipeline import Pipeline

__all__ = ["open_ablation"]


def open_ablation(
    pipeline: str | Path | Pipeline,
    *,
    store: str | Path | None = None,
    version: str | None = None,
) -> Ablation:
    """Opens the finished run of a pipeline; asks no teacher, needs no key, changes no file.

    Args:
        pipeline: A YAML file, or a `Pipeline`.
        store: The folder of versions.
        version: A reference; None is the newest version of this very recipe.

    Returns:
        The lab; close it, or use it in a `with`.

    Raises:
        InputError: If there is no such version, or if it cannot be rebuilt exactly.
    """
    found = find(pipeline, store=store, version=version)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="datakit-ablate-")))
        loop = stack.enter_context(Loop())
        engine: Engine = stack.enter_context(closing(LocalEngine()))
        if found.pipeline.askers:
            lab = _answered(found, engine, work, loop, stack)
        else:
            replayed = Replay(Growth(made={}))
            lab = Ablation(found, replayed, Remembering(engine), engine, work, loop)
            if why := lab.differs():
                raise _unlike(found, f"{why}; its source may have changed")
        # From here on the lab closes them.
        lab.take(stack.pop_all())
        return lab


def _answered(found: Found, engine: Engine, work: Path, loop: Loop, stack: ExitStack) -> Ablation:
    """Returns the lab over the newest log from which the version can be rebuilt."""
    folder = found.store.root / found.version.name
    whys = []
    for path, copy in logs(folder, work):
        log = stack.enter_context(ResponseLog(copy))
        try:
            lab = _rebuilt(found, engine, work, loop, log, path)
        except MissedError:
            whys.append(f"{path} lacks answers that it was made of")
            continue
        if not (why := lab.differs()):
            return lab
        whys.append(f"from {path}, {why}")
    raise _unlike(found, "; ".join(whys) or f"{folder} has no log of responses")


def _rebuilt(
    found: Found, engine: Engine, work: Path, loop: Loop, log: ResponseLog, path: Path
) -> Ablation:
    """Returns the lab over one log.

    Raises:
        MissedError: If it lacks answers.
    """
    pipeline, interrupted = found.pipeline, bool(found.version.manifest["interrupted"])
    asked = recalled_of(
        pipeline, found.providers, log, refusals_of(found.version, asking_of(pipeline))
    )
    recalling = Recalling(engine, pipeline.steps, asked, loop, pipeline.random_seed)
    remembering = Remembering(recalling)
    makers = clients_of(
        pipeline, found.providers, log, refused_of(found.version), interrupted=interrupted
    )
    growth = Growth(made={})
    if makers:
        growth = replay(pipeline, found.seeds, makers, remembering, work / "replay", loop)
    clients: dict[int, Client] = {**makers, **asked}
    books = {place: client.totals for place, client in clients.items()}
    lab = Ablation(found, Replay(growth, books, log, path), remembering, engine, work, loop)
    lab.settle()
    if not interrupted and any(client.missed for client in asked.values()):
        raise MissedError("a record was not asked about")
    return lab


def _unlike(found: Found, why: str) -> InputError:
    return InputError(
        f"{found.version.ref}: cannot be rebuilt exactly: {why}. Run the pipeline again "
        "(datakit run PIPELINE; what the log answers is not asked again) and take the version that "
        "it gives."
    )
