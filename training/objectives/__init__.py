"""Objectives: what is computed from the log-probabilities of tokens, with no model inside.

Each is a pure function on tensors whose names end in their shape: B responses (or pairs of them),
G responses of a group, T tokens, U = T + 1 states, S steps, V vocabulary, N any number, P all
parameters. A mask is true where a token counts; what stands elsewhere has no effect, no gradient.
"""

from cogitate.training.objectives.baselines import (
    MovingAverage,
    batch_mean,
    by_group,
    self_critical,
)
from cogitate.training.objectives.bfpo import bfpo_loss, bfpo_target
from cogitate.training.objectives.kl import k1, k3
from cogitate.training.objectives.log_probs import exact_kl, token_entropy, token_log_probs
from cogitate.training.objectives.minimum_risk import minimum_risk, minimum_risk_advantages
from cogitate.training.objectives.mixer import mixed, sampled_tail
from cogitate.training.objectives.oreo import oreo_policy_loss, oreo_value_loss, step_log_ratios
from cogitate.training.objectives.policy_losses import PolicyLoss, cispo, clipped, plain, sequence
from cogitate.training.objectives.preference_groups import group_margin, mdpo_loss, mipo_loss
from cogitate.training.objectives.token_credit import (
    gae_advantages,
    kl_penalised,
    over_steps,
    place_rewards,
    whiten,
)
from cogitate.training.objectives.token_weights import Normalisation, token_weights
from cogitate.training.objectives.trust_region import (
    LineSearch,
    conjugate_gradient,
    fisher_product,
    line_search,
    natural_step,
)
from cogitate.training.objectives.value_losses import explained_variance, value_loss

__all__ = [
    "LineSearch",
    "MovingAverage",
    "Normalisation",
    "PolicyLoss",
    "batch_mean",
    "bfpo_loss",
    "bfpo_target",
    "by_group",
    "cispo",
    "clipped",
    "conjugate_gradient",
    "exact_kl",
    "explained_variance",
    "fisher_product",
    "gae_advantages",
    "group_margin",
    "k1",
    "k3",
    "kl_penalised",
    "line_search",
    "mdpo_loss",
    "minimum_risk",
    "minimum_risk_advantages",
    "mipo_loss",
    "mixed",
    "natural_step",
    "oreo_policy_loss",
    "oreo_value_loss",
    "over_steps",
    "place_rewards",
    "plain",
    "sampled_tail",
    "self_critical",
    "sequence",
    "step_log_ratios",
    "token_entropy",
    "token_log_probs",
    "token_weights",
    "value_loss",
    "whiten",
]
