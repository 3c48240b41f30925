"""Versions in the forms that trainers read, in splits that cut through no family."""

from datakit.exporting.formats import FORMATS, Format
from datakit.exporting.splitting import Shares, parse_shares, split
from datakit.exporting.write import Exported, export

__all__ = ["FORMATS", "Exported", "Format", "Shares", "export", "parse_shares", "split"]
