"""Versions as a run leaves them."""

from pathlib import Path

from datakit.outcome import Drop
from datakit.record import Record
from datakit.running.ledger import Row
from datakit.running.spool import Spool
from datakit.store import Store, Version


def record(id, output="an answer", parents=(), **more):
    meta = {"parents": list(parents), "step": "test.made"} if parents else {}
    return Record(f"question {id}", output=output, id=id, meta=meta, **more)


def drafted(store: Store, work: Path, kept, dropped=(), name="sql"):
    """Returns the next draft, with everything in it."""
    data, gone = Spool(work / "kept.jsonl"), Spool(work / "dropped.jsonl")
    data.extend(kept).close()
    row = Row("filter.length", taken=len(kept) + len(dropped), kept=len(kept))
    for each in dropped:
        row.dropped["too_short"] += 1
        gone.append_dropped(each, row.step, Drop("too_short", chars=1))
    gone.close()
    draft = store.draft(name)
    manifest = {
        "created": "2026-11-24T10:00:00+00:00",
        "made": 0,
        "recipe": "name: sql\n",
        "recipe_hash": "ab" * 16,
        "records": len(kept),
        "dropped": len(dropped),
        "funnel": [row.to_json()],
        "cost": {"usd": "0.000000"},
        "interrupted": None,
    }
    draft.write(manifest, data.path, gone.path)
    draft.add("report.html", "<p>report</p>")
    draft.add("README.md", "# card\n")
    return draft


def published(store: Store, kept, dropped=(), name="sql") -> Version:
    """Writes the next version."""
    with store.writing(name) as work:
        return drafted(store, work, kept, dropped, name).publish()
