r"""What the server says: plausible replies in the form that the prompt asks for, by chance.

Chains of steps end with the fifth, proposals of a Game of 24 are calculations that leave one number
fewer, a merge of lists loses one, and a critic never accepts, so that each search goes as far as it
may. Nothing here is meant to be right.
"""

import json
import random
import re
from collections.abc import Callable, Iterator

__all__ = ["STEPS", "reply", "say"]

STEPS = 5
"""Steps of every chain."""
_LEFT = re.compile(r"\bleft: ([^)\n]*)")
_NUMBERS = re.compile(r"numbers ([\d ]+) and")
_MANY = re.compile(r"Write (\d+) different")
_LIST = re.compile(r"\[[\d, ]*\]")
_CHANCE = random.Random(0)


def reply(body: bytes) -> bytes:
    """The response to a chat completion request, with a choice for each of its n samples."""
    asked = json.loads(body)
    messages, stops = asked["messages"], asked.get("stop") or []
    begun = messages.pop()["content"] if messages[-1]["role"] == "assistant" else ""
    choices = []
    for i in range(asked.get("n", 1)):
        text, stop = _cut(say(messages[-1]["content"], begun, bool(stops)), stops)
        choices.append(
            {
                "index": i,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
                "stop_reason": stop,
            }
        )
    said = sum(len(choice["message"]["content"].split()) for choice in choices)
    words = sum(len(message["content"].split()) for message in messages)
    usage = {"prompt_tokens": words, "completion_tokens": said}
    return json.dumps({"model": asked["model"], "choices": choices, "usage": usage}).encode()


def _cut(text: str, stops: list[str]) -> tuple[str, str | None]:
    found = [(text.index(stop), stop) for stop in stops if stop in text]
    at, stop = min(found, default=(len(text), None))
    return text[:at], stop


def say(prompt: str, begun: str, stepwise: bool) -> str:
    """One reply, before it is cut at a stop string.

    Args:
        prompt: What was asked last.
        begun: The beginning of the reply that is to be continued.
        stepwise: Whether steps are asked for.
    """
    if begun or stepwise:
        return "".join(_steps(begun))
    if found := _MANY.search(prompt):
        return "\n".join(_moves(prompt, int(found[1])))
    tail = prompt[-400:]
    for mark, say in _FORMS.items():
        if mark in tail:
            return say()
    if lists := _LIST.findall(prompt.partition("in this form")[0]):
        numbers = [number for found in lists for number in json.loads(found)]
        merges = "Merge" in prompt  # and loses a number, so that there is something to mend
        return f"Answer: {sorted(numbers)[1:] if merges else sorted(json.loads(lists[0]))}"
    return f"It comes to {_CHANCE.randrange(10**9)}.\nAnswer: {_CHANCE.randrange(100)}"


_FORMS: dict[str, Callable[[], str]] = {
    "sure, likely": lambda: _CHANCE.choice(["sure", "likely", "impossible"]),
    "impossible": lambda: _CHANCE.choice(["sure", "likely", "impossible"]),
    "Score:": lambda: f"Score: {_CHANCE.random():.3f}",
    "Choice:": lambda: "Choice: 1",
    "Accept:": lambda: f"Step {_CHANCE.randrange(9)} is wrong.\nAccept: no",
}


def _steps(begun: str) -> Iterator[str]:
    for number in range(begun.count("\n\n") + 1, STEPS):
        yield f"Step {number}: this makes {_CHANCE.randrange(10_000)}.\n\n"
    yield f"Answer: {_CHANCE.randrange(100)}"


def _moves(prompt: str, many: int) -> Iterator[str]:
    """Different next calculations of a Game of 24; of the last two numbers, with an answer."""
    left = (
        _LEFT.findall(prompt.rpartition("<partial solution>")[2].partition("form:")[0]) or [""]
    )[-1]
    numbers = left.split() or (_NUMBERS.findall(prompt) or ["1 2 3 4"])[-1].split()
    for _ in range(many):
        a, b, *rest = _CHANCE.sample(numbers, len(numbers))
        value = _CHANCE.randrange(1, 40)
        move = f"{a} + {b} = {value} (left: {' '.join([*rest, str(value)])})"
        yield move if rest else f"{move} Answer: {a} + {b}"
