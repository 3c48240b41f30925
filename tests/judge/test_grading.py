import pytest

from datakit.judge import Session, grade, rate
from tests.judge.judges import scoring, shown, teacher
from tests.loopback import serve


def graded(plan, folder, **options):
    with serve(plan) as server, Session(teacher(server), folder / "log") as session:

        async def ask(item, llm):
            if "low" in options:
                return await rate(llm, item, **options)
            return await grade(llm, item, "Forty-two.", **options)

        (said,) = session.map(["What is it?"], ask, str)
        return said, server.answered()


def test_mt_bench_s_grade_goes_from_1_to_10(tmp_path):
    said, (row,) = graded(scoring(lambda body: 7), tmp_path)
    assert (said.score, said.reason, said.scores, said.spread) == (7, "r", (7,), None)
    assert shown(row["sent"]) == {"question": "What is it?", "answer": "Forty-two."}
    text = row["sent"]["messages"][0]["content"]
    assert "from 1 (the least) to 10 (the most)" in text
    assert '{"reason": "...", "score": N}' in text
    schema = row["sent"]["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == schema["required"] == ["reason", "score"]


@pytest.mark.parametrize("said", [0.9, 10.1, "7", True, None, "[7]", "{}", "1e400"])
def test_a_score_off_the_scale_is_asked_for_once_more(tmp_path, said):
    drop, rows = graded(scoring(lambda body: said), tmp_path)
    assert drop.reason == "unparsable"
    assert len(rows) == 2
    both = iter([said, 3])
    found, rows = graded(scoring(lambda body: next(both)), tmp_path)
    assert found.score == 3


def test_samples_are_averaged_and_those_that_fail_left_out(tmp_path):
    def score(body):
        return 2 if body.get("n", 1) == 1 else "no"

    # All three cannot be read; each is asked for once more, alone.
    said, rows = graded(scoring(score), tmp_path, samples=3, temperature=1.0)
    assert (said.score, said.spread, len(rows)) == (2, 0, 4)
    assert [row["sent"].get("n", 1) for row in rows] == [3, 1, 1, 1]
    alone = iter([9, "no", 4])
    said, _ = graded(
        scoring(lambda body: "no" if "n" in body else next(alone)),
        tmp_path,
        samples=3,
        temperature=1.0,
    )
    assert said.scores == (9, 4)
    assert said.score == 6.5
    assert said.spread == pytest.approx(3.5355, abs=1e-4)


def test_the_score_may_come_first(tmp_path):
    said, (row,) = graded(scoring(lambda body: -1), tmp_path, low=-2.5, high=0, score_first=True)
    assert said.score == -1
    text = row["sent"]["messages"][0]["content"]
    assert '{"score": N, "reason": "..."}' in text
    assert "from -2.5 (the least) to 0 (the most)" in text
    assert list(row["sent"]["response_format"]["json_schema"]["schema"]["properties"]) == [
        "score", "reason"]  # fmt: skip


def test_a_reference_is_shown(tmp_path):
    said, (row,) = graded(scoring(lambda body: 7), tmp_path, reference="42 {answer}")
    assert said.score == 7
    assert "<reference>\n42 {answer}\n</reference>" in row["sent"]["messages"][0]["content"]
