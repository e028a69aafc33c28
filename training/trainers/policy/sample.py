"""Sampling straight from a policy that is being trained: the plainest rollouts there are.

One padded batch, one token at a time, without a cache: for tests, and for models so small that an
engine would cost more than it saves. Strategies and engines supply rollouts everywhere else.
"""

from collections.abc import Callable, Sequence

import torch

from cogitate.training.objectives import token_log_probs
from cogitate.training.trainers.policy.batch import Inputs
from cogitate.training.trainers.policy.policy import Policy
from cogitate.training.trainers.rollout import Rollout

__all__ = ["sample_rollouts"]


def sample_rollouts(
    policy: Policy,
    prompt_ids: Sequence[int],
    reward: Callable[[tuple[int, ...]], float],
    *,
    n: int,
    max_tokens: int,
    generator: torch.Generator,
    end: int | None = None,
    temperature: float = 1.0,
    group: str = "",
) -> list[Rollout]:
    """Return n rollouts of one prompt.

    Args:
        policy: As it is now.
        prompt_ids: At least one.
        reward: Of a completion's ids, end token included.
        n: How many.
        max_tokens: After which a completion is cut.
        generator: Where chance comes from; on the CPU.
        end: The token that ends a completion; None: all are `max_tokens` long.
        temperature: Of sampling.
        group: Of all of them.
    """
    head = next(p for _, p in policy.named_parameters())
    ids_BL = torch.tensor([list(prompt_ids)] * n)
    log_probs: list[list[float]] = [[] for _ in range(n)]
    done = [False] * n
    with torch.no_grad():
        for _ in range(max_tokens):
            padded_BL = torch.cat([ids_BL, torch.zeros(n, 1, dtype=torch.long)], dim=1)
            inputs = Inputs(
                padded_BL.to(head.device), torch.ones_like(padded_BL).to(head.device), 1
            )
            logits_B1V = policy(inputs).logits_BTV.float().cpu()
            shares_BV = (logits_B1V[:, 0] / temperature).softmax(-1)
            drawn_B1 = torch.multinomial(shares_BV, 1, generator=generator)
            found_B1 = token_log_probs(logits_B1V, drawn_B1, temperature=temperature)
            ids_BL = torch.cat([ids_BL, drawn_B1], dim=1)
            for row in range(n):
                if not done[row]:
                    log_probs[row].append(float(found_B1[row]))
                    done[row] = int(drawn_B1[row]) == end
            if all(done):
                break
    completions = [
        tuple(ids_BL[row, len(prompt_ids) :][: len(log_probs[row])].tolist()) for row in range(n)
    ]
    return [
        Rollout(
            prompt_ids=tuple(prompt_ids),
            completion_ids=ids,
            logprobs=tuple(of_row),
            reward=reward(ids),
            group=group,
            truncated=end is not None and not finished,
        )
        for ids, of_row, finished in zip(completions, log_probs, done, strict=True)
    ]
