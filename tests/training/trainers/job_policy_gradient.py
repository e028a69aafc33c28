"""What `accelerate launch` runs in one or two processes: a few batches of fixed rollouts."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cogitate.training.trainers.policy import (
    Objective,
    PolicyGradientSettings,
    Schedule,
    TrustRegion,
)
from cogitate.training.trainers.policy_gradient import PolicyGradientTrainer
from cogitate.training.trainers.rollout import Rollout

DAMPED = TrustRegion(damping=1.0)


def rollouts(prompts: Sequence[int], step: int) -> list[Rollout]:
    """Of the second prompt one less, so that two processes have unequal shares."""
    return [
        Rollout(
            prompt_ids=(70 + prompt,) * (1 + prompt),
            completion_ids=tuple(60 + (prompt + i + step) % 9 for i in range(1 + sample % 3)),
            reward=float((prompt + sample + step) % 2),
            group=str(prompt),
        )
        for prompt in prompts
        for sample in range(4 - prompt % 2)
    ]


def main(base: str, output: str, preset: str) -> None:
    objective, several = Objective.model_validate(preset), {"epochs": 2, "minibatches": 2}
    if objective.trust_region is not None:
        # Without much damping, conjugate gradient magnifies how sums are rounded.
        objective, several = objective.model_copy(update={"trust_region": DAMPED}), {}
    settings = PolicyGradientSettings(
        objective=objective,
        schedule=Schedule.model_validate(
            {
                "steps": 3,
                "prompts": 2,
                "max_tokens": 4,
                "learning_rate": 1e-3,
                "micro_batch": 2,
                "old": "recomputed",
            }
            | several
        ),
        rank=4,
    )
    PolicyGradientTrainer[int](base, Path(output), settings).train([0, 1], rollouts)


if __name__ == "__main__":
    main(*sys.argv[1:])
