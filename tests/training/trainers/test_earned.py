"""What a batch earned: broken engines and rewards end a training, and steps are summed up."""

import math

import pytest

from cogitate.errors import DataError, EngineError
from cogitate.training import Rollout
from cogitate.training.rewards import StepMeans
from cogitate.training.trainers.earned import as_logged, from_log, refuse_broken, step_means


def said(reward: float | None, tokens: int = 2, **more: object) -> Rollout:
    return Rollout(completion_ids=tuple(range(tokens)), reward=reward, **more)  # type: ignore[arg-type]


def test_a_reward_that_is_often_no_number_ends_the_training_and_says_why() -> None:
    batch = [*([said(1.0)] * 8), said(math.nan), said(None, error="judge: TimeoutError: slow")]
    with pytest.raises(DataError, match=r"2 of 10 rewards .*raise most_faulty: judge: Timeout"):
        refuse_broken(batch, 0.1)
    refuse_broken(batch, 0.2)


def test_failed_replies_have_no_reward_to_be_broken() -> None:
    refuse_broken([said(1.0), *([Rollout(error="too long")] * 9)], 0.1)
    with pytest.raises(EngineError, match="every reply of a batch failed: too long"):
        refuse_broken([Rollout(error="too long")], 1.0)


def test_rewards_of_steps_and_advantages_of_ones_own_are_rewards_too() -> None:
    steps = said(None, step_rewards=(None, 1.0), step_ends=(0, 1))
    refuse_broken([steps, said(None, advantages=(1.0, 1.0))], 0.0)
    with pytest.raises(DataError, match="1 of 1 rewards"):
        refuse_broken([said(None, step_rewards=(1.0, None), step_ends=(0, 1))], 0.1)


def test_accuracy_is_what_graders_say_whatever_was_paid_for() -> None:
    batch = [
        said(1.0, 2, right=True, formed=True),
        said(1.0, 4, right=False, formed=True),
        said(0.25, 6, right=False, formed=False),
        said(math.inf, 8, right=False),
        Rollout(),
    ]
    means = StepMeans(step=3, reward=0.75, accuracy=0.25, length=5, format=2 / 3)
    assert step_means(3, batch) == means
    assert step_means(3, [said(1.0)]) is step_means(3, [said(None, right=True)]) is None


def test_a_log_gives_the_means_back() -> None:
    means = [StepMeans(step=i, reward=i, accuracy=0.5, length=3) for i in (1, 3)]
    log = [{"step": one.step, "loss": 0.1, **as_logged(one)} for one in means]
    assert from_log([{"step": 0, "loss": 1.0, **as_logged(None)}, *log]) == tuple(means)
