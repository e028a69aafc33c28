"""Settings are refused before anything is loaded, and say what to change."""

import math

import pytest
from pydantic import ValidationError

from cogitate.errors import ConfigError
from cogitate.training.trainers import Objective, PolicyGradientSettings, Rollout, Schedule
from cogitate.training.trainers.policy import PRESETS
from cogitate.training.trainers.policy.rollouts import admit


def test_a_preset_is_a_name_and_may_be_changed() -> None:
    assert Objective.model_validate("dapo").clip_high == 0.28
    changed = Objective.model_validate({"preset": "dapo", "clip_high": 0.4})
    assert (changed.clip_high, changed.normalisation) == (0.4, "token")
    assert PolicyGradientSettings.model_validate({"objective": "ppo"}).objective.has_values


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid_and_survives_a_file(name: str) -> None:
    objective = Objective.model_validate(name)
    assert Objective.model_validate_json(objective.model_dump_json()) == objective


@pytest.mark.parametrize(
    ("objective", "schedule", "message"),
    [
        ("no-such", {}, "give one of reinforce"),
        ({"estimator": "group", "kl_in": "reward"}, {}, 'needs estimator="gae"'),
        ({"trust_region": {}}, {}, 'loss="ratio"'),
        ({"preset": "trpo", "entropy_weight": 0.1}, {}, "leave KL and entropy out"),
        ("mrt", {"epochs": 2}, "minimum risk"),
        ("trpo", {"minibatches": 2}, "one step of a batch"),
        ("rloo", {"epochs": 2}, "no ratio"),
        ("ppo", {"temperature": 0}, "greater than 0"),
        ({"preset": "ppo", "unknown": 1}, {}, "Extra inputs"),
    ],
)
def test_what_does_not_fit_is_refused(
    objective: object, schedule: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        PolicyGradientSettings.model_validate({"objective": objective, "schedule": schedule})


def rollout(**more: object) -> Rollout:
    told = {"prompt_ids": (1,), "completion_ids": (2, 3), "logprobs": (-1.0, -1.0), "reward": 1.0}
    return Rollout.model_validate(told | more)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"logprobs": (-1.0,)}, "one for each"),
        ({"logprobs": (-1.0, math.nan)}, "finite"),
        ({"step_rewards": (1.0,)}, "one step end"),
        ({"step_rewards": (1.0, 1.0), "step_ends": (1, 1)}, "rise"),
        ({"step_rewards": (1.0,), "step_ends": (2,)}, "places"),
        ({"forced": 3}, "beginning"),
    ],
)
def test_a_rollout_that_contradicts_itself_is_refused(
    more: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        rollout(**more)


@pytest.mark.parametrize(
    ("preset", "message"), [("scst", "baseline"), ("process_grpo", "step_rewards")]
)
def test_what_an_estimator_needs_is_asked_for(preset: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        admit([rollout()], Objective.model_validate(preset), Schedule())


def test_a_reward_of_a_step_that_is_no_number_is_counted() -> None:
    steps = {"step_ends": (0, 1), "reward": None}
    rows = [
        rollout(**steps, step_rewards=(1.0, None)),
        rollout(**steps, step_rewards=(1.0, math.nan)),
        rollout(**steps, step_rewards=(1.0, 0.5)),
    ]
    found = admit(rows, Objective.model_validate("process_grpo"), Schedule())
    assert found.refused == {"no reward": 1, "not finite": 1}
    assert [row.total for row in found.rows] == [1.5]


def test_what_is_left_alone_in_its_group_cannot_be_compared() -> None:
    rows = [rollout(group="a"), rollout(group="a", reward=0.0), rollout(group="b")]
    found = admit(rows, Objective.model_validate("rloo"), Schedule())
    assert (len(found.rows), found.refused, found.equal_groups) == (2, {"alone": 1}, 0)


@pytest.mark.parametrize("preset", ["process_grpo", "scst", "ppo"])
def test_a_reply_that_failed_is_left_out_whatever_else_it_lacks(preset: str) -> None:
    failed = Rollout(prompt_ids=(1,), completion_ids=(), group="a")
    found = admit([failed], Objective.model_validate(preset), Schedule())
    assert (found.rows, found.refused) == ([], {"empty": 1})
