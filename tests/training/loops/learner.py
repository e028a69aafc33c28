"""A model that knows no sum until it is trained: what it learned stands in its adapter's folder."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, JsonValue

from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem, ProblemSet
from cogitate.training.rows import Row, SFTRow
from cogitate.training.trainers.fit import OnStep, Trained

LESSON = "adapter_config.json"


def sums(name: str, first: int, many: int, *, wrong: int = 0) -> ProblemSet:
    """Sums that are told apart by their text; with `wrong`, references that are off by so much."""
    return ProblemSet(
        name,
        [
            Problem(
                id=f"{name}{i}", prompt=f"What is {i} + 1?", reference=str(i + 1 + wrong),
                kind="numeric",
            )
            for i in range(first, first + many)
        ],
    )  # fmt: skip


def asked(request: Request) -> int:
    """The number that the last question of a prompt is about."""
    text = "\n".join(message.content for message in request.messages)
    return int(re.findall(r"What is (\d+) \+ 1\?", text)[-1])


def lesson(request: Request) -> int | None:
    """What the adapter learned to add; None without one."""
    if request.adapter is None:
        return None
    learned = json.loads((Path(request.adapter) / LESSON).read_text())["adds"]
    assert isinstance(learned, int)
    return learned


class Model:
    """Guesses: of four samples one adds 1, and one 2; of every fourth sum the first one adds 1.

    With an adapter it adds what that learned, always.

    Args:
        fails_at: Which of its calls ends everything, as Ctrl-C does.
        fails_on: Sums that it never gets right by guessing.
    """

    def __init__(
        self, *, fails_at: int | None = None, fails_on: Callable[[int], bool] | None = None
    ) -> None:
        self.calls = 0
        self.fails_at = fails_at
        self.fails_on = fails_on or (lambda _number: False)
        self.engine = Scripted(self.reply)

    def reply(self, request: Request) -> str:
        """Answer one sample."""
        self.calls += 1
        if self.calls == self.fails_at:
            raise KeyboardInterrupt
        number = asked(request)
        adds = lesson(request)
        if adds is None:
            guesses = (3, 1, 2, 5) if number % 4 else (1, 2, 3, 5)
            adds = 9 if self.fails_on(number) else guesses[request.sample % 4]
        return f"{number} and some is it ({request.sample}).\nAnswer: {number + adds}"


class Roles:
    """A generator, a critic and a refiner that do their parts badly, until they wear an adapter.

    Of three drafts the first adds 1, the others 2. Of three critiques the second tells the truth,
    the others the contrary. Of three refinements of what was rejected the first two add 1, the last
    one 2; what was accepted stays as it is. With an adapter the generator and the refiner add what
    that learned, and the critic tells the truth.
    """

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.calls = 0
        self.fails_at = fails_at
        self.engine = Scripted(self.reply)
        self.temperatures: set[float] = set()

    def reply(self, request: Request) -> str:
        """Answer one sample."""
        self.calls += 1
        if self.calls == self.fails_at:
            raise KeyboardInterrupt
        self.temperatures.add(request.sampling.temperature)
        number, learned = asked(request), lesson(request)
        text = "\n".join(message.content for message in request.messages)
        drafted = int(re.findall(r"I add (\d+)", text)[-1]) if "I add" in text else 0
        if request.operation == "critique":
            truth = drafted == 1
            said = truth if learned is not None or request.sample == 1 else not truth
            verdict = "yes" if said else "no"
            return f"Verdict {verdict} ({request.sample}).\nAccept: {verdict}"
        if request.operation == "generate":
            adds = learned or (1, 2, 2)[request.sample % 3]
        elif re.findall(r"Verdict (yes|no)", text)[-1] == "yes":
            adds = drafted
        else:
            adds = learned or (1, 1, 2)[request.sample % 3]
        return f"I add {adds} ({request.sample}).\nAnswer: {number + adds}"


class Trainer:
    """Learns what its rows add most often, or what it is told, and remembers its runs.

    Args:
        learns: What it learns, whatever its rows say.
        fails_at: Which of its runs ends everything, as Ctrl-C does.
    """

    def __init__(self, *, learns: int | None = None, fails_at: int | None = None) -> None:
        self.runs: list[Run] = []
        self.learns = learns
        self.fails_at = fails_at

    def __call__(
        self,
        rows: Sequence[Row],
        base: str,
        output: Path,
        settings: object = None,
        *,
        start: Path | None = None,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Write the adapter."""
        self.runs.append(Run(output.name, len(rows), None if start is None else start.name))
        if len(self.runs) == self.fails_at:
            raise KeyboardInterrupt
        learned = self.learns
        if learned is None:
            adds = [_adds(row) for row in rows]
            learned = max(set(adds), key=adds.count)
        output.mkdir(parents=True, exist_ok=True)
        (output / LESSON).write_text(json.dumps({"adds": learned}))
        (output / "adapter_model.safetensors").write_bytes(f"{learned} {len(rows)}".encode())
        if on_step is not None:
            on_step(1, 1)
        return Trained(output, [1.0, 0.5], 2, 0.0, len(rows), {}, {})


class Run(NamedTuple):
    """One training."""

    output: str
    rows: int
    start: str | None


def timeless(report: BaseModel) -> dict[str, JsonValue]:
    """A report without its seconds."""
    return {
        name: _timeless(value)
        for name, value in report.model_dump(mode="json").items()
        if name != "seconds"
    }


def _timeless(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: _timeless(one) for name, one in value.items() if name != "seconds"}
    return value


def _adds(row: Row) -> int:
    assert isinstance(row, SFTRow)
    [number] = re.findall(r"What is (\d+) \+ 1\?", row.question)
    return int(row.completion.rpartition(" ")[2]) - int(number)
