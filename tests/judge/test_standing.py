import pytest

from datakit.errors import InputError
from datakit.fields import FilePath
from datakit.judge import Asking, Calibration, standing
from datakit.judge.statistics import Interval
from datakit.llm.teacher import Teacher

TEACHER = Teacher(provider="openai", model="m", base_url="http://host:8000/v1")
GOOD = Interval(0.8, 0.7, 0.9, 100)


def calibration(teacher=TEACHER, asking=None, agreement=GOOD):
    who = (asking or Asking()).describe(teacher)
    return Calibration(who, "l.jsonl", 100, 100, agreement=agreement)


def told(found, teacher=TEACHER, asking=None):
    return standing({"j.json": found} if found else {}, (asking or Asking()).describe(teacher))


def test_who_judges_is_told():
    who = Asking().describe(TEACHER)
    assert who["server"] == "http://host:8000/v1"
    assert who["settings"] == {
        "temperature": 0.0, "max_tokens": 1024, "json_schema": True, "effort": None
    }  # fmt: skip
    assert Asking().describe(Teacher(provider="openai", model="m"))["server"] == "openai's own"
    assert Asking().describe(Teacher())["server"] == "this process"


def test_a_calibration_of_the_very_judge_allows_a_verdict():
    found = told(calibration())
    assert found.may
    assert found.text == "calibrated: agrees with people in 80 % (70 to 90) of 100 pairs"


def test_none_allows_none():
    assert told(None) == type(told(None))("not calibrated: no verdict", False)


def test_people_who_do_not_agree_allow_none():
    found = told(calibration(agreement=Interval(0.5, 0.4, 0.6, 100)))
    assert not found.may
    assert found.text.startswith("people do not agree with this judge")


@pytest.mark.parametrize(
    ("teacher", "asking", "says"),
    [
        (Teacher(provider="openai", model="n", base_url=TEACHER.base_url), None, "model is m, not"),
        (Teacher(provider="openai", model="m"), None, "its server is http://host:8000/v1, not"),
        (TEACHER, Asking(temperature=None), "its temperature is 0.0, not None"),
        (TEACHER, Asking(max_tokens=10), "its max_tokens is 1024, not 10"),
        (TEACHER, Asking(json_schema=False), "its json_schema is True, not False"),
        (
            Teacher(provider="openai", model="m", base_url=TEACHER.base_url, effort="low"),
            None,
            "its effort is None, not low",
        ),
        (TEACHER, Asking("grade"), "datakit judge check --form grade calibrates it"),
    ],
)
def test_another_judge_is_told(teacher, asking, says):
    found = told(calibration(), teacher, asking)
    assert not found.may
    assert found.text.startswith("not calibrated: no verdict (") and says in found.text


def test_another_text_is_another_judge(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("{question} {first} {second}")
    asking = Asking(prompt=FilePath(str(path)))
    assert "its prompt is another text" in told(calibration(), asking=asking).text
    assert told(calibration(asking=asking), asking=asking).may
    path.write_text("{question}")
    with pytest.raises(InputError, match="txt: has no place"):
        asking.check()


def test_of_several_calibrations_the_one_of_its_form_counts():
    files = {"p.json": calibration(), "g.json": calibration(asking=Asking("grade"))}
    found = standing(files, Asking("grade").describe(TEACHER))
    assert found.may and found.text.endswith("of 100 pairs of graded answers")
