"""docs/ is written from the code."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_commands_do_not_depend_on_argparse_s_layout(monkeypatch):
    spec = importlib.util.spec_from_file_location("docs", ROOT / "scripts/docs.py")
    docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(docs)
    monkeypatch.setattr(docs.argparse.ArgumentParser, "format_help", None)
    monkeypatch.setattr(docs.argparse, "HelpFormatter", None)
    text = docs.commands()
    assert text == (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert "| `-o, --output OUT` | required |" in text
    assert text.count("--no-color") == 1
