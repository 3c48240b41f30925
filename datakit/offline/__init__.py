"""The batch APIs by hand: requests out to a file, answers in from others; asks nobody.

export_batch("sql.yaml", "asked.jsonl")     # Exported: .files, or .version once all is answered
import_batch("sql.yaml", ["answers.jsonl"]) # Imported: .taken, .there, .unanswered, .left
"""

from datakit.offline.exporting import Exported, Written, export_batch
from datakit.offline.importing import Imported, import_batch

__all__ = ["Exported", "Imported", "Written", "export_batch", "import_batch"]
