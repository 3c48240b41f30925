"""What a training method passes through a model, as its class states it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Passes"]


@dataclass(frozen=True)
class Passes:
    """Passes that a method makes over one prompt with one answer.

    Args:
        forward: Forward passes of the model that is trained, those for a gradient included.
        reference: Forward passes of the reference; 0 where there is none.
        backward: Backward passes.
        full: Models in memory in full fine-tuning.
        adapter: Models in memory when adapters are trained; one base serves all adapters on it.
        why: In words.
    """

    forward: int
    reference: int
    backward: int
    full: int
    adapter: int
    why: str

    def operations(self, *, adapters: bool) -> int:
        """Returns operations per token and parameter."""
        return 2 * (self.forward + self.reference) + (2 if adapters else 4) * self.backward
