"""An agent: a role, the model that plays it, how it samples, what it is told and how it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from cogitate.agents.parse import Parser, parse_critique, parse_solution, parse_verdict
from cogitate.agents.prompt import Brief, Prompt, Shot, Template
from cogitate.agents.prompts import PROMPTS, SHOTS, in_steps
from cogitate.agents.quote import neutralise
from cogitate.errors import ConfigError, PromptTooLong
from cogitate.inference import Engine, EngineInfo, Message, Request, Sampling
from cogitate.tasks import Example, extract_answer

__all__ = ["Agent", "Critic", "Generator", "Refiner", "Rendered", "Verifier"]

SMALL = 2_000_000_000
"""Models with fewer parameters are shown two worked examples unless told otherwise."""


class Rendered(NamedTuple):
    """A prompt that fits its model."""

    messages: tuple[Message, ...]
    dropped: int
    """Worked examples, earlier passages and lessons that were left out to make it fit."""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One member of a team.

    Args:
        model: A name `provider/model`, or an engine.
        role: What it does in the team; roles beyond the four may be made up.
        name: Unique in its team; the role where none is given.
        base_url: Of an OpenAI-compatible server, for `openai/` models.
        adapter: A PEFT adapter folder that this agent's model wears.
        temperature, top_p, max_tokens, stop: How it samples (see `cogitate.inference.Sampling`).
        prompts: Prompts by operation, before the defaults; text is taken as a `Template`.
        parsers: Parsers by operation, before the defaults.
        shots: Worked examples by operation, before the defaults.
        examples: How many worked examples its prompts show at most. None: two for a model of less
            than two billion parameters, none for larger or unknown ones.
    """

    model: str | Engine = field(kw_only=False)
    role: str = "agent"
    name: str = ""
    base_url: str | None = None
    adapter: str | None = None
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    prompts: Mapping[str, Prompt | str] = field(default_factory=dict)
    parsers: Mapping[str, Parser] = field(default_factory=dict)
    shots: Mapping[str, Sequence[Shot]] = field(default_factory=dict)
    examples: int | None = None

    def __post_init__(self) -> None:
        """Fail on what cannot work before anything runs."""
        if not isinstance(self.model, str | Engine):
            raise ConfigError(
                f"{self.role}: {type(self.model).__name__} is no model: give a name such as "
                "'hf/smollm2-135m', or an engine"
            )
        if self.examples is not None and self.examples < 0:
            raise ConfigError(f"{self.role}: examples={self.examples}: give 0 or more, or None")
        object.__setattr__(self, "name", self.name or self.role)
        object.__setattr__(self, "adapter", None if self.adapter is None else str(self.adapter))
        prompts = {
            operation: Template(prompt) if isinstance(prompt, str) else prompt
            for operation, prompt in self.prompts.items()
        }
        object.__setattr__(self, "_prompts", {**PROMPTS, **prompts})
        object.__setattr__(self, "_shots", {**SHOTS, **self.shots})
        object.__setattr__(self, "_parsers", {**_PARSERS, **self.parsers})
        sampling = Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=self.stop if isinstance(self.stop, str) else tuple(self.stop),
        )
        object.__setattr__(self, "sampling", sampling)

    _prompts: Mapping[str, Prompt] = field(init=False, repr=False, compare=False)
    _shots: Mapping[str, Sequence[Shot]] = field(init=False, repr=False, compare=False)
    _parsers: Mapping[str, Parser] = field(init=False, repr=False, compare=False)
    sampling: Sampling = field(init=False, repr=False, compare=False)

    def parser(self, operation: str, default: Parser = parse_solution) -> Parser:
        """The parser of `operation`, or `default` where the agent has none for it."""
        return self._parsers.get(operation, default)

    def render(
        self,
        operation: str,
        brief: Brief,
        engine: Engine,
        *,
        examples: Sequence[Example] = (),
        default: Prompt | None = None,
        default_shots: Sequence[Shot] = (),
    ) -> Rendered:
        """Return the messages that ask for `operation`, fitted to the model's context.

        Where prompt and completion would not fit the context, worked examples are left out first
        (the last one first), then earlier passages (the oldest first, never the last two), then
        lessons (the first one first).

        Args:
            operation: A name of `cogitate.agents.prompts.PROMPTS`, or one of the agent's own.
            brief: What the agent is told.
            engine: The engine that will be asked; counts tokens where it can.
            examples: Worked examples of the problem's own set, shown instead of the default ones.
            default: The prompt of an operation for which the agent has none.
            default_shots: The worked examples of an operation for which the agent has none.

        Raises:
            PromptTooLong: It does not fit even then.
            ConfigError: The agent has no prompt for this operation.
        """
        prompt = self._prompts.get(operation, default)
        if prompt is None:
            raise ConfigError(
                f"{self.name} has no prompt for {operation!r}: give prompts={{{operation!r}: ...}}"
            )
        worked = self._worked(operation, engine.info, examples, default_shots)
        shots = tuple(shot for shot in worked if shot.brief.problem != brief.problem)
        dropped = 0
        while True:
            messages = tuple(prompt(brief, shots))
            if self._fits(messages, engine):
                return Rendered(messages, dropped)
            if shots:
                shots = shots[:-1]
            elif len(brief.work) > 2:
                brief = replace(brief, work=brief.work[1:])
            elif brief.lessons:
                brief = replace(brief, lessons=brief.lessons[1:])
            else:
                raise PromptTooLong(
                    f"the prompt of {self.name} for {operation!r} and {self.max_tokens} new tokens "
                    f"do not fit the {engine.info.context} tokens of {engine.info.model}: "
                    "lower max_tokens or use a model with a longer context"
                )
            dropped += 1

    def _worked(
        self,
        operation: str,
        info: EngineInfo,
        examples: Sequence[Example],
        default_shots: Sequence[Shot],
    ) -> Sequence[Shot]:
        count = self.examples
        if count is None:
            count = 2 if info.parameters is not None and info.parameters < SMALL else 0
        if count == 0:
            return ()
        if examples and operation in _SOLVING and operation not in self.shots:
            return tuple(_shot(example, operation) for example in examples[:count])
        return self._shots.get(operation, default_shots)[:count]

    def _fits(self, messages: tuple[Message, ...], engine: Engine) -> bool:
        context = engine.info.context
        if context is None:
            return True
        prompt = engine.count(Request(messages=messages, adapter=self.adapter))
        return prompt is None or prompt + min(self.max_tokens, context // 2) <= context


def _shot(example: Example, operation: str) -> Shot:
    response = neutralise(example.response)  # a model may have written it
    if operation == "direct" and (answer := extract_answer(response)) is not None:
        response = f"Answer: {answer}"
    elif operation == "step":
        response = in_steps(response)
    return Shot(Brief(example.prompt), response)


@dataclass(frozen=True, kw_only=True)
class Generator(Agent):
    """Writes solutions."""

    role: str = "generator"


@dataclass(frozen=True, kw_only=True)
class Critic(Agent):
    """Says in words what is wrong with a solution, and accepts or rejects it."""

    role: str = "critic"


@dataclass(frozen=True, kw_only=True)
class Refiner(Agent):
    """Writes a better solution from solutions and critiques."""

    role: str = "refiner"


@dataclass(frozen=True, kw_only=True)
class Verifier(Agent):
    """A model that scores solutions and steps: a judge that is asked, or a reward model.

    A reward model (`hf/` or `vllm/` of an architecture for sequence or token classification) rates:
    a process model each step, an outcome model the reply as far as it goes. Of a finished solution
    the steps are those it was written in, and the rest of its text is split at `separator`.

    Args:
        method: `reward` has a reward model rate; `logprob` compares the probabilities of yes and no
            as the model's reply; `text` reads a line `Score: 0.7`; `auto` is the first of these
            that the engine can do.
        reduce: What a process model says of a finished solution: the score of its last step, the
            lowest one, or the product or the mean of all.
        separator: What ends a step of a finished solution.
    """

    role: str = "verifier"
    method: Literal["auto", "reward", "logprob", "text"] = "auto"
    reduce: Literal["last", "min", "product", "mean"] = "last"
    separator: str = "\n\n"

    def __post_init__(self) -> None:
        """Fail on a way of scoring that there is none of."""
        super().__post_init__()
        if self.method not in ("auto", "reward", "logprob", "text"):
            raise ConfigError(f"method={self.method!r}: give auto, reward, logprob or text")
        if self.reduce not in ("last", "min", "product", "mean"):
            raise ConfigError(f"reduce={self.reduce!r}: give last, min, product or mean")
        if not self.separator:
            raise ConfigError("separator='': give the text that ends a step, such as a blank line")


_SOLVING = frozenset({"direct", "generate", "step"})
"""The operations whose worked examples may come from the problem's own set."""

_PARSERS: Mapping[str, Parser] = {
    "critique": parse_critique,
    "value": parse_verdict,
}
