"""Which trainings there are: a new one is a class of `Told`, and a name in one of these lists."""

from collections.abc import Mapping

from cogitate.trainings.loops import MALTLoop, SatoriLoop, STaRLoop
from cogitate.trainings.offline import BFPO, OREO, PreferenceGroups
from cogitate.trainings.on_rows import DPO, KTO, ORPO, SFT
from cogitate.trainings.policy_gradient import PRESETS, Mixer, PolicyGradient
from cogitate.trainings.policy_loops import IterativeRLLoop, R1Loop
from cogitate.trainings.reward_models import OutcomeModel, ProcessModel, RankingModel, RewardModel
from cogitate.trainings.sampled import GRPO, Distillation
from cogitate.trainings.told import Told

__all__ = ["METHODS", "SORTS"]

SORTS: Mapping[str, tuple[type[Told], ...]] = {
    "on rows": (SFT, DPO, ORPO, KTO, PreferenceGroups, OREO, BFPO),
    "reward models": (RewardModel, RankingModel, OutcomeModel, ProcessModel),
    "sampling": (GRPO, *PRESETS, Mixer, PolicyGradient, Distillation),
    "loops": (STaRLoop, MALTLoop, SatoriLoop, R1Loop, IterativeRLLoop),
}
"""By what they learn from."""

METHODS: Mapping[str, type[Told]] = {told.method: told for sort in SORTS.values() for told in sort}
"""By the name that the command line knows."""
