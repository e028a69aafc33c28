"""A model that gets a known share of sums right, and trainers that only say what share that is."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from learner import LESSON, asked

from cogitate.inference import Request, Scripted
from cogitate.training.loops import Episodes
from cogitate.training.rows import Row
from cogitate.training.trainers.fit import OnStep, Trained


class Pupil:
    """Of every four sums, and of every four samples of one, gets as many right as it learned to.

    Later samples are longer.

    Args:
        right: As many, without an adapter.
        fails_at: Which of its calls ends everything, as Ctrl-C does.
    """

    def __init__(self, right: int = 1, *, fails_at: int | None = None) -> None:
        self.calls = 0
        self.right = right
        self.fails_at = fails_at
        self.engine = Scripted(self.reply)

    def reply(self, request: Request) -> str:
        """Answer one sample."""
        self.calls += 1
        if self.calls == self.fails_at:
            raise KeyboardInterrupt
        right = self.right
        if request.adapter is not None:
            right = json.loads((Path(request.adapter) / LESSON).read_text())["right"]
        number = asked(request)
        adds = 1 if (number + request.sample) % 4 < right else 7
        return f"{'so ' * request.sample}it is\nAnswer: {number + adds}"


class Told(NamedTuple):
    """What a trainer was given."""

    output: str
    """Where in the run directory."""
    base: str
    start: str | None
    given: Sequence[Row]
    episodes: Episodes | None = None


class Pipeline:
    """Trainers of every kind: what they train learns what `learns` says of its place.

    Args:
        learns: By folder in the run directory; 4 where it does not say.
        fails_at: Which of their runs ends everything, as Ctrl-C does.
    """

    def __init__(
        self, learns: Mapping[str, int] | None = None, *, fails_at: int | None = None
    ) -> None:
        self.told: list[Told] = []
        self.learns = learns or {}
        self.fails_at = fails_at

    def sft(
        self,
        rows: Sequence[Row],
        base: str,
        output: Path,
        settings: object = None,
        *,
        start: Path | None = None,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Stand for `train_sft`."""
        return self._make(Told(_place(output), base, _maybe(start), rows), output)

    def policy(
        self,
        starts: Sequence[Row],
        episodes: Episodes,
        base: str,
        output: Path,
        settings: object,
        *,
        start: Path | None = None,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Stand for `train_policy`."""
        return self._make(Told(_place(output), base, _maybe(start), starts, episodes), output)

    def reward_model(
        self,
        rows: Sequence[Row],
        base: str,
        output: Path,
        settings: object = None,
        *,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Stand for `train_reward_model`."""
        return self._make(Told(_place(output), base, None, rows), output)

    def _make(self, told: Told, output: Path) -> Trained:
        self.told.append(told)
        if len(self.told) == self.fails_at:
            raise KeyboardInterrupt
        output.mkdir(parents=True, exist_ok=True)
        lesson = {"right": self.learns.get(told.output, 4), "at": told.output}
        (output / LESSON).write_text(json.dumps(lesson))
        return Trained(output, [1.0, 0.5], 2, 0.0, len(told.given), {}, {})


def _place(output: Path) -> str:
    return f"{output.parent.name}/{output.name}"


def _maybe(start: Path | None) -> str | None:
    return None if start is None else _place(start)
