"""Opening a finished run: its candidates from the log, and the proof that they are the right ones.

The proof is that all steps, run over them in one pass, give the version's records byte for byte.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

from datakit.ablation.costs import books_of
from datakit.ablation.engine import Remembering
from datakit.ablation.finding import Found, find
from datakit.ablation.lab import Ablation
from datakit.ablation.replay import Replay, clients_of, cut, logs, replay
from datakit.ablation.replayed import Replaying, told_of
from datakit.errors import InputError, ProviderError
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
        engine: Engine = stack.enter_context(closing(LocalEngine()))
        loop = stack.enter_context(Loop())
        if found.pipeline.askers:
            lab = _asked(found, engine, work, loop, stack)
        else:
            lab = Ablation(found, Replay(Growth(made={})), Remembering(engine), work, loop)
            if why := lab.differs():
                raise _unlike(found, f"{why}; its source may have changed")
        # From here on the lab closes them.
        lab.take(stack.pop_all())
        return lab


def _asked(found: Found, engine: Engine, work: Path, loop: Loop, stack: ExitStack) -> Ablation:
    """Returns the lab over the newest log from which the version can be rebuilt."""
    folder = found.store.root / found.version.name
    whys = []
    for path, copy in logs(folder, work):
        log = stack.enter_context(ResponseLog(copy))
        lab = _rebuilt(found, engine, work, loop, (log, path))
        if isinstance(lab, Ablation):
            return lab
        whys.append(lab)
    raise _unlike(found, "; ".join(whys) or f"{folder} has no log of responses")


def _rebuilt(
    found: Found, engine: Engine, work: Path, loop: Loop, kept: tuple[ResponseLog, Path]
) -> Ablation | str:
    """Returns the lab over one log, or why the version cannot be rebuilt from it."""
    log, path = kept
    pipeline, manifest = found.pipeline, found.version.manifest
    interrupted = bool(manifest["interrupted"])
    told = told_of(found.version, pipeline)
    rounds = manifest["rounds"] if interrupted else None
    clients = clients_of(pipeline, found.providers, log, told, rounds=rounds)
    answering = Replaying(engine, pipeline, clients, loop, told, whole=True)
    remembering = Remembering(answering)
    try:
        growth, _ = replay(found, pipeline, clients, remembering, work / "replay", loop)
    except ProviderError:
        # A round of which the log answers nothing: the budget ended it, or the log is not its.
        growth = Growth(made={at: [] for at in pipeline.makers}, rounds=1, ended="budget")
    if interrupted:
        growth = cut(growth, {at: manifest["funnel"][at]["made"] for at in pipeline.makers})
    replayed = Replay(growth, books_of(found.version, pipeline), told, log, path)
    lab = Ablation(found, replayed, remembering, work, loop)
    if why := lab.differs():
        if any(each.missed for each in clients.values()):
            return f"{path} lacks answers that it was made of"
        return f"from {path}, {why}"
    answering.settle()
    return lab


def _unlike(found: Found, why: str) -> InputError:
    return InputError(
        f"{found.version.ref}: cannot be rebuilt exactly: {why}. Run the pipeline again "
        "(datakit run PIPELINE; what the log answers is not asked again) and take the version that "
        "it gives."
    )
