"""The Plackett-Luce loss of a ranking (Plackett 1975; Luce 1959), full or partial.

-sum over ranked items l of [r_l - log sum_{k not better than l} e^{r_k}]: each ranked item is drawn
from all that are left. Items that are not ranked are worse than all that are, in no order among
themselves: they stay in every denominator and are never drawn. Of items of equal rank no order is
known, so none stands in the other's denominator. With two items it is the Bradley-Terry loss.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cogitate.errors import DataError

if TYPE_CHECKING:
    import torch

__all__ = ["plackett_luce"]


def plackett_luce(rewards_K: "torch.Tensor", ranks: Sequence[int | None]) -> "torch.Tensor":
    """Return the loss of one ranking, a scalar.

    Args:
        rewards_K: The reward of each item.
        ranks: 1 is best, equal ranks are a tie, None is unranked and below all that are ranked.

    Raises:
        DataError: Not one rank for each item, or no item is better than another.

    Example:
        >>> import torch
        >>> loss = plackett_luce(torch.tensor([2.0, 0.0, 1.0]), [1, None, 2])
        >>> round(loss.item(), 4)  # log(e^2 + e^0 + e^1) - 2 + log(e^1 + e^0) - 1
        0.7209
    """
    import torch

    if len(ranks) != len(rewards_K):
        raise DataError(f"{len(ranks)} ranks for {len(rewards_K)} items: give one for each")
    if not orders(ranks):
        raise DataError(f"ranks {list(ranks)} put no item above another: leave this ranking out")
    below = max(rank for rank in ranks if rank is not None) + 1
    ranks_K = torch.tensor([below if rank is None else rank for rank in ranks])
    ranked_K = torch.tensor([rank is not None for rank in ranks])
    worse_KK = ranks_K[None, :] > ranks_K[:, None]
    left_KK = worse_KK | torch.eye(len(ranks), dtype=torch.bool)
    scores_KK = rewards_K.expand(len(ranks), -1).masked_fill(
        ~left_KK.to(rewards_K.device), -torch.inf
    )
    terms_K = rewards_K - scores_KK.logsumexp(-1)
    return -terms_K[ranked_K.to(rewards_K.device)].sum()


def orders(ranks: Sequence[int | None]) -> bool:
    """Whether some item is above another."""
    return len(set(ranks)) > 1
