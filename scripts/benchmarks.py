"""Makes the files of hashed benchmarks that are shipped, from the original ones.

    python scripts/benchmarks.py gsm8k=../data/gsm8k/test.jsonl mbpp=../data/mbpp/mbpp.jsonl

Each must be in `datakit/benchmark/catalogue.json` with the `path` that it comes from; its SHA-256
and the number of items are written there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from datakit.benchmark.files import read_items
from datakit.benchmark.named import packed
from datakit.fingerprint import content_sha256

FOLDER = Path(__file__).parents[1] / "datakit" / "benchmark"


def main() -> None:
    """Writes the files, and what is known of them."""
    known = FOLDER / "catalogue.json"
    catalogue = json.loads(known.read_text())
    (FOLDER / "hashed").mkdir(exist_ok=True)
    for each in sys.argv[1:]:
        name, _, path = each.partition("=")
        items = [item.hashed() for item in read_items(path)]
        np.savez(FOLDER / "hashed" / f"{name}.npz", **packed(items))
        catalogue[name] |= {"sha256": content_sha256(path), "items": len(items)}
        sys.stdout.write(f"{name}: {len(items):,} items\n")
    lines = (f"  {json.dumps(name)}: {json.dumps(of)}" for name, of in sorted(catalogue.items()))
    known.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
