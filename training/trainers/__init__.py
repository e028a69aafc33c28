"""How weights change: one module for each kind of training."""

from importlib import import_module
from typing import TYPE_CHECKING

from cogitate.training.trainers.sft import SFTSettings, Trained, train_sft

if TYPE_CHECKING:
    from cogitate.training.trainers.bfpo import BFPOSettings, SafetyPair, train_bfpo
    from cogitate.training.trainers.offline import Fitted
    from cogitate.training.trainers.oreo import OREOSettings, OREOTrained, train_oreo
    from cogitate.training.trainers.policy import (
        Objective,
        PolicyGradientSettings,
        Rollout,
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
    "BFPOSettings",
    "Fitted",
    "OREOSettings",
    "OREOTrained",
    "Objective",
    "PolicyGradientSettings",
    "PolicyGradientTrainer",
    "PolicyTrained",
    "PreferenceGroupSettings",
    "Rollout",
    "Rollouts",
    "SFTSettings",
    "SafetyPair",
    "Schedule",
    "StepMetrics",
    "Trained",
    "train_bfpo",
    "train_oreo",
    "train_preference_groups",
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
            "Rollout",
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
