"""Messages to token ids and back, such that text never becomes a control token.

The chat template is rendered to text and encoded with its special tokens. Where a message itself
contains the text of a special token (a model may have written `<|im_end|>`), that text is taken out
before rendering and put back as plain characters: user text is data.
"""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import TemplateError
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from cogitate.errors import ConfigError, EngineRefused
from cogitate.inference.request import Message, Prefix
from cogitate.inference.text import valid_unicode

__all__ = ["Encoder", "Prompt"]

_REMEMBERED = 512
"""Prompts whose ids are kept: a prompt is counted, reserved for and then completed."""


class Prompt(NamedTuple):
    """A prompt as the model sees it."""

    ids: tuple[int, ...]
    prefix: int
    """How many of the ids, at the end, are the beginning of the reply."""
    reasons: bool
    """It ends inside a reasoning block."""


class Encoder:
    """The tokenizer and chat template of a model folder. Safe to use from several threads.

    Args:
        folder: The model folder.
        chat_template: A Jinja template instead of the folder's own.

    Raises:
        ConfigError: No tokenizer that can be used, or no chat template.
    """

    def __init__(self, folder: Path, chat_template: str | None = None) -> None:
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, ImportError) as error:
            raise ConfigError(f"{folder}: no usable tokenizer ({error})") from error
        if chat_template is not None:
            self._tokenizer.chat_template = chat_template
        if not self._tokenizer.is_fast:
            raise ConfigError(f"{folder} has no tokenizer.json: save it with a fast tokenizer")
        if self._tokenizer.chat_template is None:
            raise ConfigError(f"{folder} has no chat template: give chat_template=...")
        self._controls = Tokenizer.from_str(self._tokenizer.backend_tokenizer.to_str())
        self._controls.no_truncation()
        self._controls.no_padding()
        self._plain = Tokenizer.from_str(self._controls.to_str())
        self._plain.encode_special_tokens = True
        added = self._controls.get_added_tokens_decoder()
        self._special = sorted((t.content for t in added.values() if t.special), key=len)[::-1]
        self._known: OrderedDict[tuple[tuple[Message, ...], Prefix | None], Prompt] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def end(self) -> int | None:
        """The tokenizer's end-of-text token."""
        end = self._tokenizer.eos_token_id
        return end if isinstance(end, int) else None

    def prompt(self, messages: tuple[Message, ...], prefix: Prefix | None) -> Prompt:
        """Encode messages, and the beginning of the reply exactly as its ids say.

        Raises:
            EngineRefused: The chat template does not accept these messages.
        """
        key = (messages, prefix)
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = self._encode(messages, prefix)
            with self._lock:
                self._known[key] = known
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return known

    def text(self, text: str) -> tuple[int, ...]:
        """Encode text as data: special tokens in it stay text."""
        return tuple(self._plain.encode(valid_unicode(text), add_special_tokens=False).ids)

    def conversation(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        """Encode a conversation that is over: each turn ended, and no reply begun.

        Raises:
            EngineRefused: The chat template does not accept these messages.
        """
        return tuple(self._render(messages, begins=False)[0])

    def decode(self, ids: Sequence[int], *, after: Sequence[int] = ()) -> str:
        """Decode sampled ids, without special tokens.

        Args:
            ids: The ids.
            after: The ids before them that belong to the same text.
        """
        before = self._controls.decode(list(after), skip_special_tokens=True)
        whole = self._controls.decode([*after, *ids], skip_special_tokens=True)
        if not whole.startswith(before):  # a character that was cut in two
            whole, before = self._controls.decode(list(ids), skip_special_tokens=True), ""
        return valid_unicode(whole[len(before) :])

    def _encode(self, messages: tuple[Message, ...], prefix: Prefix | None) -> Prompt:
        ids, text = self._render(messages, begins=True)
        begun: tuple[int, ...] = ()
        tail = text[-64:]
        if prefix is not None:
            begun = self.text(prefix.text) if prefix.token_ids is None else prefix.token_ids
            tail += prefix.text
        reasons = tail.rfind("<think>") > tail.rfind("</think>")
        return Prompt((*ids, *begun), len(begun), reasons)

    def _render(self, messages: tuple[Message, ...], *, begins: bool) -> tuple[list[int], str]:
        """Return the ids and the text of messages, up to where a reply begins or has ended."""
        contents = [valid_unicode(message.content) for message in messages]
        mark = next(
            mark
            for mark in (f"\ue000{i}\ue001" for i in itertools.count())
            if not any(mark in content for content in contents)
        )
        for number, special in enumerate(self._special):
            contents = [c.replace(special, f"{mark}{number}{mark}") for c in contents]
        text = self._apply(messages, contents, begins)
        ids: list[int] = []
        for i, piece in enumerate(text.split(mark)):
            if i % 2:
                ids += self._plain.encode(self._special[int(piece)], add_special_tokens=False).ids
            else:
                ids += self._controls.encode(piece, add_special_tokens=False).ids
        return ids, text

    def _apply(self, messages: tuple[Message, ...], contents: list[str], begins: bool) -> str:
        turns = [
            {"role": message.role, "content": content}
            for message, content in zip(messages, contents, strict=True)
        ]
        try:
            text = self._tokenizer.apply_chat_template(
                turns, add_generation_prompt=begins, tokenize=False
            )
        except (TemplateError, ValueError, IndexError) as error:
            raise EngineRefused(
                f"the model's chat template refuses these messages ({error}): "
                "it may take no system message, or want user and assistant in turn"
            ) from error
        if not isinstance(text, str):
            raise EngineRefused("the model's chat template gave no text: give a chat_template")
        return text
