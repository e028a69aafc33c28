"""How weights change: one module for each kind of training."""

from cogitate.training.trainers.adapters import (
    AdaLoRA,
    FullWeights,
    LoRA,
    PrefixTuning,
    PromptTuning,
)
from cogitate.training.trainers.fit import Trained
from cogitate.training.trainers.optimisation import Optimisation
from cogitate.training.trainers.sft import SFTSettings, train_sft

__all__ = [
    "AdaLoRA",
    "FullWeights",
    "LoRA",
    "Optimisation",
    "PrefixTuning",
    "PromptTuning",
    "SFTSettings",
    "Trained",
    "train_sft",
]
