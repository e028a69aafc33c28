"""What a batch of replies earned: a broken one ends the training, and the rest is summed up."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from cogitate.errors import DataError, EngineError
from cogitate.training.rewards.guard import Guard
from cogitate.training.rewards.hacking import StepMeans
from cogitate.training.trainers.rollout import Rollout

__all__ = ["as_logged", "from_log", "part_means", "refuse_broken", "step_means"]

_LOGGED = "episodes/"


def refuse_broken(batch: Sequence[Rollout], most_faulty: float) -> None:
    """End a training whose engines or whose reward do not work.

    Args:
        batch: What was sampled, failed replies included.
        most_faulty: The share of rewards of written replies that may be no finite number.

    Raises:
        EngineError: Not one reply was written: there is nothing to go on with.
        DataError: Too many rewards are no finite number: what is left is a biased rest.
    """
    written = [one for one in batch if one.completion_ids]
    errors = Counter(one.error for one in batch if one.error)
    if not written:
        raise EngineError(f"every reply of a batch failed{_most_common(errors)}")
    rewards = [_whole(one) for one in written if one.advantages is None]
    try:
        Guard(most_faulty=most_faulty)([rewards])
    except DataError as error:
        raise DataError(f"{error}{_most_common(errors)}") from None


def step_means(step: float, batch: Sequence[Rollout]) -> StepMeans | None:
    """Return what a step of training came to, for `hacking_signs`.

    Accuracy is what graders say of the team's answers, whatever was paid for.

    Returns:
        None where no reward is a finite number, or no grader could tell.
    """
    rewards = [one.reward for one in batch if one.reward is not None and math.isfinite(one.reward)]
    right = [one.right for one in batch if one.right is not None]
    if not rewards or not right:
        return None
    formed = [one.formed for one in batch if one.formed is not None]
    lengths = [len(one.completion_ids) for one in batch if one.completion_ids]
    return StepMeans(
        step=step,
        reward=math.fsum(rewards) / len(rewards),
        accuracy=sum(right) / len(right),
        length=sum(lengths) / len(lengths),
        format=sum(formed) / len(formed) if formed else None,
    )


def part_means(batch: Iterable[Rollout]) -> dict[str, float]:
    """Return the mean of each part of the rewards, of those rollouts that have it."""
    parts: dict[str, list[float]] = {}
    for one in batch:
        for name, value in one.parts.items():
            if math.isfinite(value):
                parts.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in parts.items()}


def as_logged(means: StepMeans | None) -> dict[str, float]:
    """Name the means of a step for a log."""
    found = {} if means is None else means.model_dump(exclude={"step"}, exclude_none=True)
    return {f"{_LOGGED}{name}": value for name, value in found.items()}


def from_log(entries: Iterable[Mapping[str, object]]) -> tuple[StepMeans, ...]:
    """Return the means of all steps of a log, each of which has its `step`."""
    return tuple(
        StepMeans.model_validate(
            {"step": entry["step"]}
            | {
                name.removeprefix(_LOGGED): value
                for name, value in entry.items()
                if name.startswith(_LOGGED)
            }
        )
        for entry in entries
        if any(name.startswith(_LOGGED) for name in entry)
    )


def _whole(one: Rollout) -> float | None:
    """The reward of the whole; where steps alone have any, that of the last."""
    return one.step_rewards[-1] if one.reward is None and one.step_rewards else one.reward


def _most_common(errors: Counter[str]) -> str:
    return f": {errors.most_common(1)[0][0]}" if errors else ""
