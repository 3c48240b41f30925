"""A third-party step: examples/datakit-shout, installed with no line of ours changed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples/datakit-shout"
RECIPE = "name: loud\nsource: data.jsonl\nsteps:\n  - filter.shout: {most: 0.6}\n"
ROWS = [
    {"instruction": "Name a river.", "output": "The Rhine."},
    {"instruction": "Name a town.", "output": "COLOGNE"},
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the package and, beside it, two that cannot be imported."""
    folder = tmp_path_factory.mktemp("site")
    copy = shutil.copytree(EXAMPLE, folder / "source")  # setuptools leaves its traces in it
    quiet = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--no-cache-dir"]
    site = folder / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *quiet, "--target", site, copy],
        check=True,
        capture_output=True,
    )
    for name, code in {
        "broken": "import nothing_of_that_name",
        "exits": "raise SystemExit('no')",
    }.items():
        info = site / f"datakit_{name}-1.dist-info"
        info.mkdir()
        (site / f"datakit_{name}.py").write_text(code + "\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: datakit-{name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[datakit.steps]\n{name} = datakit_{name}\n")
    return site


@pytest.fixture
def datakit(site, tmp_path):
    def run(*words):
        env = {key: text for key, text in os.environ.items() if not key.startswith("DATAKIT_")}
        command = [sys.executable, "-m", "datakit.cli.main", *words]
        env["PYTHONPATH"] = str(site)
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    return run


def test_the_example_is_short():
    lines = (EXAMPLE / "datakit_shout.py").read_text().splitlines()
    code = [line for line in lines if line.strip() and '"""' not in line]
    assert len(code) <= 15, "it should look as easy as it is"


def test_it_is_one_of_the_steps(datakit):
    listed = json.loads(datakit("steps", "--json").stdout)
    (own,) = [row for row in listed if row["name"] == "filter.shout"]
    assert own["verb"] == "check"
    assert own["module"] == "datakit_shout"
    told = datakit("steps", "filter.shout").stdout
    assert "Drops records whose output is written in capitals." in told
    assert "most  (number; default 0.5)" in told
    assert '"filter.shout"' in datakit("schema").stdout


def test_it_runs_in_a_pipeline_and_stands_in_ledger_and_report(datakit, tmp_path):
    (tmp_path / "p.yaml").write_text(RECIPE)
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    done = datakit("run", "p.yaml")
    assert done.returncode == 0, done.stderr
    version = tmp_path / "datasets/loud/v1"
    (row,) = json.loads((version / "manifest.json").read_text())["funnel"]
    assert (row["step"], row["in"], row["kept"], row["dropped"]) == (
        "filter.shout",
        2,
        1,
        {"shouting": 1},
    )
    (gone,) = map(json.loads, (version / "dropped.jsonl").read_text().splitlines())
    assert gone["output"] == "COLOGNE"
    assert gone["dropped"]["detail"] == {"share": 1.0, "most": 0.6}
    page = (version / "report.html").read_text()
    assert "filter.shout" in page
    assert "shouting" in page


def test_its_mistakes_have_their_place(datakit, tmp_path):
    (tmp_path / "data.jsonl").write_text(json.dumps(ROWS[0]))
    (tmp_path / "p.yaml").write_text(RECIPE.replace("0.6", "loud"))
    done = datakit("run", "p.yaml")
    assert done.returncode == 2
    assert 'p.yaml:4:26: steps.0.filter.shout.most: must be a number, not "loud".' in done.stderr


def test_a_broken_package_costs_its_own_steps_only(datakit, tmp_path):
    listed = datakit("steps")
    assert listed.returncode == 0
    assert "filter.shout" in listed.stdout
    assert "dedup.minhash" in listed.stdout
    assert listed.stderr.splitlines() == [
        "not loaded: datakit-broken (datakit_broken): ModuleNotFoundError: "
        "No module named 'nothing_of_that_name'",
        "not loaded: datakit-exits (datakit_exits): SystemExit: no",
    ]
    assert "not loaded      datakit-broken" in datakit("doctor").stdout
    (tmp_path / "data.jsonl").write_text(json.dumps(ROWS[0]))
    (tmp_path / "p.yaml").write_text(RECIPE.replace("filter.shout: {most: 0.6}", "broken.step"))
    done = datakit("run", "p.yaml")
    assert done.returncode == 2
    assert 'unknown step "broken.step"' in done.stderr
    assert "not loaded: datakit-broken (datakit_broken): ModuleNotFoundError" in done.stderr
