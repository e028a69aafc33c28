"""How surprised a model is by completions: exp of the mean negative log-probability of a token."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["perplexities"]


def perplexities(
    model: "PreTrainedModel",
    replies: Sequence[tuple[list[int], list[int]]],
    *,
    batch_size: int = 8,
) -> list[float]:
    """Return the perplexity of each completion after its prompt.

    Args:
        model: The policy; its mode is left as it was.
        replies: Prompt ids and completion ids.
        batch_size: Replies of one forward pass.
    """
    import torch

    training, found = model.training, []
    model.train(False)
    with torch.inference_mode():
        for at in range(0, len(replies), batch_size):
            batch = replies[at : at + batch_size]
            longest = max(len(prompt) + len(completion) for prompt, completion in batch)
            ids_BT = torch.zeros((len(batch), longest), dtype=torch.long)
            mask_BT = torch.zeros_like(ids_BT)
            counted_BT = torch.zeros((len(batch), longest), dtype=torch.bool)
            for row, (prompt, completion) in enumerate(batch):
                end = len(prompt) + len(completion)
                ids_BT[row, :end] = torch.tensor([*prompt, *completion])
                mask_BT[row, :end] = 1
                counted_BT[row, len(prompt) : end] = True
            device = model.device
            logits_BTV = model(
                input_ids=ids_BT.to(device), attention_mask=mask_BT.to(device), use_cache=False
            ).logits
            logp_BT = (
                logits_BTV[:, :-1].float().log_softmax(-1).gather(2, ids_BT[:, 1:, None].to(device))
            )[..., 0].cpu()
            counted_BT = counted_BT[:, 1:]
            mean_B = (logp_BT * counted_BT).sum(1) / counted_BT.sum(1)
            found += (-mean_B).exp().tolist()
    model.train(training)
    return found
