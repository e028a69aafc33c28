"""Who thinks while a policy is trained: the team of a file, around the policy as it is now."""

from typing import Literal, Self

from pydantic import model_validator

from cogitate.agents import Team
from cogitate.config import AgentConfig, TeamConfig
from cogitate.training.trainers import CurrentWeights

__all__ = ["PolicyTeam", "Role"]

Role = Literal["generator", "critic", "refiner"]


class PolicyTeam(TeamConfig):
    """A team in which whoever names no model is the policy. Prompts show no worked examples."""

    examples: int | None = 0

    @model_validator(mode="after")
    def _the_policy_is_told_elsewhere(self) -> Self:
        told = self.model_fields_set & {"model", "adapter", "temperature"}
        if told:
            raise ValueError(
                f"{sorted(told)[0]} is the policy's: it is `base`, `start`, or the temperature of "
                "the settings; give other agents their own, as in team.critic"
            )
        return self

    def around(self, weights: CurrentWeights, temperature: float) -> Team:
        """Return the team with the policy as it is now."""
        new = {"model": weights.model, "adapter": weights.adapter, "temperature": temperature}
        return self.model_copy(update=new).team()

    def check(self, role: Role) -> None:
        """Refuse a trained role that is not the policy's.

        Raises:
            ValueError: Its agents have a model, an adapter or a temperature of their own.
        """
        agents: tuple[AgentConfig, ...] = getattr(self, role)  # one of `ROLES`
        for name in ("model", "adapter", "temperature"):
            if any(getattr(agent, name) is not None for agent in agents):
                raise ValueError(
                    f"the {role} is trained, so it is the policy: take {name} out of team.{role}, "
                    "or set role to whose words are trained"
                )
