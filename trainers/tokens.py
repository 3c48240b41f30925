"""Chats as token numbers, with labels on the answers alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datakit.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "IGNORED",
    "Encoded",
    "encode",
    "encode_prompt",
    "set_template",
    "stop_ids",
    "template_names",
]

Message = Mapping[str, str]

# The label that torch's cross entropy leaves out.
IGNORED = -100

_MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class Encoded:
    """A chat in tokens.

    Args:
        input_ids: Token numbers.
        labels: The same numbers where an answer is learnt, -100 elsewhere.
    """

    input_ids: list[int]
    labels: list[int]

    @property
    def answer_tokens(self) -> int:
        """How many tokens are learnt."""
        return sum(label != IGNORED for label in self.labels)

    def cut(self, length: int) -> Encoded:
        """Returns its first `length` tokens."""
        return Encoded(self.input_ids[:length], self.labels[:length])


def template_names() -> list[str]:
    """Returns the names of the chat templates that come with this package."""
    folder = files("trainers").joinpath("templates")
    return sorted(each.name.removesuffix(".jinja") for each in folder.iterdir())


def set_template(tokenizer: PreTrainedTokenizerBase, template: str) -> None:
    """Gives a tokenizer a chat template and tries it out.

    Args:
        tokenizer: Is changed.
        template: Empty keeps the tokenizer's own; else a name of ours or a .jinja file.

    Raises:
        InputError: If there is none, or if answers cannot be told apart from prompts with it.
    """
    if template.endswith((".jinja", ".j2")):
        try:
            tokenizer.chat_template = Path(template).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--template {template}: cannot be read: {error}.") from None
    elif template:
        names = template_names()
        if template not in names:
            hint = (
                did_you_mean(template, names) or f"; there is {', '.join(names)}, or a .jinja file."
            )
            raise InputError(f'--template: there is no "{template}"{hint}')
        own = files("trainers").joinpath("templates", f"{template}.jinja")
        tokenizer.chat_template = own.read_text("utf-8")
    if not tokenizer.chat_template:
        raise InputError(
            "the model has no chat template (it is a base model). Name one: --template chatml."
        )
    _try_out(tokenizer, template or "the model's own template")


def _try_out(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    turns = ({"role": "user", "content": "kq 1"}, {"role": "assistant", "content": "zw 2"})
    more = ({"role": "user", "content": "kq 3"}, {"role": "assistant", "content": "zw 4"})
    for chat in (turns, (*turns, *more)):
        try:
            made = encode(tokenizer, chat)
        except InputError as error:
            raise InputError(f"--template: {name}: {error}") from None
        learnt = tokenizer.decode([each for each in made.labels if each != IGNORED])
        wanted = [turn["content"] for turn in chat if turn["role"] == "assistant"]
        if any(text not in learnt for text in wanted) or "kq" in learnt:
            raise InputError(
                f"--template: {name}: the answers {wanted} should be learnt and nothing of the "
                f"questions, but what is learnt is {learnt!r}."
            )


def stop_ids(tokenizer: PreTrainedTokenizerBase, *configs: Any) -> frozenset[int]:  # noqa: ANN401
    """Returns the tokens that end an answer: the tokenizer's EOS, and those of configs."""
    found = {tokenizer.eos_token_id}
    for config in configs:
        given = getattr(config, "eos_token_id", None)
        found.update(given if isinstance(given, (list, tuple)) else [given])
    return frozenset(each for each in found if each is not None)


def encode(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> Encoded:
    """Renders a chat with the template; labels are set on every assistant turn and its end.

    Where the template marks what is generated (`{% generation %}`), its marks count. Else an answer
    is what a chat has more than the prompt before it: the rendering up to the answer must then be
    the beginning of the whole rendering, which holds for the templates of Llama, Qwen, Phi, SmolLM.

    Raises:
        InputError: If the template does neither.
    """
    chat = [dict(message) for message in messages]
    if _MARKS.search(str(tokenizer.chat_template)):
        made = _apply(
            tokenizer, chat, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        ids, mask = list(made["input_ids"]), made["assistant_masks"]
        return Encoded(ids, _labels(ids, mask))
    text = _apply(tokenizer, chat, tokenize=False)
    spans = [
        _span(tokenizer, chat, at, text)
        for at, message in enumerate(chat)
        if message["role"] == "assistant"
    ]
    made = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = list(made["input_ids"])
    mask = [
        any(start <= a and b <= end and a < b for start, end in spans)
        for a, b in made["offset_mapping"]
    ]
    return Encoded(ids, _labels(ids, mask))


def _labels(ids: Sequence[int], mask: Sequence[Any]) -> list[int]:
    return [each if learnt else IGNORED for each, learnt in zip(ids, mask, strict=True)]


def _span(
    tokenizer: PreTrainedTokenizerBase, chat: list[dict[str, str]], at: int, text: str
) -> tuple[int, int]:
    """Returns where in the rendered text an answer begins and where its turn ends."""
    before = _apply(tokenizer, chat[:at], tokenize=False, add_generation_prompt=True)
    after = _apply(tokenizer, chat[: at + 1], tokenize=False)
    if not text.startswith(before) or not text.startswith(after) or not after.startswith(before):
        raise InputError(
            "the template renders a question otherwise once its answer is there, and has no "
            "{% generation %} marks, so answers cannot be told apart. Put the marks around the "
            "answer and its end token in a copy of it, and name that: --template FILE.jinja."
        )
    return len(before), len(after)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Renders a prompt up to where the model answers."""
    text = _apply(
        tokenizer, [dict(each) for each in messages], tokenize=False, add_generation_prompt=True
    )
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _apply(tokenizer: PreTrainedTokenizerBase, chat: list[dict[str, str]], **options: Any) -> Any:  # noqa: ANN401
    import jinja2

    try:
        return tokenizer.apply_chat_template(chat, **options)
    except jinja2.TemplateError as error:
        raise InputError(f"the chat template cannot render this chat: {error}.") from None
