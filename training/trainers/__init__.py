"""How weights change: one module for each kind of training."""

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
from cogitate.training.trainers.process_model import ProcessModelSettings, train_process_model
from cogitate.training.trainers.ranking_model import RankingModelSettings, train_ranking_model
from cogitate.training.trainers.reward_model import RewardModelSettings, train_reward_model
from cogitate.training.trainers.sampling import CurrentWeights, Sampled, Sampler
from cogitate.training.trainers.sft import SFTSettings, train_sft
from cogitate.training.trainers.strategy_sampler import StrategySampler

__all__ = [
    "AdaLoRA",
    "CurrentWeights",
    "DPOLoss",
    "DPOSettings",
    "DistillationSettings",
    "FullWeights",
    "GRPOSettings",
    "KTOSettings",
    "LoRA",
    "ORPOSettings",
    "Optimisation",
    "OutcomeModelSettings",
    "PrefixTuning",
    "ProcessModelSettings",
    "PromptTuning",
    "RankingModelSettings",
    "RewardModelSettings",
    "SFTSettings",
    "Sampled",
    "Sampler",
    "StrategySampler",
    "Trained",
    "train_distillation",
    "train_dpo",
    "train_grpo",
    "train_kto",
    "train_orpo",
    "train_outcome_model",
    "train_process_model",
    "train_ranking_model",
    "train_reward_model",
    "train_sft",
]
