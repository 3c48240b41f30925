"""Three datasets, one model, a verdict: a general baseline, raw records, the clean version.

    make lift

The clean version and the raw records are those of pipelines/sql_demo.yaml, which is run first where
it has not run yet. The model is the embedded one; five replicates; loss on the held-out set.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from datakit.ablation import open_ablation

ROOT = Path(__file__).resolve().parents[1]
RAW = ROOT / "datasets" / "sql_demo_raw.jsonl"
PIPELINE = "pipelines/sql_demo.yaml"
HELD_OUT = "pipelines/held_out/sql.jsonl"


def _datakit(*words: str) -> int:
    return subprocess.run([sys.executable, "-m", "datakit.cli.main", *words], cwd=ROOT).returncode


def main(options: list[str]) -> int:
    """Runs the pipeline, writes its raw records, and compares."""
    # Of a finished run this does nothing; of a changed pipeline it makes a new version.
    if code := _datakit("run", PIPELINE):
        return code
    with open_ablation(str(ROOT / PIPELINE), store=ROOT / "datasets") as lab:
        # What the teacher wrote and the seeds, before any other step.
        RAW.write_bytes(b"".join(record.to_line() for record in lab.bare().records))
    return _datakit(
        "lift",
        "sql_demo@latest",
        str(RAW.relative_to(ROOT)),
        "--baseline",
        "seeds/general.jsonl",
        "--task",
        f"perplexity:{HELD_OUT}",
        "--steps",
        "6",
        "--limit",
        "32",
        "--no-general",
        "--learning-rate",
        "4e-4",
        "-o",
        "reports/lift-sql-demo.html",
        *options,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
