import pytest

from datakit.errors import InputError
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import Resources, StepError
from datakit.steps.filter.length import Length


@pytest.mark.parametrize(
    ("step", "output", "drop"),
    [
        (Length(), "a", None),
        (Length(), " \n", Drop("too_short", field="output", chars=0, min_chars=1)),
        (Length(min_chars=3), " abc ", None),
        (Length(max_chars=2), "abc", Drop("too_long", field="output", chars=3, max_chars=2)),
        (
            Length(min_chars=3, fields=("instruction",)),
            "abc",
            Drop("too_short", field="instruction", chars=1, min_chars=3),
        ),
    ],
)
def test_length(step, output, drop):
    assert step.check(Record("q", "", output)) == drop


def test_words():
    step = Length(min_words=2, max_words=3)
    found = [step.check(Record("q", output=text)) for text in ("one", "one, two", "a b c d")]
    assert [each and each.detail.get("words") for each in found] == [1, None, 4]


@pytest.fixture
def tokenizer(tmp_path):
    """A tokenizer of whole words that would cut texts and put a mark before them."""
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[UNK]": 0, "[BOS]": 1, "one": 2, "two": 3}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[BOS] $A", special_tokens=[("[BOS]", 1)]
    )
    made.enable_truncation(2)
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_tokens_of_a_tokenizer(tokenizer):
    for place in (tokenizer, tokenizer / "tokenizer.json"):
        step = Length(max_tokens=3, tokenizer=str(place))
        assert step.check(Record("q", output="one two one"), Resources()) is None
        drop = step.check(Record("q", output="one two three \ud800"), Resources())
        assert drop == Drop("too_long", field="output", tokens=4, max_tokens=3)


def test_a_tokenizer_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "tokenizer.json").write_text("{}")
    for name in (str(tmp_path), "nobody/nothing"):
        with pytest.raises(InputError, match="cannot be opened"):
            Length(max_tokens=3, tokenizer=name).check(Record("q", output="x"), Resources())
    with pytest.raises(StepError, match="tokenizer: name one"):
        Length(max_tokens=3)


def test_a_range_that_holds_nothing():
    with pytest.raises(StepError, match=r"min_chars \(5\) is over max_chars \(4\)"):
        Length(min_chars=5, max_chars=4)
    with pytest.raises(StepError, match="min_chars"):
        Length(min_chars=-1)
    with pytest.raises(StepError, match="fields"):
        Length(fields=("meta",))
