"""A team: who plays which role. A role may have several agents, each with a name of its own."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeGuard, TypeVar

from cogitate.agents.agent import Agent, Critic, Generator, Refiner, Verifier
from cogitate.errors import ConfigError
from cogitate.inference import Engine
from cogitate.tasks import Grader, Problem

__all__ = ["AnyVerifier", "Team", "VerifyFunction"]

VerifyFunction = Callable[[Problem, str], float | Awaitable[float]]
"""A verifier of one's own: problem and solution text in, a score in [0, 1] out.

Where it raises, the thought keeps the error and no score. A plain function holds up every search
while it runs: make it async where it takes long.
"""

AnyVerifier = Verifier | Grader | VerifyFunction
"""A model, a programmatic grader, or a function of one's own."""

A = TypeVar("A", bound=Agent)


class Team:
    """The agents that think about a problem together.

    Args:
        generator, critic, refiner: One agent, or a list of agents.
        verifier: A `Verifier`, a programmatic grader, a function, or a list of any of them: all
            score, and what counts is the mean (see `Deliberation.verify`). A grader reads the
            reference answer: it makes results an oracle's, and they are labelled so.
        others: Agents of roles beyond the four.

    Raises:
        ConfigError: Two agents or two verifying functions have one name, there are several
            graders, or the team is empty.

    Example:
        >>> from cogitate.inference import Scripted
        >>> team = Team.of(Scripted(["Answer: 4"]), temperature=0.3)
        >>> team.critic.name, team.generator.temperature
        ('critic', 0.3)
    """

    def __init__(
        self,
        generator: Generator | Sequence[Generator] = (),
        critic: Critic | Sequence[Critic] = (),
        verifier: AnyVerifier | Sequence[AnyVerifier] | None = None,
        refiner: Refiner | Sequence[Refiner] = (),
        *,
        others: Sequence[Agent] = (),
    ) -> None:
        self.verifiers = _verifiers(verifier)
        """All who verify, in order."""
        self.grader = next((v for v in self.verifiers if _is_grader(v)), None)
        """The programmatic verifier, where there is one."""
        self.function = next((v for v in self.verifiers if _is_function(v)), None)
        """The verifying function, where there is one; the first of several."""
        self.agents: tuple[Agent, ...] = (
            *_several(generator),
            *_several(critic),
            *(one for one in self.verifiers if isinstance(one, Agent)),
            *_several(refiner),
            *others,
        )
        if not self.agents:
            raise ConfigError("the team is empty: give it at least a generator")
        counts = Counter(agent.name for agent in self.agents)
        if repeated := [name for name, count in counts.items() if count > 1]:
            raise ConfigError(f"several agents are named {repeated[0]!r}: give each its own name=")

    @classmethod
    def of(
        cls,
        model: str | Engine,
        *,
        verifier: AnyVerifier | Sequence[AnyVerifier] | None = None,
        base_url: str | None = None,
        adapter: str | None = None,
        temperature: float = 0.7,
        top_p: float = 1.0,
        max_tokens: int = 512,
        examples: int | None = None,
    ) -> "Team":
        """Return a team whose four roles are all played by `model`.

        Args:
            model: A name `provider/model`, or an engine.
            verifier: Other verifiers than the model itself.
            base_url: Of an OpenAI-compatible server.
            adapter: A PEFT adapter folder that the model wears in every role.
            temperature: How the roles sample, with `top_p` and `max_tokens`.
            top_p: See `cogitate.inference.Sampling`.
            max_tokens: The most tokens of one reply.
            examples: How many worked examples prompts show (see `Agent`).
        """

        def agent(role: type[A]) -> A:
            return role(
                model,
                base_url=base_url,
                adapter=adapter,
                temperature=temperature,
                top_p=top_p,
                max_tokens=max_tokens,
                examples=examples,
            )

        return cls(agent(Generator), agent(Critic), verifier or agent(Verifier), agent(Refiner))

    @property
    def oracle(self) -> bool:
        """Whether the verifier may read the reference answer."""
        return self.grader is not None

    @property
    def generator(self) -> Agent:
        """The first generator."""
        return self.agent("generator")

    @property
    def critic(self) -> Agent:
        """The first critic."""
        return self.agent("critic")

    @property
    def verifier(self) -> Agent:
        """The first verifier that is a model."""
        return self.agent("verifier")

    @property
    def refiner(self) -> Agent:
        """The first refiner."""
        return self.agent("refiner")

    def agent(self, who: str) -> Agent:
        """The agent of that name, or the first of that role.

        Raises:
            ConfigError: There is none.
        """
        for agent in self.agents:
            if agent.name == who:
                return agent
        for agent in self.playing(who):
            return agent
        have = ", ".join(agent.name for agent in self.agents)
        raise ConfigError(f"this strategy needs a {who}, and the team has only {have}: add one")

    def playing(self, role: str) -> Iterator[Agent]:
        """Yield the agents of a role, in order."""
        return (agent for agent in self.agents if agent.role == role)

    def __repr__(self) -> str:
        return f"Team({', '.join(agent.name for agent in self.agents)})"


def _verifiers(given: AnyVerifier | Sequence[AnyVerifier] | None) -> tuple[AnyVerifier, ...]:
    """Those who verify, in order; models without a name are numbered where there are several."""
    if given is None:
        return ()
    several = tuple(given) if isinstance(given, Sequence) else (given,)
    for one in several:
        if not isinstance(one, Agent) and not _is_grader(one) and not _is_function(one):
            raise ConfigError(
                f"verifier={given!r} holds what is no agent: give a Verifier, a grader such as "
                "cogitate.tasks.MathGrader(), a function, or a list of them"
            )
    if sum(map(_is_grader, several)) > 1:
        raise ConfigError("several graders verify: give the one that knows what is right")
    names = Counter(function_name(one) for one in several if _is_function(one))
    if repeated := [name for name, count in names.items() if count > 1]:
        raise ConfigError(f"several verifying functions are named {repeated[0]!r}: rename one")
    models = iter(_several([one for one in several if isinstance(one, Verifier)]))
    return tuple(next(models) if isinstance(one, Verifier) else one for one in several)


def _is_grader(verifier: AnyVerifier) -> TypeGuard[Grader]:
    return not isinstance(verifier, Agent) and isinstance(verifier, Grader)


def _is_function(verifier: AnyVerifier) -> TypeGuard[VerifyFunction]:
    return not isinstance(verifier, Agent | Grader) and callable(verifier)


def function_name(function: VerifyFunction) -> str:
    """The name of a verifying function, or of its type: callable objects have none."""
    return str(getattr(function, "__name__", type(function).__name__))


def _several(agents: A | Sequence[A]) -> Sequence[A]:
    """One agent or several, as several; several of one role that have no name are numbered."""
    if isinstance(agents, Agent):
        return (agents,)
    if wrong := [agent for agent in agents if not isinstance(agent, Agent)]:
        raise ConfigError(
            f"{wrong[0]!r} is no agent: give one such as Generator('hf/smollm2-135m'), or as the "
            "verifier also a grader or a function"
        )
    if len(agents) < 2 or any(agent.name != agent.role for agent in agents):
        return agents
    return [replace(agent, name=f"{agent.role}-{i}") for i, agent in enumerate(agents, start=1)]
