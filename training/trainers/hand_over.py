"""What passes between a sampler and TRL's `GRPOTrainer`: weights one way, rollouts the other.

TRL hands prompts over, and the numbers of starts are all that is needed of them; it takes token ids
back. A reply that failed goes through as a single masked token, since TRL knows no holes.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from cogitate.training.rows import PromptRow
from cogitate.training.trainers.background import Background
from cogitate.training.trainers.earned import as_logged, part_means, refuse_broken, step_means
from cogitate.training.trainers.fit import Run
from cogitate.training.trainers.groups import Advantages, group_advantages
from cogitate.training.trainers.rollout import Rollout
from cogitate.training.trainers.sampling import CurrentWeights, Sampler
from cogitate.training.trainers.weights import save
from cogitate.training.trainers.work import together

if TYPE_CHECKING:
    import torch
    from trl.trainer.grpo_trainer import GRPOTrainer

__all__ = ["Batches"]


class Batches:
    """The rollouts of one training, batch by batch.

    Args:
        starts: Where episodes begin.
        sampler: Who thinks.
        run: The training; what becomes of replies, in all processes, is added to its counts.
        loop: Where the sampler runs.
        end: A token that stands for replies that failed.
        group: Replies to each start.
        level, scale: See `group_advantages`.
        most_faulty: See `refuse_broken`.
    """

    def __init__(
        self,
        starts: Sequence[PromptRow],
        sampler: Sampler,
        run: Run,
        loop: Background,
        *,
        end: int,
        group: int,
        level: Literal["outcome", "process"],
        scale: Literal["std", "none"],
        most_faulty: float,
    ) -> None:
        self._starts = starts
        self._sampler = sampler
        self._run = run
        self._loop = loop
        self._end = end
        self._group = group
        self._level: Literal["outcome", "process"] = level
        self._scale: Literal["std", "none"] = scale
        self._most_faulty = most_faulty
        self._now: Sequence[Rollout] = ()
        self._advantages: Advantages = []
        self._became: Counter[str] = Counter()

    def rollout(self, prompts: Sequence[str], trainer: "GRPOTrainer") -> dict[str, object]:
        """Sample with the policy as it is now: TRL's `rollout_func`.

        Raises:
            EngineError: Not one reply was written.
            DataError: The reward is broken.
        """
        from accelerate.utils import gather_object  # Heavy: it imports torch.

        starts = [self._starts[int(prompt)] for prompt in prompts]
        weights = self._weights(trainer)
        self._now = self._loop.run(self._sampler(starts, weights))
        refuse_broken(self._now, self._most_faulty)
        mine: Counter[str] = Counter()
        self._advantages = []
        for at in range(0, len(starts), self._group):
            group = self._now[at : at + self._group]
            self._advantages += group_advantages(group, mine, level=self._level, scale=self._scale)
        self._became = sum(gather_object([mine]), start=Counter[str]())
        self._run.counts.update(self._became)
        end = self._end
        logprobs = [one.logprobs or [0.0] * max(1, len(one.completion_ids)) for one in self._now]
        known = all(one.logprobs for one in self._now if one.completion_ids)
        return {
            "prompt_ids": [list(one.prompt_ids) or [end] for one in self._now],
            "completion_ids": [list(one.completion_ids) or [end] for one in self._now],
            "logprobs": [list(of) for of in logprobs] if known else None,
            "env_mask": [[1] * len(one.completion_ids) or [0] for one in self._now],
        }

    def rewards(self, device: "torch.device") -> "torch.Tensor":
        """Return the reward of each reply, (B, 1), NaN where it is no finite number."""
        import torch

        found = [one.reward for one in self._now]
        sound = [
            reward if reward is not None and math.isfinite(reward) else math.nan for reward in found
        ]
        return torch.tensor(sound, dtype=torch.float32, device=device)[:, None]

    def advantages(self, completion_ids_BT: "torch.Tensor") -> "torch.Tensor":
        """Return the advantage of each token, (B, T)."""
        import torch

        found_BT = torch.zeros(
            completion_ids_BT.shape, dtype=torch.float32, device=completion_ids_BT.device
        )
        for i, advantages in enumerate(self._advantages):
            found_BT[i, : len(advantages)] = torch.tensor(advantages)
        return found_BT

    def metrics(self) -> dict[str, float]:
        """Return what is logged of this batch: what it earned, by parts, and what was caught."""
        parts = part_means(self._now).items()
        groups = self._became["groups"] or 1
        return {
            **{f"rewards/part/{name}": mean for name, mean in parts},
            **as_logged(step_means(0, self._now)),
            "groups/silent": (self._became["equal"] + self._became["empty"] + self._became["alone"])
            / groups,
        }

    def _weights(self, trainer: "GRPOTrainer") -> CurrentWeights:
        """Write the policy where engines find it."""
        start, adapter = self._run.start, self._run.adapter
        folder = self._run.work.trainer.with_name("policy")
        together()  # nobody reads the last ones any more
        save(trainer, start, adapter, folder)
        together()
        step = trainer.state.global_step
        if adapter.kind == "full":
            return CurrentWeights(f"hf/{folder}", None, step)
        return CurrentWeights(f"hf/{start.folder}", str(folder), step)
