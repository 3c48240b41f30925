"""What stands beside the data in a folder: LLaMA-Factory's table, Axolotl's lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

import yaml

from datakit.exchange import has
from datakit.exporting.files import Parts
from datakit.exporting.formats import Row
from datakit.record import Record

__all__ = ["axolotl", "dataset_info", "ranked"]


def ranked(fitting: Parts) -> Parts:
    """Makes pairs of the rows if every record has a rejected answer."""
    everyone = [record for part in fitting.values() for record, _ in part]
    if not all(has(record, "rejected") for record in everyone):
        return fitting

    def paired(record: Record, row: Row) -> Row:
        rest = {key: value for key, value in row.items() if key != "output"}
        return rest | {"chosen": row["output"], "rejected": record.extra["rejected"]}

    return {
        name: [(record, [paired(record, row) for row in rows]) for record, rows in part]
        for name, part in fitting.items()
    }


def dataset_info(files: Iterable[str], fitting: Parts) -> str:
    """Returns LLaMA-Factory's table of datasets: what its columns are called in each file."""
    keys = {key for part in fitting.values() for _, rows in part for row in rows for key in row}
    columns = {"prompt": "instruction", "query": "input"}
    if "chosen" in keys:
        columns |= {"chosen": "chosen", "rejected": "rejected"}
    else:
        columns["response"] = "output"
    columns |= {key: key for key in ("system", "history") if key in keys}
    ranking = {"ranking": True} if "chosen" in keys else {}
    info = {
        PurePath(file).stem: {"file_name": file, **ranking, "columns": columns} for file in files
    }
    return json.dumps(info, indent=2, ensure_ascii=False) + "\n"


def axolotl(names: Mapping[str, str]) -> str:
    """Returns the lines of Axolotl's configuration that name the files of the parts."""

    def entry(name: str) -> dict[str, Any]:
        return {
            "path": names[name],
            "ds_type": "json",
            **({} if name == "train" else {"split": "train"}),
            "type": "chat_template",
            "field_messages": "messages",
            "message_property_mappings": {"role": "role", "content": "content"},
        }

    lines: dict[str, Any] = {"datasets": [entry("train")]}
    tests = [name for name in names if name != "train"]
    if tests:
        lines["test_datasets"] = [entry(name) for name in tests]
    head = "# For Axolotl's configuration; paths are relative to where it is started.\n"
    return head + yaml.safe_dump(lines, sort_keys=False)
