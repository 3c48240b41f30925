"""Whether a verdict may rest on a judge: only if people were found to agree with this very one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datakit.judge.asking import apart
from datakit.judge.calibration import Calibration

__all__ = ["NOT_CALIBRATED", "Standing", "standing"]

NOT_CALIBRATED = "not calibrated: no verdict"


@dataclass(frozen=True)
class Standing:
    """What is known of a judge.

    Args:
        text: In words, for beside a figure.
        may: Whether a verdict may rest on it.
    """

    text: str = NOT_CALIBRATED
    may: bool = False


def standing(calibrations: Mapping[str, Calibration], who: Mapping[str, Any]) -> Standing:
    """Looks for the calibration of a judge, as it is asked.

    Args:
        calibrations: By their files.
        who: The judge, as `Asking.describe` returns it.
    """
    of_form = {path: each for path, each in calibrations.items() if each.form == who.get("form")}
    others = []
    for path, each in of_form.items():
        differences = list(apart(each.judge, who))
        if not differences:
            return Standing(f"{'calibrated: ' if each.agrees else ''}{each.verdict}", each.agrees)
        others.append(f"{path} is of another judge: {'; '.join(differences)}")
    if calibrations and not of_form:
        others.append(f"datakit judge check --form {who.get('form')} calibrates it")
    return Standing(f"{NOT_CALIBRATED} ({'. '.join(others)})") if others else Standing()
