"""Which trainings there are: a new one is a class of `Told`, and a line here."""

from collections.abc import Mapping

from cogitate.trainings.loops import MALTLoop, SatoriLoop, STaRLoop
from cogitate.trainings.on_rows import DPO, KTO, ORPO, SFT
from cogitate.trainings.reward_models import ProcessModel, RankingModel, RewardModel
from cogitate.trainings.sampled import GRPO, Distillation
from cogitate.trainings.told import Told

__all__ = ["LOOPS", "METHODS", "ON_ROWS", "REWARD_MODELS", "SAMPLED"]

ON_ROWS: tuple[type[Told], ...] = (SFT, DPO, ORPO, KTO)
REWARD_MODELS: tuple[type[Told], ...] = (RewardModel, RankingModel, ProcessModel)
SAMPLED: tuple[type[Told], ...] = (GRPO, Distillation)
LOOPS: tuple[type[Told], ...] = (STaRLoop, MALTLoop, SatoriLoop)

METHODS: Mapping[str, type[Told]] = {
    told.method: told for told in (*ON_ROWS, *REWARD_MODELS, *SAMPLED, *LOOPS)
}
"""By the name that the command line knows."""
