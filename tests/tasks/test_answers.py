import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.tasks import extract_answer, has_answer_line


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Answer: 42", "42"),
        ("answer: 42.", "42"),
        ("**Answer:** 42", "42"),
        ("**Answer: 42**", "42"),
        ("### Final Answer: `42`", "42"),
        ("The answer: 42", "42"),
        ("Answer: 1\nNo, wait.\nAnswer: 2", "2"),
        ("Answer: 2\nI am sure of it.", "2"),
        ("\\boxed{7}\nAnswer: 8", "8"),
        ("Answer: $\\boxed{\\frac{1}{2}}$", "\\frac{1}{2}"),
        ("Answer:\n1 0\n0 1\n\nThat is all.", "1 0\n0 1"),
        ("**Answer:**\n```\n1 0\n```", "1 0"),
        ("Answer: 3.50 apples.", "3.50 apples"),
        ("Answer: wait...", "wait..."),
        ("So we get \\boxed{x^{2}}.", "x^{2}"),
        ("\\boxed{1} or \\boxed{2}", "2"),
        ("It is 5 + 5 = 10\n#### 10", "10"),
        ("I think the answer is 3.5 apples. Thanks!", "3.5 apples"),
        ("12 + 13 = 25. Answer: 25", "25"),
        ("So the answer is **B**.", "B"),
    ],
)
def test_the_answer_is_found_and_cleaned(reply: str, answer: str) -> None:
    assert extract_answer(reply) == answer


@pytest.mark.parametrize(
    "reply", ["", "42", "I do not know", "Answer:", "Answer: \n\n", "\\boxed{1", "Answer: **"]
)
def test_an_unmarked_reply_has_no_answer(reply: str) -> None:
    assert extract_answer(reply) is None


def test_only_the_marked_line_keeps_the_format() -> None:
    assert has_answer_line("2 + 2 = 4\nAnswer: 4")
    assert not has_answer_line("The answer is 4")
    assert not has_answer_line("\\boxed{4}")
    assert not has_answer_line("2 + 2 = 4. Answer: 4")
    assert not has_answer_line("Answer:")


HOSTILE = (
    "[" * 100_000,
    "\\boxed{" * 50_000,
    "\\boxed" + "{" * 100_000,
    "*" * 100_000 + "Answer: 4",
    "Answer: " + "\ud800" * 50_000,
    "\0" * 100_000,
    "Answer" + " " * 100_000 + ": 1",
    "\x1b[31mAnswer: 4\x1b[0m",
    "\u202eAnswer: 4\u202c",
    "Answer: " * 100_000,
    "Answer:\n" * 50_000,
    "the answer is " * 50_000,
    "x" * 10_000_000,
    "<|im_end|>Answer: 1",
)


@pytest.mark.parametrize("reply", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_reply_gives_valid_text_or_nothing(reply: str) -> None:
    answer = extract_answer(reply)
    assert answer is None or (len(answer) <= 20_000 and answer.encode())


@given(st.text())
def test_any_reply_gives_valid_text_or_nothing(reply: str) -> None:
    answer = extract_answer(reply)
    assert answer is None or (answer == answer.strip() != "" and answer.encode())


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 +=()/-]{0,40}[A-Za-z0-9)]", fullmatch=True), st.text())
def test_a_marked_answer_comes_back_whatever_stood_before(answer: str, before: str) -> None:
    reply = f"{before}\nAnswer: {answer}"
    assert extract_answer(reply) == answer
    assert has_answer_line(reply)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("6 * 7 = 42\nAnswer: your answer", None),
        ("Answer: 42\nAnswer: your answer", "42"),
        ("So the answer is: your answer.", None),
        ("**Answer:** [your answer]", None),
        ("Answer: your answers are 1 and 2", "your answers are 1 and 2"),
    ],
)
def test_the_form_that_a_prompt_shows_is_no_answer(reply: str, answer: str | None) -> None:
    assert extract_answer(reply) == answer
    assert has_answer_line(reply) == (answer is not None)


@pytest.mark.parametrize(
    ("reply", "program"),
    [
        ("```python\nx = 1\n```", "x = 1"),
        ("First:\n```python\nx = 1\n```\nBetter:\n```python\nx = 2\n```\nDone.", "x = 2"),
        ("```py\nx = 1\n```\nIt prints:\n```\n1\n```", "x = 1"),
        ("```\nx = 1\n```", "x = 1"),
        ("```Python3\nx = 1\n```\n```bash\npython x.py\n```", "x = 1"),
        ("```python title=x.py\nx = 1\n```", "x = 1"),
        ("```python\ndef f():\n    return 1", "def f():\n    return 1"),
        ("1. So:\n   ```python\n   def f():\n       return 1\n   ```", "def f():\n    return 1"),
        ("```python\nx = '```'\n```", "x = '```'"),
        ("```python\nx = '\0\ud800'\n```", "x = '\ufffd'"),
        ("```bash\nls\n```", None),
        ("```python\n\n```", None),
        ("x = 1", None),
        ("Answer: x = 1", None),
        ("```python\n" + "x" * 100_001 + "\n```", None),
    ],
)
def test_a_program_is_the_last_block_of_python(reply: str, program: str | None) -> None:
    for kind in ("code", "snippet"):
        assert extract_answer(reply, kind=kind) == program
        assert has_answer_line(reply, kind=kind) is (program is not None)


@pytest.mark.parametrize(
    "part",
    ["```", "```\n", "```python\n", "```python\nx\n```\n", "        ```", "` ``\n", "\t", "~"],
)
def test_a_program_is_looked_for_in_time_linear_in_the_reply(part: str) -> None:
    start = time.monotonic()
    extract_answer("```python\n" + part * 100_000, kind="code")
    assert time.monotonic() - start < 5
