"""How they learn: evaluation, harvests, datasets and trainers."""

from importlib import import_module
from typing import TYPE_CHECKING

from cogitate.training.calibrate import acalibrate, calibrate
from cogitate.training.checkpoint import Checkpoint
from cogitate.training.credit import (
    Credit,
    Credited,
    CreditLog,
    CreditMethod,
    CriticAgreement,
    GroupRelative,
    LeaveOneOut,
    MonteCarloSteps,
    ProcessGroupRelative,
    ValueBackup,
    restart_states,
)
from cogitate.training.dataset import Distinct, SFTRow, distinct, load_rows, save_rows, unseen
from cogitate.training.evaluate import Evaluation, aevaluate, evaluate, summarise, table
from cogitate.training.harvest import CreditKeeper, Harvest, PromptForm, Verified, harvest
from cogitate.training.held_back import held_back
from cogitate.training.intervals import Interval, wilson
from cogitate.training.outcome import Outcome
from cogitate.training.rows import (
    KTORow,
    PreferenceRow,
    PromptRow,
    RankedRow,
    Reply,
    Row,
    Step,
    StepRow,
)
from cogitate.training.stream import RowFilter, Rows, Verification

if TYPE_CHECKING:
    from cogitate.training.trainers import SFTSettings, Trained, train_sft

__all__ = [
    "Checkpoint",
    "Credit",
    "CreditKeeper",
    "CreditLog",
    "CreditMethod",
    "Credited",
    "CriticAgreement",
    "Distinct",
    "Evaluation",
    "GroupRelative",
    "Harvest",
    "Interval",
    "KTORow",
    "LeaveOneOut",
    "MonteCarloSteps",
    "Outcome",
    "PreferenceRow",
    "ProcessGroupRelative",
    "PromptForm",
    "PromptRow",
    "RankedRow",
    "Reply",
    "Row",
    "RowFilter",
    "Rows",
    "SFTRow",
    "SFTSettings",
    "Step",
    "StepRow",
    "Trained",
    "ValueBackup",
    "Verification",
    "Verified",
    "acalibrate",
    "aevaluate",
    "calibrate",
    "distinct",
    "evaluate",
    "harvest",
    "held_back",
    "load_rows",
    "restart_states",
    "save_rows",
    "summarise",
    "table",
    "train_sft",
    "unseen",
    "wilson",
]


def __getattr__(name: str) -> object:
    """Import the trainers, and what they need, only when they are asked for."""
    if name in ("SFTSettings", "Trained", "train_sft"):
        return getattr(import_module("cogitate.training.trainers"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
