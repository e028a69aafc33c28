"""Rewards: what a policy is paid for, one file each, and what stands between them and a trainer."""

from cogitate.training.rewards.format import FormatReward, keeps_format
from cogitate.training.rewards.guard import Guard, Guarded, GuardReport
from cogitate.training.rewards.hacking import (
    HackingReport,
    Sign,
    Slope,
    StepMeans,
    hacking_signs,
    slope_of,
)
from cogitate.training.rewards.judge import Gated, JudgeReward
from cogitate.training.rewards.judge_audit import (
    MASTER_KEYS,
    JudgeAudit,
    KnownReply,
    ajudge_audit,
    judge_audit,
    known_answers,
    known_replies,
)
from cogitate.training.rewards.length import LengthReward, OverlongPenalty
from cogitate.training.rewards.model import ModelReward
from cogitate.training.rewards.outcome import AgreementReward, OutcomeReward, grade_of
from cogitate.training.rewards.reflection import ReflectionReward
from cogitate.training.rewards.report import PartReport, Rewarded, RewardReport, reward_groups
from cogitate.training.rewards.reward import GroupReward, Member, Reward
from cogitate.training.rewards.weighted import Part, Scored, Weighted, satori_sum

__all__ = [
    "MASTER_KEYS",
    "AgreementReward",
    "FormatReward",
    "Gated",
    "GroupReward",
    "Guard",
    "GuardReport",
    "Guarded",
    "HackingReport",
    "JudgeAudit",
    "JudgeReward",
    "KnownReply",
    "LengthReward",
    "Member",
    "ModelReward",
    "OutcomeReward",
    "OverlongPenalty",
    "Part",
    "PartReport",
    "ReflectionReward",
    "Reward",
    "RewardReport",
    "Rewarded",
    "Scored",
    "Sign",
    "Slope",
    "StepMeans",
    "Weighted",
    "ajudge_audit",
    "grade_of",
    "hacking_signs",
    "judge_audit",
    "keeps_format",
    "known_answers",
    "known_replies",
    "reward_groups",
    "satori_sum",
    "slope_of",
]
