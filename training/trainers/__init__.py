"""How weights change: one module for each kind of training."""

from cogitate.training.trainers.adapters import (
    AdaLoRA,
    FullWeights,
    LoRA,
    PrefixTuning,
    PromptTuning,
)
from cogitate.training.trainers.dpo import DPOLoss, DPOSettings, train_dpo
from cogitate.training.trainers.fit import Trained
from cogitate.training.trainers.kto import KTOSettings, train_kto
from cogitate.training.trainers.optimisation import Optimisation
from cogitate.training.trainers.orpo import ORPOSettings, train_orpo
from cogitate.training.trainers.sft import SFTSettings, train_sft

__all__ = [
    "AdaLoRA",
    "DPOLoss",
    "DPOSettings",
    "FullWeights",
    "KTOSettings",
    "LoRA",
    "ORPOSettings",
    "Optimisation",
    "PrefixTuning",
    "PromptTuning",
    "SFTSettings",
    "Trained",
    "train_dpo",
    "train_kto",
    "train_orpo",
    "train_sft",
]
