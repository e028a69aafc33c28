"""How a team gets better: loops of thinking, harvesting, training and judging."""

from cogitate.training.loops.iterative_report import IterativeRLReport, IterativeRLSettings
from cogitate.training.loops.iterative_rl import IterativeRL
from cogitate.training.loops.judge import Judged, judge
from cogitate.training.loops.malt import MALT, MALTReport, MALTSettings
from cogitate.training.loops.policy_training import Episodes, TrainPolicy, train_policy
from cogitate.training.loops.progress import Progress
from cogitate.training.loops.r1 import R1
from cogitate.training.loops.r1_report import R1Report, R1Settings, R1Step
from cogitate.training.loops.satori import Satori
from cogitate.training.loops.satori_report import SatoriReport, SatoriSettings
from cogitate.training.loops.satori_trainers import SatoriTrainers
from cogitate.training.loops.stages import Stage, StageLog, StageRecord
from cogitate.training.loops.star import STaR, STaRReport, STaRSettings

__all__ = [
    "MALT",
    "R1",
    "Episodes",
    "IterativeRL",
    "IterativeRLReport",
    "IterativeRLSettings",
    "Judged",
    "MALTReport",
    "MALTSettings",
    "Progress",
    "R1Report",
    "R1Settings",
    "R1Step",
    "STaR",
    "STaRReport",
    "STaRSettings",
    "Satori",
    "SatoriReport",
    "SatoriSettings",
    "SatoriTrainers",
    "Stage",
    "StageLog",
    "StageRecord",
    "TrainPolicy",
    "judge",
    "train_policy",
]
