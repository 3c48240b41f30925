import pytest

from datakit.jail import jail_missing
from datakit.record import Record
from datakit.step import Resources, StepError
from datakit.steps.filter.python_tests import PythonTests

jailed = pytest.mark.skipif(bool(jail_missing()), reason=jail_missing() or "a jail")
CODE = "def add(a, b):\n    return a + b\n"


def checked(output, step=None, **more):
    record = Record("Add two numbers.", output=output, **more)
    drop = (step or PythonTests()).check(record, Resources())
    return drop and (drop.reason, drop.detail.get("part", ""))


@jailed
@pytest.mark.parametrize(
    ("output", "found"),
    [
        (CODE, None),
        (f"Here it is:\n```python\n{CODE}```\nand so on.", None),
        (f"Install:\n```sh\npip install x\n```\n```\n{CODE}```\n", None),
        (CODE.replace("+", "-"), ("tests_failed", "tests")),
        ("def add(a, b:", ("code_raised", "code")),
        ("import sys\nsys.exit()", ("code_exited", "code")),
        ("```sh\nls\n```", ("no_code", "")),
    ],
)
def test_code_and_its_tests(output, found):
    assert (
        checked(output, extra={"tests": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]})
        == found
    )


@jailed
def test_where_the_tests_are():
    test = "assert sqrt(add(2, 2)) == 2"
    setup = "from math import sqrt"
    assert checked(CODE, meta={"tests": test, "setup": setup}) is None
    assert checked(CODE, meta={"tests": test}) == ("tests_failed", "tests")
    assert checked(CODE, PythonTests(tests="input"), input="assert add(1, 1) == 2") is None
    assert checked(CODE) == ("no_tests", "")


@jailed
def test_a_record_without_end():
    tests = {"tests": "add(1, 2)"}
    step = PythonTests(seconds=1)
    assert checked("def add(a, b):\n    while True: pass", step, extra=tests) == (
        "code_timeout",
        "",
    )


def test_without_bubblewrap_nothing_is_run(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(StepError, match=r"only in bubblewrap; .* apt install bubblewrap"):
        PythonTests()
