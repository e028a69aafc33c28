r"""Finding the answer in a model's reply.

The marked form is a line `Answer: …`; the last one counts. Replies of models that know other
customs are read too, in this order: \boxed{…}, a line `#### …`, and "the answer is …" or
"answer: …" within a line. Every search takes time linear in the reply, whatever it holds.
"""

import re
from collections import deque
from textwrap import dedent

from cogitate.inference.text import valid_unicode

__all__ = ["PROGRAM_KINDS", "extract_answer", "extract_program", "has_answer_line", "last_boxed"]

_DECORATION = r"[ \t>#*_`-]{0,16}"
_NOT_COPIED = r"(?![ \t:*_`\[<(]{0,8}your answer\b)"
"""Small models copy the form that the prompt shows, `Answer: your answer`: that is no answer."""
_ANSWER_LINE = re.compile(
    rf"^{_DECORATION}(?:(?:the|my|your|our)[ ]{{1,4}})?(?:(?:final|correct)[ ]{{1,4}})?answer"
    rf"[ \t*_`]{{0,8}}[:\uff1a]{_NOT_COPIED}([^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
_HASHES = re.compile(r"^[ \t]{0,8}####[ \t]{0,8}([^\n]+)$", re.MULTILINE)
_SENTENCE = re.compile(
    r"\banswer(?:[ \t]{1,4}is[ \t]{0,4}:?|[ \t]{0,4}:)"
    + _NOT_COPIED
    + r"[ \t]{0,4}([^\n]{1,2000})",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_BRACE = re.compile(r"[{}]")
_FENCE = re.compile(r"^```[^\n]*$", re.MULTILINE)
_MAX_ANSWER = 20_000
_MAX_PROGRAM = 100_000
PROGRAM_KINDS = frozenset({"code", "snippet"})
"""Kinds of problems whose answer is a program, in a fenced block."""
_FENCED = re.compile(
    r"^[ \t]{0,8}```[ \t]{0,4}([^\s`]{0,32})[^\n`]{0,80}\n(.*?)(?:^[ \t]{0,8}```[ \t]{0,8}$|\Z)",
    re.MULTILINE | re.DOTALL,
)


def extract_answer(text: str, *, kind: str = "auto") -> str | None:
    r"""Return the answer of a reply, without its decoration, or None if it marks none.

    A line `Answer:` with nothing after it marks the paragraph below it (a grid, a board). At most
    20,000 characters are returned, as valid Unicode. The answer to a problem of a kind that asks
    for a program is the last fenced block of Python (see `extract_program`).

    Example:
        >>> extract_answer("12 + 13 = 25\n**Answer:** 25.")
        '25'
        >>> extract_answer("So it is \\boxed{\\frac{1}{2}}."), extract_answer("I do not know")
        ('\\frac{1}{2}', None)
    """
    if kind in PROGRAM_KINDS:
        return extract_program(text)
    named = _names_answer(text)
    marked = _marked(text) if named else None
    if marked is None:
        marked = last_boxed(text)
    if marked is None and "####" in text and (hashes := _last(_HASHES, text)):
        marked = hashes[1]
    if marked is None and named and (sentence := _last(_SENTENCE, text)):
        marked = _SENTENCE_END.split(sentence[1], maxsplit=1)[0]
    if marked is None:
        return None
    return _clean(valid_unicode(marked[:_MAX_ANSWER])) or None


def extract_program(text: str) -> str | None:
    r"""Return what the last fenced block of Python holds, or None.

    A block without a language counts where none says that it is Python; one that is not closed
    ends with the reply. A program of more than 100,000 characters is none.

    Example:
        >>> extract_program("Add them:\n```python\ndef add(a, b):\n    return a + b\n```")
        'def add(a, b):\n    return a + b'
    """
    if "```" not in text:
        return None
    blocks = [(language.lower(), code) for language, code in _FENCED.findall(text) if code.strip()]
    tagged = [code for language, code in blocks if language in ("python", "python3", "py")]
    found = (tagged or [code for language, code in blocks if not language])[-1:]
    if not found or len(found[0]) > _MAX_PROGRAM:
        return None
    return valid_unicode(dedent(found[0].replace("\0", "")).strip("\n").rstrip())


def has_answer_line(text: str, *, kind: str = "auto") -> bool:
    r"""Tell whether a reply keeps the format: a line `Answer: …` that says something.

    Where the problem asks for a program, a fenced block of it.

    Example:
        >>> has_answer_line("Answer: 4"), has_answer_line("\\boxed{4}"), has_answer_line("Answer:")
        (True, False, False)
    """
    if kind in PROGRAM_KINDS:
        return extract_program(text) is not None
    return _names_answer(text) and _marked(text) is not None


def last_boxed(text: str) -> str | None:
    r"""Return what the last `\boxed{…}` with balanced braces holds, or None.

    Example:
        >>> last_boxed(r"\boxed{1} and \boxed{x^{2}}")
        'x^{2}'
    """
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    start += len("\\boxed{")
    depth = 1
    for brace in _BRACE.finditer(text, start, start + _MAX_ANSWER):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[start : brace.start()]
    return None


def _names_answer(text: str) -> bool:
    """Whether a search for the word can find it: most steps of a solution are without it."""
    return "answer" in text.casefold()


def _marked(text: str) -> str | None:
    match = _last(_ANSWER_LINE, text)
    if match is None:
        return None
    if _clean(match[1]):
        return match[1]
    below = text[match.end() : match.end() + _MAX_ANSWER].lstrip("\n")
    if not below.startswith("```"):
        below = below.partition("\n\n")[0]
    below = _FENCE.sub("", below)
    return below if _clean(below) else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = deque(pattern.finditer(text), maxlen=1)
    return found[0] if found else None


def _clean(text: str) -> str:
    text = text.replace("\0", "").strip()
    for _ in range(4):
        before = text
        text = text.removeprefix("**").removesuffix("**").strip()
        text = text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == "`" else text
        if text.endswith(".") and not text.endswith(".."):
            text = text[:-1].rstrip()
        if text.startswith("$") and text.endswith("$") and text.count("$") in (2, 4):
            text = text.strip("$").strip()
        if text.startswith("\\boxed{") and (inner := last_boxed(text)) is not None:
            text = inner.strip() if text == f"\\boxed{{{inner}}}" else text
        if text == before:
            break
    return text
