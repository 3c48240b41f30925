"""Libraries are quiet while they work, and what the user wants to hear is heard."""

import warnings

import pytest

pytest.importorskip("transformers")
pytest.importorskip("datasets")

from datakit.errors import DatakitWarning
from trainers.quiet import quiet


def test_what_libraries_say_is_kept_away_and_the_rest_is_not():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with quiet():
            # A library puts it down to whoever called it.
            warnings.warn("of a library", FutureWarning, stacklevel=1)
            warnings.warn("ours", DatakitWarning, stacklevel=1)
        warnings.warn("of the user", FutureWarning, stacklevel=1)
    assert [str(each.message) for each in heard] == ["ours", "of the user"]


def test_bars_and_levels_are_as_before_also_after_an_error():
    import transformers

    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with pytest.raises(RuntimeError), quiet():
        assert not logging.is_progress_bar_enabled()
        raise RuntimeError
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
