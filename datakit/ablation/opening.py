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
from datakit.ablation.silent import MissedError
from datakit.errors import InputError
from datakit.llm.log import ResponseLog
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
        if found.pipeline.makers:
            lab = _grown(found, Remembering(engine), work, stack)
        else:
            lab = Ablation(found, Replay(Growth(made={}), {}), engine, work)
            if why := lab.differs():
                raise _unlike(found, f"{why}; its source may have changed")
        # From here on the lab closes them.
        lab.take(stack.pop_all())
        return lab


def _grown(found: Found, engine: Engine, work: Path, stack: ExitStack) -> Ablation:
    """Returns the lab over the newest log from which the version can be rebuilt."""
    folder = found.store.root / found.version.name
    refused = refused_of(found.version)
    interrupted = bool(found.version.manifest["interrupted"])
    whys = []
    for path, copy in logs(folder, work):
        log = stack.enter_context(ResponseLog(copy))
        clients = clients_of(found.pipeline, found.providers, log, refused, interrupted=interrupted)
        try:
            growth = replay(found.pipeline, found.seeds, clients, engine, work / "replay")
        except MissedError:
            whys.append(f"{path} lacks answers that it was made of")
            continue
        lab = Ablation(found, Replay(growth, clients, log, path), engine, work)
        if not (why := lab.differs()):
            return lab
        whys.append(f"from {path}, {why}")
    raise _unlike(found, "; ".join(whys) or f"{folder} has no log of responses")


def _unlike(found: Found, why: str) -> InputError:
    return InputError(
        f"{found.version.ref}: cannot be rebuilt exactly: {why}. Run the pipeline again "
        "(datakit run PIPELINE; what the log answers is not asked again) and take the version that "
        "it gives."
    )
