"""Whether two mathematical answers are the same, by math-verify. Runs in a fork of `sandbox.py`."""

from typing import Any  # Any: sympy objects, which only math-verify looks into

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

_READERS = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())


def warm_up() -> None:
    """Build the parser's tables before the first fork, so that every fork has them."""
    run({"gold": r"\frac{1}{2}", "answer": "$0.5$"})
    run({"gold": r"\left( 3, \frac{\pi}{2} \right)", "answer": r"(3, \pi/2)"})


def run(payload: dict[str, str]) -> bool:
    """Return whether `answer` means the same as `gold`."""
    gold = _read(payload["gold"])
    answer = _read(payload["answer"])
    if not gold or not answer:
        return False
    # The sandbox has its own limit; math-verify's would need signals and can hang.
    return bool(verify(gold, answer, timeout_seconds=0))


def _read(text: str) -> list[Any]:
    # Bare LaTeX is only recognised inside an environment.
    text = text.strip()
    if "\\boxed" not in text and not (text.startswith("$") and text.endswith("$")):
        text = f"${text}$"
    return list(parse(text, _READERS, parsing_timeout=0))
