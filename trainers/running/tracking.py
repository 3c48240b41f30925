"""Trackers besides run.json: that they are there before anything is spent, and where they write.

Each writes into `trackers/NAME` in the run's folder. What the user's own environment says of a
tracker wins: a server, another folder, another project.
"""

from __future__ import annotations

import importlib.util
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from pathlib import Path
from typing import Any

from datakit.errors import InputError, MissingExtraError, did_you_mean

__all__ = ["FOLDER", "TRACKERS", "Tracked", "check", "environment"]

TRACKERS = ("tensorboard", "wandb", "trackio", "mlflow")
FOLDER = "trackers"

_PROJECT = "datakit"
_OFFLINE = ("offline", "disabled", "dryrun")
_PREFIXES = ("TENSORBOARD_", "WANDB_", "TRACKIO_", "MLFLOW_")
_WITH_PASSWORD = re.compile(r"\A([\w+]+://)[^/@]*@")
# What the trainer calls a tracker with.
_EVENTS = ("on_train_begin", "on_log", "on_train_end")


def check(names: Iterable[str]) -> None:
    """Finds out whether trackers can be reported to.

    Args:
        names: As `report_to` has them.

    Raises:
        InputError: If there is no such tracker, or Weights & Biases knows no key.
        MissingExtraError: If one is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            near = did_you_mean(name, TRACKERS) or f"; there is {', '.join(TRACKERS)}."
            raise InputError(f'--report-to: there is no "{name}"{near}')
        if not _installed(name):
            raise MissingExtraError.of(name, "tracking", f"--report-to {name}")
        if name == "wandb" and os.environ.get("RANK", "0") == "0":
            _log_in()


def _installed(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    # A folder of that name, such as the one that wandb leaves behind, has no origin.
    return spec is not None and spec.origin is not None


def _log_in() -> None:
    if os.environ.get("WANDB_MODE", "").lower() in _OFFLINE:
        return
    os.environ.setdefault("WANDB_SILENT", "true")
    wandb = importlib.import_module("wandb")
    try:
        known = wandb.login(prompt=False)
    except wandb.Error as error:
        text = " ".join(str(error).split())[:300]
        raise InputError(
            f"--report-to wandb: {text} Check WANDB_API_KEY and the network, or set "
            "WANDB_MODE=offline: the run stays here, and `wandb sync` sends it later."
        ) from None
    if not known:
        raise InputError(
            "--report-to wandb: no key is known. Run `wandb login`, or set WANDB_API_KEY; or set "
            "WANDB_MODE=offline: the run stays here, and `wandb sync` sends it later."
        )


def environment(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Returns the variables that bring trackers into a run's folder, without those that are set.

    Args:
        folder: The run's.
        names: Trackers.
    """
    place = folder.absolute() / FOLDER
    wanted = {
        "tensorboard": {"TENSORBOARD_LOGGING_DIR": str(place / "tensorboard")},
        "wandb": {
            # It makes its folder `wandb` in there.
            "WANDB_DIR": str(place),
            "WANDB_PROJECT": _PROJECT,
            "WANDB_SILENT": "true",
            # What is printed is no figure, and is not to be sent.
            "WANDB_CONSOLE": "off",
        },
        "trackio": {"TRACKIO_DIR": str(place / "trackio")},
        "mlflow": {
            "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow' / 'mlflow.db'}",
            "MLFLOW_LOGGING_LEVEL": "ERROR",
            # What is asked for is a record of this run, not one of its user.
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
    }
    pairs = [pair for name in names for pair in wanted[name].items()]
    return {key: value for key, value in pairs if key not in os.environ}


class Tracked(AbstractContextManager["Tracked"]):
    """Holds trackers to a run's folder while it trains, and ends what they began.

    Args:
        folder: The run's; it exists.
        names: Trackers.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = folder, tuple(names)
        self._set: Mapping[str, str] = {}
        self._before: Mapping[str, str] = {}
        self._others: set[str] = set()

    def __enter__(self) -> Tracked:
        with redirect_stdout(io.StringIO()):
            # Where WANDB_MODE is offline, it says so on standard output as soon as it is imported.
            importlib.import_module("transformers.integrations.integration_utils")
        self._before = {k: v for k, v in os.environ.items() if k.startswith(_PREFIXES)}
        self._set = environment(self._folder, self._names)
        os.environ.update(self._set)
        for name in self._names:
            # wandb goes elsewhere, and SQLite fails, where there is no folder.
            (self._folder / FOLDER / name).mkdir(parents=True, exist_ok=True)
        if "TRACKIO_DIR" in self._set:
            _move_trackio(Path(self._set["TRACKIO_DIR"]))
        self._others = {name for name in self._names if _active(name)}
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            with redirect_stdout(io.StringIO()):
                for name in self._names:
                    if name not in self._others and _active(name):
                        _end(name, failed=error is not None)
        finally:
            # The trackers leave variables of their own behind.
            for name in [each for each in os.environ if each.startswith(_PREFIXES)]:
                del os.environ[name]
            os.environ.update(self._before)
            for name in self._names:
                _remove_empty(self._folder / FOLDER / name)

    def follow(self, trainer: Any) -> None:  # noqa: ANN401  a transformers Trainer
        """Gives the run its folder's name at the trackers, and keeps their words off stdout."""
        trainer.args.run_name = self._folder.absolute().name
        trainer.args.project = _PROJECT
        for each in trainer.callback_handler.callbacks:
            if type(each).__module__.startswith("transformers.integrations"):
                for event in _EVENTS:
                    setattr(each, event, _hushed(getattr(each, event)))

    def places(self) -> dict[str, str]:
        """Returns where each tracker's record is, for a reader; no passwords."""
        return {name: _WITH_PASSWORD.sub(r"\1", self._place(name)) for name in self._names}

    def _place(self, name: str) -> str:
        own = str(self._folder / FOLDER / name)
        if name == "wandb":
            run = getattr(sys.modules.get("wandb"), "run", None)
            return getattr(run, "url", None) or _given("WANDB_DIR", self._set) or own
        if name == "trackio":
            names = ("TRACKIO_SERVER_URL", "TRACKIO_SPACE_ID", "TRACKIO_DIR")
            return next(filter(None, (_given(each, self._set) for each in names)), own)
        variable = {"tensorboard": "TENSORBOARD_LOGGING_DIR", "mlflow": "MLFLOW_TRACKING_URI"}[name]
        return _given(variable, self._set) or own


def _given(variable: str, ours: Mapping[str, str]) -> str | None:
    """Returns what the user has set."""
    return None if variable in ours else os.environ.get(variable)


def _hushed(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        # Standard output holds the command's result alone.
        with redirect_stdout(io.StringIO()):
            return method(*args, **kwargs)

    return call


def _move_trackio(folder: Path) -> None:
    """Moves trackio, which reads its variable only once in a process."""
    before = getattr(sys.modules.get("trackio.utils"), "TRACKIO_DIR", None)
    if before is None or before == folder:
        return
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "trackio":
            continue
        for key, value in list(vars(module).items()):
            if key.isupper() and isinstance(value, Path) and value.is_relative_to(before):
                setattr(module, key, folder / value.relative_to(before))


def _active(name: str) -> bool:
    module = sys.modules.get(name)
    if module is None:
        return False
    if name == "wandb":
        return module.run is not None
    if name == "mlflow":
        return module.active_run() is not None
    return name == "trackio" and module.context_vars.current_run.get() is not None


def _end(name: str, *, failed: bool) -> None:
    module = sys.modules[name]
    if name == "wandb":
        module.finish(exit_code=int(failed))
        # It reads its variables once; the next run has another folder.
        module.teardown()
    elif name == "mlflow":
        module.end_run("FAILED" if failed else "FINISHED")
    else:
        module.finish()


def _remove_empty(folder: Path) -> None:
    """Removes a folder that its tracker had no use for."""
    for each in (folder, folder.parent):
        if each.is_dir() and not any(each.iterdir()):
            each.rmdir()
