"""What run.json says of a training, in the form in which its page uses it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from datakit.amounts import counted, duration
from trainers.dpo import DPO
from trainers.kto import KTO
from trainers.page.charts import figures_of
from trainers.reward import Reward
from trainers.sft import SFT

__all__ = ["METHODS", "Told", "brief", "change"]

METHODS = {
    **{each.method: each.title for each in (SFT, DPO, KTO, Reward)},
    # Names of a method with certain settings; see `Told.method`.
    "qlora": SFT.title,
    "ipo": "identity preference optimization",
}
_ADAPTERS = {"lora": "LoRA", "rslora": "rsLoRA", "dora": "DoRA", "lora+": "LoRA+"}


class Told:
    """The facts of a run; what is not there yet is empty.

    Args:
        facts: run.json.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self.status = str(facts.get("status") or "unknown")
        self.model = self.part("model")
        self.settings = self.part("settings")
        self.result = self.part("result")
        self.cost = self.part("cost")
        self.parameters = self.part("parameters")
        self.watch = self.part("watch")
        self.train = self._entries("train")
        self.held_out = self._entries("eval")

    def part(self, name: str) -> dict[str, Any]:
        """Returns an object among the facts; empty if there is none."""
        value = self.facts.get(name)
        return value if isinstance(value, dict) else {}

    def _entries(self, name: str) -> list[dict[str, Any]]:
        value = self.part("curves").get(name)
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def data(self, name: str) -> dict[str, Any]:
        """Returns where the rows of `train` or `held_out` come from."""
        value = self.part("data").get(name)
        return value if isinstance(value, dict) else {}

    @property
    def done(self) -> bool:
        """Whether the training reached its end."""
        return self.status == "done"

    @property
    def method(self) -> str:
        """The method's short name; IPO is DPO with another loss."""
        name = str(self.facts.get("method") or "training")
        if name == "dpo" and self.settings.get("loss") == "ipo":
            return "ipo"
        return "qlora" if name == "sft" and self.settings.get("quantize") == "nf4" else name

    @property
    def losses(self) -> tuple[float | None, float | None]:
        """The held-out loss before and after; None where it was not measured."""
        found = [each["loss"] for each in self.held_out if _is_number(each.get("loss"))]
        before = self.result.get("eval_loss_before", found[0] if found else None)
        after = self.result.get("eval_loss", found[-1] if len(found) > 1 else None)
        return before, after

    @property
    def warnings(self) -> list[str]:
        """What speaks against using the model."""
        value = self.facts.get("warnings")
        return [str(each) for each in value] if isinstance(value, list | tuple) else []

    @property
    def left_out(self) -> int:
        """Rows that came in and were not trained on."""
        gate = self.part("gate")
        rows, used = gate.get("rows", 0), gate.get("used", 0)
        return int(rows - used) if _is_number(rows) and _is_number(used) else 0

    @property
    def tokens(self) -> int:
        """Tokens that were trained on, the prompts' among them."""
        seen = [each["num_tokens"] for each in self.train if _is_number(each.get("num_tokens"))]
        return int(self.cost.get("tokens") or (seen[-1] if seen else 0))

    @property
    def steps(self) -> int:
        """Optimizer steps that were made."""
        seen = [each["step"] for each in self.train if _is_number(each.get("step"))]
        return int(self.result.get("steps") or (max(seen) if seen else 0))

    @property
    def short(self) -> str:
        """The method, what it is done to and how, in a line for a terminal."""
        used = self.part("used")
        how = self._how()
        parts = [f"{self.method} of {self.model.get('given') or 'a model'}"]
        parts += [how[:1].lower() + how[1:] if how.startswith("All") else how] if how else []
        if used.get("steps"):
            rows = self.settings.get("batch", 1) * self.settings.get("accumulate", 1)
            parts.append(f"{counted(used['steps'], 'step')} of {counted(rows, 'row')}")
        if used.get("learning_rate"):
            parts.append(f"learning rate {used['learning_rate']:g}")
        if used.get("optimizer"):
            parts.append(str(used["optimizer"]))
        return ", ".join(parts)

    @property
    def sentence(self) -> str:
        """What was trained on what, in one sentence."""
        words = METHODS.get(self.method, self.method)
        how = self._how()
        start = f"{how}, by {words}," if how else f"{words[:1].upper()}{words[1:]}"
        train, held_out = self.data("train"), self.data("held_out")
        rows = self.part("gate").get("used", train.get("records", 0))
        text = f"{start} on {counted(int(rows), 'row')} of {brief(train.get('ref'))}"
        if held_out:
            n = self.part("held_out_gate").get("used", held_out.get("records", 0))
            same = held_out.get("ref") == train.get("ref")
            text += f"; {int(n):,} held out" + ("" if same else f" from {brief(held_out['ref'])}")
        return f"{text}."

    def _how(self) -> str:
        lora = self.settings.get("lora")
        if lora is None:
            return ""
        if lora == "none":
            return "All weights"
        name = _ADAPTERS.get(lora, str(lora))
        held = " on a base in 4 bits (NF4)" if self.settings.get("quantize") == "nf4" else ""
        return f"{name} of rank {self.settings.get('lora_r')}{held}"

    @property
    def when(self) -> str:
        """When it began, and how it ended."""
        began = str(self.facts.get("created") or "")[:16].replace("T", " ")
        took = self.cost.get("seconds")
        states = {
            "done": f"done in {duration(took)}" if took is not None else "done",
            "running": "running, or ended without a word",
        }
        return f"{began} UTC, {states.get(self.status, self.status)}" if began else self.status


def brief(ref: object) -> str:
    """Returns a reference as a title shows it: of an absolute path the name alone."""
    text = str(ref or "unknown data")
    return PurePosixPath(text).name if text.startswith("/") else text


def change(before: float, after: float) -> str:
    """Returns how much a loss changed: `-5.3 %`, with a minus sign."""
    if not before:
        return f"by {figures_of(after - before)}"
    share = 100 * (after - before) / abs(before)
    # A minus sign is as wide as a plus; a hyphen is not.
    sign = "\u2212" if share < 0 else "+"
    return f"{sign}{abs(share):.1f}\u00a0%"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
