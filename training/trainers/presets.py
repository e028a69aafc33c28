"""The objectives that have a name: settings of the policy-gradient trainer, and what they are for.

Each is a change of the defaults of `Objective`. They stand apart from it because nothing here needs
torch, which the trainer does.
"""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["OBJECTIVES", "PRESETS", "Preset"]

_REWARDED = "rollouts with a reward each"
_GROUPS = "rollouts with a reward each, several to one prompt"
_VALUED = "rollouts with a reward each, or one for each step"
_PASSES = "one pass back and forth over each rollout, one update of a batch"
_RATIO = "a pass over each rollout and epoch; the batch may be gone through several times"
_REFERENCE = f"{_RATIO}; the reference's pass as well"
_HEAD = "and a value head"


class Preset(NamedTuple):
    """One objective."""

    settings: Mapping[str, object]
    """What differs from the defaults of `Objective`."""
    summary: str
    paper: str
    needs: str
    costs: str
    pays: str


OBJECTIVES: Mapping[str, Preset] = {
    "reinforce": Preset(
        {"estimator": "moving_average", "loss": "plain", "normalisation": "sum"},
        "The reward, less the mean of earlier ones, times the gradient of the log-probability.",
        "Williams 1992",
        _REWARDED,
        _PASSES,
        "where a prompt has one reply only; the simplest of all, and the noisiest",
    ),
    "rloo": Preset(
        {"estimator": "leave_one_out", "loss": "plain", "normalisation": "sum"},
        "The reward, less the mean of the others in the group.",
        "Ahmadian et al. 2024, arXiv:2402.14740",
        _GROUPS,
        _PASSES,
        "where each batch is used once: an unbiased baseline without a critic",
    ),
    "scst": Preset(
        {"estimator": "greedy", "loss": "plain", "normalisation": "sum"},
        "The reward, less that of the greedy decode.",
        "Rennie et al. 2017, arXiv:1612.00563",
        "rollouts with a reward each, and the reward of the prompt's greedy decode",
        f"{_PASSES}; a greedy decode of each prompt",
        "where what is served later is the greedy decode",
    ),
    "mixer": Preset(
        {"estimator": "batch_mean", "loss": "plain", "normalisation": "sum", "forced": True},
        "Cross-entropy on the given beginning of a reply, REINFORCE on its sampled end.",
        "Ranzato et al. 2016, arXiv:1511.06732",
        "rollouts that go on from a beginning that was given (`Rollout.forced`)",
        _PASSES,
        "where right replies are at hand and the policy cannot yet write a whole one",
    ),
    "mrt": Preset(
        {"estimator": "minimum_risk", "loss": "plain", "normalisation": "sum"},
        "The expected risk over the distinct replies of a group, sharpened by alpha.",
        "Shen et al. 2016, arXiv:1512.02433",
        _GROUPS,
        _PASSES,
        "where rewards are graded finely, as in translation, and the group is a set of candidates",
    ),
    "a2c": Preset(
        {"estimator": "gae", "loss": "plain", "lam": 1.0, "normalisation": "token"},
        "Advantages from a value head, without a ratio.",
        "Mnih et al. 2016, arXiv:1602.01783",
        _VALUED,
        f"{_PASSES}, {_HEAD}",
        "where each batch is used once and there is one reply to a prompt; "
        "without the asynchronous workers of A3C",
    ),
    "ppo": Preset(
        {
            "estimator": "gae", "loss": "clipped", "normalisation": "token", "value_clip": 0.2,
            "whiten": True, "kl_in": "reward",
        },
        "The clipped ratio times advantages from a value head; the KL is part of the reward.",
        "Schulman et al. 2017, arXiv:1707.06347",
        _VALUED,
        f"{_REFERENCE}, {_HEAD}",
        "where one reply to a prompt is all there is, or rewards come step by step",
    ),
    "trpo": Preset(
        {"estimator": "gae", "loss": "ratio", "normalisation": "token", "trust_region": {}},
        "One step to the rim of a trust region, by conjugate gradient and a line search.",
        "Schulman et al. 2015, arXiv:1502.05477",
        _VALUED,
        "for each batch, a pass back and forth twice for each iteration of conjugate gradient, "
        f"and one for each halving, {_HEAD}",
        "with few parameters, as of an adapter, where an update must not go too far",
    ),
    "grpo": Preset(
        {"estimator": "group", "loss": "clipped", "kl_in": "loss"},
        "The clipped ratio times (r - mean) / std of the group, each reply over its own length.",
        "Shao et al. 2024, arXiv:2402.03300",
        _GROUPS,
        _REFERENCE,
        "where replies to one prompt are right and wrong: equal groups teach nothing",
    ),
    "dr_grpo": Preset(
        {
            "estimator": "group", "scale": "none", "loss": "clipped", "normalisation": "constant",
        },
        "GRPO without the division by the deviation and by the length.",
        "Liu et al. 2025, arXiv:2503.20783",
        _GROUPS,
        _RATIO,
        "where wrong replies grow longer under `grpo`",
    ),
    "dapo": Preset(
        {
            "estimator": "group", "loss": "clipped", "clip_high": 0.28, "normalisation": "token",
        },
        "GRPO with a wider clip above and the mean over all tokens, without a reference.",
        "Yu et al. 2025, arXiv:2503.14476",
        _GROUPS,
        _RATIO,
        "for long replies, where the entropy falls too soon",
    ),
    "gspo": Preset(
        {"estimator": "group", "loss": "sequence", "clip_low": 3e-4, "clip_high": 4e-4},
        "GRPO with one ratio for a whole reply.",
        "Zheng et al. 2025, arXiv:2507.18071",
        _GROUPS,
        _RATIO,
        "where ratios of tokens are noisy: mixtures of experts, engines of another precision",
    ),
    "cispo": Preset(
        {
            "estimator": "group", "loss": "cispo", "clip_low": 1.0, "clip_high": 0.28,
            "normalisation": "token",
        },
        "The gradient of every token, weighed by a ratio that is clipped above.",
        "MiniMax 2025, arXiv:2506.13585",
        _GROUPS,
        _RATIO,
        "where rare tokens, which clipping would silence, begin what is to be learned",
    ),
    "process_grpo": Preset(
        {"estimator": "process", "loss": "clipped", "kl_in": "loss"},
        "GRPO with the rewards of all steps of the group normalised together.",
        "Shao et al. 2024, arXiv:2402.03300",
        "rollouts with a reward for each step, several to one prompt",
        _REFERENCE,
        "where a process model or roll-outs rate steps better than chance",
    ),
}  # fmt: skip

PRESETS: Mapping[str, Mapping[str, object]] = {
    name: preset.settings for name, preset in OBJECTIVES.items()
}
"""What each name stands for, over the defaults of `Objective`."""
