"""Attention that reads each key and value once for all the query heads that share it.

With a mask, transformers' own attention first copies keys and values once per query head. In
a decoding step that copy costs far more than the attention itself: with one query for each row the
heads of a group can stand where the queries stand, and nothing needs to be copied.
"""

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

__all__ = ["GROUPED", "register_grouped_attention"]

GROUPED = "cogitate_grouped"
"""The name under which transformers knows this attention."""


def register_grouped_attention() -> None:
    """Make `attn_implementation=GROUPED` known to transformers."""
    AttentionInterface.register(GROUPED, _grouped_attention)


# Shapes: B rows, Q query heads, H key-value heads, G = Q / H, S queries, L keys, D head size.
def _grouped_attention(
    module: torch.nn.Module,
    query_BQSD: torch.Tensor,
    key_BHLD: torch.Tensor,
    value_BHLD: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    position_bias: torch.Tensor | None = None,
    **kwargs: object,
) -> tuple[torch.Tensor, None]:
    rows, heads, queries, size = query_BQSD.shape
    shared = key_BHLD.shape[1]
    plain = attention_mask is not None and position_bias is None
    if plain and queries == 1:
        out = scaled_dot_product_attention(
            query_BQSD.view(rows, shared, heads // shared, size),
            key_BHLD,
            value_BHLD,
            attn_mask=attention_mask,
            scale=scaling,
        )
        return out.reshape(rows, 1, heads, -1), None
    if plain and query_BQSD.device.type == "cpu":
        out = scaled_dot_product_attention(
            query_BQSD,
            key_BHLD,
            value_BHLD,
            attn_mask=attention_mask,
            scale=scaling,
            enable_gqa=True,
        )
        return out.transpose(1, 2).contiguous(), None
    out, _ = sdpa_attention_forward(
        module,
        query_BQSD,
        key_BHLD,
        value_BHLD,
        attention_mask,
        dropout,
        scaling,
        is_causal,
        position_bias,
    )
    return out, None
