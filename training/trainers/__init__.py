"""How weights change: one module for each kind of training."""

from importlib import import_module
from typing import TYPE_CHECKING

from cogitate.training.trainers.adapters import (
    AdaLoRA,
    FullWeights,
    LoRA,
    PrefixTuning,
    PromptTuning,
)
from cogitate.training.trainers.distillation import DistillationSettings, train_distillation
from cogitate.training.trainers.dpo import DPOLoss, DPOSettings, train_dpo
from cogitate.training.trainers.fit import Trained
from cogitate.training.trainers.grpo import GRPOSettings, train_grpo
from cogitate.training.trainers.kto import KTOSettings, train_kto
from cogitate.training.trainers.optimisation import Optimisation
from cogitate.training.trainers.orpo import ORPOSettings, train_orpo
from cogitate.training.trainers.outcome_model import OutcomeModelSettings, train_outcome_model
from cogitate.training.trainers.ppo import PPOSettings, train_ppo
from cogitate.training.trainers.process_model import ProcessModelSettings, train_process_model
from cogitate.training.trainers.ranking_model import RankingModelSettings, train_ranking_model
from cogitate.training.trainers.reward_model import RewardModelSettings, train_reward_model
from cogitate.training.trainers.rollout import Rollout
from cogitate.training.trainers.sampling import CurrentWeights, Sampler
from cogitate.training.trainers.sft import SFTSettings, train_sft
from cogitate.training.trainers.strategy_sampler import StrategySampler

if TYPE_CHECKING:
    from cogitate.training.trainers.bfpo import BFPOSettings, SafetyPair, train_bfpo
    from cogitate.training.trainers.offline import Fitted
    from cogitate.training.trainers.oreo import OREOSettings, OREOTrained, train_oreo
    from cogitate.training.trainers.policy import (
        Objective,
        PolicyGradientSettings,
        Rollouts,
        Schedule,
        StepMetrics,
    )
    from cogitate.training.trainers.policy_gradient import PolicyGradientTrainer, PolicyTrained
    from cogitate.training.trainers.preference_groups import (
        PreferenceGroupSettings,
        train_preference_groups,
    )

__all__ = [
    "AdaLoRA",
    "BFPOSettings",
    "CurrentWeights",
    "DPOLoss",
    "DPOSettings",
    "DistillationSettings",
    "Fitted",
    "FullWeights",
    "GRPOSettings",
    "KTOSettings",
    "LoRA",
    "OREOSettings",
    "OREOTrained",
    "ORPOSettings",
    "Objective",
    "Optimisation",
    "OutcomeModelSettings",
    "PPOSettings",
    "PolicyGradientSettings",
    "PolicyGradientTrainer",
    "PolicyTrained",
    "PreferenceGroupSettings",
    "PrefixTuning",
    "ProcessModelSettings",
    "PromptTuning",
    "RankingModelSettings",
    "RewardModelSettings",
    "Rollout",
    "Rollouts",
    "SFTSettings",
    "SafetyPair",
    "Sampler",
    "Schedule",
    "StepMetrics",
    "StrategySampler",
    "Trained",
    "train_bfpo",
    "train_distillation",
    "train_dpo",
    "train_grpo",
    "train_kto",
    "train_oreo",
    "train_orpo",
    "train_outcome_model",
    "train_ppo",
    "train_preference_groups",
    "train_process_model",
    "train_ranking_model",
    "train_reward_model",
    "train_sft",
]


def __getattr__(name: str) -> object:
    """Import what stands on torch only when it is asked for."""
    modules = {
        "bfpo": ("BFPOSettings", "SafetyPair", "train_bfpo"),
        "offline": ("Fitted",),
        "oreo": ("OREOSettings", "OREOTrained", "train_oreo"),
        "policy": (
            "Objective",
            "PolicyGradientSettings",
            "Rollouts",
            "Schedule",
            "StepMetrics",
        ),
        "policy_gradient": ("PolicyGradientTrainer", "PolicyTrained"),
        "preference_groups": ("PreferenceGroupSettings", "train_preference_groups"),
    }
    for module, names in modules.items():
        if name in names:
            return getattr(import_module(f"cogitate.training.trainers.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
