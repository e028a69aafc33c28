"""How they learn: evaluation, harvests, datasets, rewards and trainers."""

from importlib import import_module
from typing import TYPE_CHECKING

from cogitate.training import rewards
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
from cogitate.training.curriculum import Chosen, Curriculum, PassRate, pass_rates
from cogitate.training.dataset import Distinct, SFTRow, distinct, load_rows, save_rows, unseen
from cogitate.training.evaluate import Evaluation, aevaluate, evaluate, summarise, table
from cogitate.training.grading import agrade, grade
from cogitate.training.harvest import CreditKeeper, Harvest, PromptForm, Verified, harvest
from cogitate.training.held_back import held_back
from cogitate.training.intervals import Interval, wilson
from cogitate.training.lineage import Descendant, Lineage, lineage
from cogitate.training.outcome import Outcome
from cogitate.training.paired import Comparison, compare, mcnemar, needed_problems, scores_of
from cogitate.training.passes import (
    Passes,
    Samples,
    maj_at_k,
    pass_at_k,
    passes,
    samples_of_episodes,
    samples_of_graph,
    tally,
)
from cogitate.training.promote import DevRun, Forgetting, Promotion, adev_run, promote
from cogitate.training.roles import RoleReport, role_table, roles
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
from cogitate.training.share import Share, share_of
from cogitate.training.stream import RowFilter, Rows, Verification

if TYPE_CHECKING:
    from cogitate.training.loops import (
        MALT,
        MALTReport,
        MALTSettings,
        Progress,
        STaR,
        STaRReport,
        STaRSettings,
    )
    from cogitate.training.trainers import (
        AdaLoRA,
        CurrentWeights,
        DistillationSettings,
        DPOLoss,
        DPOSettings,
        FullWeights,
        GRPOSettings,
        KTOSettings,
        LoRA,
        Optimisation,
        ORPOSettings,
        OutcomeModelSettings,
        PrefixTuning,
        ProcessModelSettings,
        PromptTuning,
        RankingModelSettings,
        RewardModelSettings,
        Sampled,
        Sampler,
        SFTSettings,
        StrategySampler,
        Trained,
        train_distillation,
        train_dpo,
        train_grpo,
        train_kto,
        train_orpo,
        train_outcome_model,
        train_process_model,
        train_ranking_model,
        train_reward_model,
        train_sft,
    )

__all__ = [
    "MALT",
    "AdaLoRA",
    "Checkpoint",
    "Chosen",
    "Comparison",
    "Credit",
    "CreditKeeper",
    "CreditLog",
    "CreditMethod",
    "Credited",
    "CriticAgreement",
    "CurrentWeights",
    "Curriculum",
    "DPOLoss",
    "DPOSettings",
    "Descendant",
    "DevRun",
    "DistillationSettings",
    "Distinct",
    "Evaluation",
    "Forgetting",
    "FullWeights",
    "GRPOSettings",
    "GroupRelative",
    "Harvest",
    "Interval",
    "KTORow",
    "KTOSettings",
    "LeaveOneOut",
    "Lineage",
    "LoRA",
    "MALTReport",
    "MALTSettings",
    "MonteCarloSteps",
    "ORPOSettings",
    "Optimisation",
    "Outcome",
    "OutcomeModelSettings",
    "PassRate",
    "Passes",
    "PreferenceRow",
    "PrefixTuning",
    "ProcessGroupRelative",
    "ProcessModelSettings",
    "Progress",
    "Promotion",
    "PromptForm",
    "PromptRow",
    "PromptTuning",
    "RankedRow",
    "RankingModelSettings",
    "Reply",
    "RewardModelSettings",
    "RoleReport",
    "Row",
    "RowFilter",
    "Rows",
    "SFTRow",
    "SFTSettings",
    "STaR",
    "STaRReport",
    "STaRSettings",
    "Sampled",
    "Sampler",
    "Samples",
    "Share",
    "Step",
    "StepRow",
    "StrategySampler",
    "Trained",
    "ValueBackup",
    "Verification",
    "Verified",
    "acalibrate",
    "adev_run",
    "aevaluate",
    "agrade",
    "calibrate",
    "compare",
    "distinct",
    "evaluate",
    "grade",
    "harvest",
    "held_back",
    "lineage",
    "load_rows",
    "maj_at_k",
    "mcnemar",
    "needed_problems",
    "pass_at_k",
    "pass_rates",
    "passes",
    "promote",
    "restart_states",
    "rewards",
    "role_table",
    "roles",
    "samples_of_episodes",
    "samples_of_graph",
    "save_rows",
    "scores_of",
    "share_of",
    "summarise",
    "table",
    "tally",
    "train_distillation",
    "train_dpo",
    "train_grpo",
    "train_kto",
    "train_orpo",
    "train_outcome_model",
    "train_process_model",
    "train_ranking_model",
    "train_reward_model",
    "train_sft",
    "unseen",
    "wilson",
]


def __getattr__(name: str) -> object:
    """Import trainers and loops, and what they need, only when they are asked for."""
    if name in __all__:
        loops = import_module("cogitate.training.loops")
        where = loops if name in loops.__all__ else import_module("cogitate.training.trainers")
        return getattr(where, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
