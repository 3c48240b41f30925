import pickle

import pytest

from datakit import errors
from datakit.errors import DatakitError, MissingExtraError, RequestError, did_you_mean, visible

ALL = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, DatakitError)
]
CODES = {"InputError": 2, "BudgetError": 3, "ProviderError": 4, "RequestError": 4, "BusyError": 4}


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_exit_codes_and_travel(cls):
    wanted = CODES.get(cls.__name__, 2 if issubclass(cls, errors.InputError) else 1)
    assert cls.exit_code == wanted
    error = cls(["one", "two"])
    assert str(error) == "one\ntwo"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert again.problems == ("one", "two")
    assert cls("one").problems == ("one",)
    assert cls(str(each) for each in (1, 2)).problems == ("1", "2")
    assert cls.__name__ in errors.__all__


def test_what_callers_of_other_libraries_catch():
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(MissingExtraError, ImportError)


def test_missing_extra_says_what_to_type():
    error = MissingExtraError.of("pyarrow", "files", "Reading Parquet")
    assert (
        str(error)
        == "Reading Parquet needs the package 'pyarrow'. Install it: pip install pyarrow; or all "
        "that belongs to it, the extra 'files': pip install 'datakit[files]'"
    )


def test_the_reason_of_a_refusal_travels():
    error = RequestError("no", "content_filter")
    assert error.reason == "content_filter"
    assert pickle.loads(pickle.dumps(error)).reason == "content_filter"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("filter.lenght", '; did you mean "filter.length"?'),
        ("filter.length", '; did you mean "filter.length"?'),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_did_you_mean(word, told):
    assert did_you_mean(word, iter(["filter.length", "dedup.exact"])) == told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 日本 😀\ttab\nline", "plain ünï 日本 😀\ttab\nline"),
        ("\x1b[31m", "<U+001B>[31m"),
        ("a\rb\x00\x7f\x9b", "a<U+000D>b<U+0000><U+007F><U+009B>"),
        ("\u202eevil\u2066\u200b\ufeff\u061c", "<U+202E>evil<U+2066><U+200B><U+FEFF><U+061C>"),
        ("\xad\u3164\uffa0 \u200c\u200d", "<U+00AD><U+3164><U+FFA0> \u200c\u200d"),
        ("\ud800\U000e0041", "<U+D800><U+E0041>"),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown
    assert DatakitError(text).problems == (shown,)
