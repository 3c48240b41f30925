"""What can be known to be wrong before a heavy package is imported or a row is read."""

from __future__ import annotations

import importlib.util
import os
from types import SimpleNamespace
from typing import Any, cast

from datakit.errors import InputError, MissingExtraError, did_you_mean
from trainers import models
from trainers.running import tracking
from trainers.settings import Settings
from trainers.tokens import set_template, template_names

__all__ = ["check", "check_optimizer"]

_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


def check(settings: Settings, *, model: str, device: str, measured: bool) -> None:
    """Stops where packages are missing, or settings name what is not there.

    Args:
        settings: Of the training.
        model: What to start from.
        device: `auto`, `cpu` or `cuda`.
        measured: Whether something is held out.

    Raises:
        InputError: If there is no such model, template, device or tracker.
        MissingExtraError: If a package is not installed.
    """
    if settings.patience and not measured:
        raise InputError("--patience: needs --held-out data, by which the training is stopped.")
    _template(settings.template)
    tracking.check(settings.report_to)
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError.of(package, "train", "Training")
    in_few_bits = settings.quantize == "nf4" or "8bit" in settings.optimizer
    if in_few_bits and importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError.of("bitsandbytes", "qlora", "Training in 4 or 8 bits")
    # These are converted once, which takes a while: the data are looked at before.
    if model != "embedded" and not os.path.isfile(model):
        ref = models.resolve(model)
        if ref.kind == "served":
            # It refuses what has no weights here, before it looks for any.
            models.load_config(ref)
    models.check_device(device)


def _template(name: str) -> None:
    if not name or name in template_names():
        return
    if name.endswith((".jinja", ".j2")) and os.access(name, os.R_OK) and os.path.isfile(name):
        return
    # It knows what to say; it is not reached with a name that is there.
    set_template(cast(Any, SimpleNamespace(chat_template="")), name)


def check_optimizer(settings: Settings) -> None:
    """Stops where transformers has no such optimizer, or the package for it cannot be imported.

    Raises:
        InputError: With the names that there are.
        MissingExtraError: If bitsandbytes is not installed.
    """
    if settings.optimizer != "auto":
        from transformers.training_args import OptimizerNames

        names = [str(each.value) for each in OptimizerNames]
        if settings.optimizer not in names:
            near = did_you_mean(settings.optimizer, names) or f"; there are {', '.join(names)}."
            raise InputError(f'--optimizer: there is no "{settings.optimizer}"{near}')
    if settings.quantize == "nf4" or "8bit" in settings.optimizer:
        models.need("bitsandbytes", "qlora", "Training in 4 or 8 bits")
