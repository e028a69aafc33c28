"""From a model's text to a typed reply. A parser is a function `(str) -> Reply` and never raises.

Every pattern here takes linear time on any text. The last marked line wins, because models repeat
the format they were asked for before they use it.
"""

import math
import re
from collections.abc import Callable

from cogitate.agents.reply import Critique, Reply, Solution, Verdict
from cogitate.tasks.answers import extract_answer

__all__ = [
    "Parser",
    "parse_choice",
    "parse_critique",
    "parse_proposals",
    "parse_solution",
    "parse_verdict",
]

Parser = Callable[[str], Reply]

_MARK = r"^[ \t>*_#`-]{0,8}%s[*_`]{0,3}[ \t]*[:=][ \t*_`]{0,8}"
_ACCEPT = re.compile(
    _MARK % "accept" + r"(yes|no|true|false)\b(?![ \t]{0,4}(?:[|/]|or\b))",
    re.IGNORECASE | re.MULTILINE,
)
_SCORE = re.compile(
    _MARK % "score"
    + r"(\d{1,12}(?:\.\d{0,40})?|\.\d{1,40})[ \t]{0,4}(%|/[ \t]{0,4}(?:100?|5|1)\b)?"
    + r"(?![ \t]{0,4}/|[.,e]?-?\d)",
    re.IGNORECASE | re.MULTILINE,
)
_BULLET = re.compile(r"^[ \t]{0,16}(?:[-*\u2022][ \t]|\(?\d{1,3}[.):][ \t]|#\d{1,3}[.):]?[ \t])")
_MOST_READ = 100_000
"""Characters of a reply in which proposals are looked for."""
_CHOICE = re.compile(_MARK % "choice" + r"#?(\d{1,6})\b", re.IGNORECASE | re.MULTILINE)


def parse_solution(text: str) -> Solution:
    r"""Read the answer that `text` marks.

    Example:
        >>> parse_solution("12 * 13 = 156\nAnswer: 156")
        Solution(answer='156')
    """
    return Solution(extract_answer(text))


def parse_critique(text: str) -> Critique:
    r"""Read the last line `Accept: yes|no`.

    Example:
        >>> parse_critique("The second step is wrong.\nAccept: no").accepts
        False
    """
    found = _last(_ACCEPT, text)
    return Critique(found.group(1).lower() in ("yes", "true") if found else None)


def parse_verdict(text: str) -> Verdict:
    """Read the last line `Score: 0.7`; `70%`, `7/10` and `70/100` are read as well.

    Example:
        >>> parse_verdict("Score: 0.7"), parse_verdict("Score: 7/10"), parse_verdict("Score: 7")
        (Verdict(score=0.7), Verdict(score=0.7), Verdict(score=None))
    """
    found = _last(_SCORE, text)
    if not found:
        return Verdict(None)
    unit = (found.group(2) or "").strip("/ \t")
    score = float(found.group(1)) / (100 if unit == "%" else float(unit or 1))
    return Verdict(score if math.isfinite(score) and score <= 1 else None)


def parse_choice(text: str) -> int | None:
    """Read the last line `Choice: 2`: the number of one of several responses.

    Example:
        >>> parse_choice("Most of them say 4. Choice: 2"), parse_choice("Choice: 2")
        (None, 2)
    """
    found = _last(_CHOICE, text)
    return int(found.group(1)) if found else None


def parse_proposals(text: str, most: int) -> list[str]:
    r"""Read one proposal a line: the first `most` different ones, without bullets and numbers.

    Example:
        >>> parse_proposals("1. 4 + 8 = 12\n2) 6 - 4 = 2\n- 4 + 8 = 12\n\n* 9 - 4 = 5", 8)
        ['4 + 8 = 12', '6 - 4 = 2', '9 - 4 = 5']
    """
    lines = (_BULLET.sub("", line).strip() for line in text[:_MOST_READ].splitlines())
    return list(dict.fromkeys(filter(None, lines)))[:most]


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text):
        found = match
    return found
