"""What policy-gradient training is made of: rollouts, credit, losses, a policy, its updates."""

from cogitate.training.trainers.policy.learner import Learner
from cogitate.training.trainers.policy.metrics import StepMetrics
from cogitate.training.trainers.policy.model import LanguagePolicy, ValueHead, load_policy
from cogitate.training.trainers.policy.policy import Policy, Predicted
from cogitate.training.trainers.policy.rollouts import Rollout, Rollouts
from cogitate.training.trainers.policy.settings import (
    PRESETS,
    Objective,
    PolicyGradientSettings,
    Schedule,
    TrustRegion,
)

__all__ = [
    "PRESETS",
    "LanguagePolicy",
    "Learner",
    "Objective",
    "Policy",
    "PolicyGradientSettings",
    "Predicted",
    "Rollout",
    "Rollouts",
    "Schedule",
    "StepMetrics",
    "TrustRegion",
    "ValueHead",
    "load_policy",
]
