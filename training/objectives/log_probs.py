"""What a policy says of tokens: log-probabilities, entropy, exact distance to another policy.

All are of the distribution that was sampled from: logits are divided by the sampling temperature.
Left out: what top-k, top-p or a grammar took away, so sample without them where exactness counts.
"""

import torch
from torch import Tensor

__all__ = ["exact_kl", "token_entropy", "token_log_probs"]


def token_log_probs(logits_BTV: Tensor, ids_BT: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return the log-probability of each token.

    Args:
        logits_BTV: Those that predict the token of the same place (not of the next).
        ids_BT: The tokens.
        temperature: That of sampling.

    Example:
        >>> token_log_probs(torch.zeros(1, 1, 4), torch.tensor([[2]])).exp().tolist()
        [[0.25]]
    """
    scaled_BTV = _wide(logits_BTV) / temperature
    chosen_BT = scaled_BTV.gather(-1, ids_BT.unsqueeze(-1)).squeeze(-1)
    return chosen_BT - scaled_BTV.logsumexp(-1)


def token_entropy(logits_BTV: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return the entropy of each place (B, T), in nats."""
    log_p_BTV = torch.log_softmax(_wide(logits_BTV) / temperature, dim=-1)
    return -(log_p_BTV.exp() * log_p_BTV).sum(-1)


def exact_kl(logits_BTV: Tensor, other_BTV: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return KL(first || second) of each place (B, T), summed over the whole vocabulary."""
    log_p_BTV = torch.log_softmax(_wide(logits_BTV) / temperature, dim=-1)
    log_q_BTV = torch.log_softmax(_wide(other_BTV) / temperature, dim=-1)
    return (log_p_BTV.exp() * (log_p_BTV - log_q_BTV)).sum(-1)


def _wide(logits: Tensor) -> Tensor:
    """At least 32 bits: a difference of two log-probabilities of 16 bits is noise."""
    return logits if logits.dtype == torch.float64 else logits.float()
