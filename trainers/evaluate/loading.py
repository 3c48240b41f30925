"""What is opened of a local model before its weights: its tokenizer, with a chat template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainers.models import ModelRef, load_tokenizer, need
from trainers.quiet import quiet
from trainers.tokens import set_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["open_tokenizer", "template_of"]


def open_tokenizer(
    ref: ModelRef, template: str = "", fallback: str = ""
) -> PreTrainedTokenizerBase:
    """Loads a model's tokenizer for evaluation, and tries its chat template out.

    Args:
        ref: The model.
        template: A chat template as `trainers.tokens.set_template` takes it.
        fallback: The text of one, for a model that has none if no `template` is given.

    Raises:
        InputError: If it cannot be loaded, or has no chat template.
        MissingExtraError: If transformers is not installed.
    """
    tokenizer = _tokenizer(ref)
    # Too long rows are cut, and told, by us.
    tokenizer.model_max_length = 10**9
    if fallback and not tokenizer.chat_template:
        tokenizer.chat_template = fallback
    set_template(tokenizer, template)
    return tokenizer


def template_of(ref: ModelRef) -> str:
    """Returns the text of a model's chat template; empty if it has none.

    Raises:
        InputError: If its tokenizer cannot be loaded.
        MissingExtraError: If transformers is not installed.
    """
    found = _tokenizer(ref).chat_template
    return found if isinstance(found, str) else ""


def _tokenizer(ref: ModelRef) -> PreTrainedTokenizerBase:
    # Where transformers is missing, `quiet` would say that a training needs it.
    need("transformers", "train", "A tokenizer")
    with quiet():
        return load_tokenizer(ref)
