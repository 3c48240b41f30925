"""How much memory is free on a device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from datakit.errors import MissingExtraError

__all__ = ["free_memory"]


def free_memory(device: str, *, root: Path = Path("/")) -> int:
    """Returns the bytes that a training can still take on a device.

    Args:
        device: `cuda`, `cuda:1`, or `cpu`: there the lower of what the machine has and what the
            control group of this process, as a container sets it, still allows.
        root: Where `proc` and `sys` are.

    Raises:
        MissingExtraError: If it is a GPU and torch is missing.
    """
    if device.startswith("cuda"):
        try:
            import torch
        except ImportError:
            raise MissingExtraError.of("torch", "train", "A GPU") from None
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    return min([_machine(root), *_groups(root)])


def _machine(root: Path) -> int:
    told = _numbers(root / "proc/meminfo")
    if "MemAvailable:" in told:
        return told["MemAvailable:"] * 1024
    # Not Linux. accelerate, without which nothing trains, brings psutil.
    import psutil

    return int(psutil.virtual_memory().available)


def _groups(root: Path) -> Iterator[int]:
    """Gives what each control group around this process still allows (version 2 and 1)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = root / "sys/fs/cgroup" / controllers
        names = ("memory.max", "memory.current", "inactive_file")
        if controllers:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        # Inside a container the group's own folder often is the top.
        place = top / path.lstrip("/")
        for folder in (place, *place.parents):
            if folder.is_relative_to(top):
                yield from _left(folder, *names)


def _left(folder: Path, limit: str, used: str, reclaimable: str) -> Iterator[int]:
    try:
        most, now = (folder / limit).read_text(), (folder / used).read_text()
    except OSError:
        return
    if most.strip().isdigit():
        # Cached files count as used, but make room when it is needed.
        cached = _numbers(folder / "memory.stat").get(reclaimable, 0)
        yield max(0, int(most) - int(now) + cached)


def _numbers(path: Path) -> dict[str, int]:
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
