"""Credit: from the grades of a graph to what each of its thoughts contributed."""

from cogitate.training.credit.critic_agreement import CriticAgreement
from cogitate.training.credit.gae import gae
from cogitate.training.credit.group_relative import (
    GroupRelative,
    LeaveOneOut,
    group_relative,
    leave_one_out,
)
from cogitate.training.credit.length import length_reward, overlong_penalty
from cogitate.training.credit.monte_carlo import MonteCarloSteps, roll_out
from cogitate.training.credit.named import credit_named
from cogitate.training.credit.outcomes import outcomes
from cogitate.training.credit.process_group_relative import (
    ProcessGroupRelative,
    process_group_relative,
)
from cogitate.training.credit.record import Credit, Credited, CreditLog, CreditMethod, Origin
from cogitate.training.credit.satori import (
    RestartState,
    reflection_bonus,
    restart_state,
    restart_states,
    satori_reward,
)
from cogitate.training.credit.value_backup import PreferencePair, ValueBackup

__all__ = [
    "Credit",
    "CreditLog",
    "CreditMethod",
    "Credited",
    "CriticAgreement",
    "GroupRelative",
    "LeaveOneOut",
    "MonteCarloSteps",
    "Origin",
    "PreferencePair",
    "ProcessGroupRelative",
    "RestartState",
    "ValueBackup",
    "credit_named",
    "gae",
    "group_relative",
    "leave_one_out",
    "length_reward",
    "outcomes",
    "overlong_penalty",
    "process_group_relative",
    "reflection_bonus",
    "restart_state",
    "restart_states",
    "roll_out",
    "satori_reward",
]
