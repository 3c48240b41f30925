"""The record of a training: run.json, written at its start and at its end."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from datakit.amounts import counted
from datakit.errors import InputError
from datakit.fingerprint import file_sha256
from trainers.models import RUN_FILE, read_json
from trainers.page.facts import Told
from trainers.running.following import following

__all__ = ["RUN_FILE", "Run", "hardware", "packages", "write_json"]

_SCHEMA = 1
_PACKAGES = (
    "datakit",
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "bitsandbytes",
    "datasets",
)


class Run:
    """A training's folder and what run.json says of it.

    Args:
        path: The folder that `datakit train -o` wrote.

    Raises:
        InputError: If there is no run.json in it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / RUN_FILE).is_file():
            raise InputError(f"{path}: has no {RUN_FILE}; it was not trained by datakit.")
        self.facts: dict[str, Any] = read_json(self.path / RUN_FILE)

    @property
    def done(self) -> bool:
        """Whether the training reached its end."""
        return self.facts.get("status") == "done"

    @property
    def curves(self) -> dict[str, list[dict[str, float]]]:
        """What was logged: `train` and `eval`, each a list of `{"step": ..., "loss": ...}`."""
        curves: dict[str, list[dict[str, float]]] = self.facts.get("curves", {})
        return curves

    @property
    def weights(self) -> dict[str, str]:
        """SHA-256 of each file of weights, by its name."""
        weights: dict[str, str] = self.facts.get("files", {})
        return weights

    @property
    def loss(self) -> float | None:
        """The training loss that was logged last, in the method's unit; None if none was.

        For `sft` it is in nats per token, the mean over the rows since the log before.
        """
        seen = [each["loss"] for each in self.curves.get("train", []) if "loss" in each]
        return seen[-1] if seen else None

    @property
    def held_out_loss(self) -> float | None:
        """The held-out loss of the weights that were kept; None if nothing was held out."""
        loss: float | None = self.facts.get("result", {}).get("eval_loss")
        return loss

    @property
    def warnings(self) -> list[str]:
        """What speaks against using the model; empty for a training that went well."""
        return list(self.facts.get("warnings", []))

    def summary(self) -> list[str]:
        """Returns the lines that a command prints at the end."""
        result, cost = self.facts.get("result", {}), self.facts.get("cost", {})
        lines = [
            f"{self.path}   {Told(self.facts).method} of {self.facts['model']['given']}, "
            f"{counted(result.get('steps', 0), 'step')}, {cost.get('tokens', 0):,} tokens, "
            f"{cost.get('seconds', 0):,.0f} s"
        ]
        if "eval_loss" in result:
            before, after = result["eval_loss_before"], result["eval_loss"]
            lines.append(f"held-out loss {before:.3f} -> {after:.3f}")
        elif self.loss is not None:
            lines.append(f"loss {self.loss:.3f}; nothing was held out")
        lines += [f"warning: {each}" for each in self.warnings]
        lines += self.facts.get("watch", {}).get("warnings", [])
        lines.append(f"look   {self.path / 'run.html'}")
        return [*lines, f"next   {following(self.path, self.facts)}"]

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.facts.get('method')}, {self.facts.get('status')})"


def started(method: str, **facts: Any) -> dict[str, Any]:  # noqa: ANN401  JSON values
    """Returns the first facts of a run."""
    return {
        "schema": _SCHEMA,
        "method": method,
        "status": "running",
        "created": now(),
        **facts,
        "hardware": hardware(),
        "packages": packages(),
    }


def now() -> str:
    """Returns the time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def packages() -> dict[str, str]:
    """Returns the versions of the packages that a training depends on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


def hardware() -> dict[str, Any]:
    """Returns what the training runs on."""
    import torch

    facts: dict[str, Any] = {
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }
    if torch.cuda.is_available():
        facts["gpus"] = [torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())]
    return facts


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes a JSON file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(
                _finite(value), file, indent=1, ensure_ascii=False, default=str, allow_nan=False
            )
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)


def _finite(value: Any) -> Any:  # noqa: ANN401  a JSON value
    """Returns a value with null for what is no number: JSON has none of these."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def weight_files(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each file of weights in a folder."""
    return {path.name: file_sha256(path) for path in sorted(folder.glob("*.safetensors"))}


def readable(folder: Path) -> None:
    """Gives weight files, which safetensors writes for their owner alone, the usual rights."""
    for path in folder.glob("*.safetensors"):
        path.chmod(0o666 & ~_mask())


def _mask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def is_main() -> bool:
    """Whether this process speaks and writes, of those that `accelerate launch` started."""
    return os.environ.get("RANK", "0") == "0"


def together() -> None:
    """Waits until every process of `accelerate launch` is here."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


class Clock:
    """Seconds since it was made, by the wall and by the processor."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self) -> dict[str, float]:
        """Returns `seconds` and `cpu_seconds`, rounded."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {"seconds": round(wall, 1), "cpu_seconds": round(cpu, 1)}
