"""What policy-gradient training is made of: rollouts, credit, losses, a policy, its updates."""

from importlib import import_module
from typing import TYPE_CHECKING

from cogitate.training.trainers.policy.settings import (
    PRESETS,
    Objective,
    PolicyGradientSettings,
    Schedule,
    TrustRegion,
)

if TYPE_CHECKING:
    from cogitate.training.trainers.policy.learner import Learner
    from cogitate.training.trainers.policy.metrics import StepMetrics
    from cogitate.training.trainers.policy.model import LanguagePolicy, ValueHead, load_policy
    from cogitate.training.trainers.policy.policy import Policy, Predicted
    from cogitate.training.trainers.policy.rollouts import Rollouts

__all__ = [
    "PRESETS",
    "LanguagePolicy",
    "Learner",
    "Objective",
    "Policy",
    "PolicyGradientSettings",
    "Predicted",
    "Rollouts",
    "Schedule",
    "StepMetrics",
    "TrustRegion",
    "ValueHead",
    "load_policy",
]


def __getattr__(name: str) -> object:
    """Import what stands on torch only when it is asked for: settings are read without it."""
    modules = {
        "learner": ("Learner",),
        "metrics": ("StepMetrics",),
        "model": ("LanguagePolicy", "ValueHead", "load_policy"),
        "policy": ("Policy", "Predicted"),
        "rollouts": ("Rollouts",),
    }
    for module, names in modules.items():
        if name in names:
            return getattr(import_module(f"cogitate.training.trainers.policy.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
