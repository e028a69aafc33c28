"""How a team gets better: loops of thinking, harvesting, training and judging."""

from cogitate.training.loops.judge import Judged, judge
from cogitate.training.loops.malt import MALT, MALTReport, MALTSettings
from cogitate.training.loops.progress import Progress
from cogitate.training.loops.satori import Satori
from cogitate.training.loops.satori_report import SatoriReport, SatoriSettings
from cogitate.training.loops.satori_trainers import SatoriTrainers
from cogitate.training.loops.stages import Stage, StageLog, StageRecord
from cogitate.training.loops.star import STaR, STaRReport, STaRSettings

__all__ = [
    "MALT",
    "Judged",
    "MALTReport",
    "MALTSettings",
    "Progress",
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
    "judge",
]
