"""Credit methods by name, as the command line has them: `value-backup?threshold=0.5`."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError

from cogitate.errors import ConfigError
from cogitate.training.credit.critic_agreement import CriticAgreement
from cogitate.training.credit.group_relative import GroupRelative, LeaveOneOut
from cogitate.training.credit.monte_carlo import MonteCarloSteps
from cogitate.training.credit.process_group_relative import ProcessGroupRelative
from cogitate.training.credit.record import CreditMethod
from cogitate.training.credit.value_backup import ValueBackup

__all__ = ["CREDIT_METHODS", "credit_named"]

_Named = (
    ValueBackup
    | MonteCarloSteps
    | GroupRelative
    | ProcessGroupRelative
    | LeaveOneOut
    | CriticAgreement
)

CREDIT_METHODS: Mapping[str, type[_Named]] = {
    "value-backup": ValueBackup,
    "monte-carlo-steps": MonteCarloSteps,
    "group-relative": GroupRelative,
    "process-group-relative": ProcessGroupRelative,
    "leave-one-out": LeaveOneOut,
    "critic-agreement": CriticAgreement,
}
"""By the name that their credits carry."""


def credit_named(text: str) -> CreditMethod:
    """Make a credit method from its name and parameters.

    Raises:
        ConfigError: There is no such method or parameter, or a value is of the wrong kind.

    Example:
        >>> credit_named("monte-carlo-steps?k=3&label=soft")
        MonteCarloSteps(k=3, label='soft', rollouts='finish')
    """
    name, _, query = text.partition("?")
    method = CREDIT_METHODS.get(name)
    if method is None:
        close = difflib.get_close_matches(name, CREDIT_METHODS, n=1)
        hint = (
            f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(CREDIT_METHODS)}"
        )
        raise ConfigError(f"there is no credit method {name!r}: {hint}")
    given = dict(parse_qsl(query, keep_blank_values=True))
    known = [field.name for field in fields(method)]
    if unknown := sorted(set(given) - set(known)):
        have = ", ".join(known) or "none"
        raise ConfigError(f"{name} has no parameter {unknown[0]!r}: it has {have}")
    try:
        made: CreditMethod = TypeAdapter(method).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{name}: {where}: {first['msg']}") from None
    return made
