"""ReAct (Yao et al. 2022, arXiv:2210.03629).

The agent writes a thought and an action, `Action: tool[input]`, or ends with `Answer: ...`. The
tool's observation joins the graph as a thought of kind `tool` and is quoted in the next prompt.
What goes wrong is an observation too: a tool that fails, hangs or does not exist, and a reply that
holds neither an action nor an answer.

The first mark in a reply counts, and what a model writes after its action is dropped: an
observation that it made up is shown to nobody. The solution is the whole trajectory, in which an
observation stands on one line, so that no line of it reads as an answer. An agent's own prompt for
`act` or `conclude` has to name the tools itself.

Departures: the paper shows trajectories of the same data set, here a model under two billion
parameters is shown one, and each step is a chat turn of its own. Where the paper gives up after
its steps, or backs off to self-consistency, the agent is asked once for the answer that follows
from what it has.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, NamedTuple

from pydantic import ConfigDict

from cogitate.agents import (
    Brief,
    Calculator,
    Observation,
    Passage,
    Retriever,
    Shot,
    Template,
    Tool,
    use,
)
from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.operation import Operation
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Relation, Thought, ThoughtKind
from cogitate.tasks import has_answer_line

__all__ = ["ReAct"]

_SYSTEM = (
    "You solve problems by thinking and by using tools. Write one thought and then one action, and "
    "stop:\nThought: what to do next\nAction: tool[input]\nYou are then told the observation. When "
    "you know the answer, write instead:\nThought: why\nAnswer: your answer\nThe tools:\n"
)
_STEP = "Problem:\n{problem}\n\n{work}\n\nWrite the next thought, with an action or the answer."
_LAST = (
    "Problem:\n{problem}\n\n{work}\n\nGive the answer that follows from this, on the last line, in "
    "this form:\nAnswer: your answer"
)
_ACTION = re.compile(
    r"^[ \t>*_`]{0,8}Action[ \t]{0,2}\d{0,3}[*_]{0,2}[ \t]{0,2}:[ \t*_`]{0,8}"
    r"([\w-]{1,64})[ \t]{0,2}\[(.*)\][ \t`*.]{0,8}$",
    re.IGNORECASE | re.MULTILINE,
)
_OBSERVATION = "\nObservation"
_NAME = re.compile(r"[\w-]{1,64}")
_BUILT_IN = ("calculator", "retrieve")


class _Turn(NamedTuple):
    """One step, and what was observed after it."""

    step: Thought
    said: str
    """The step without what follows its action."""
    observed: Thought


@strategy(
    "react",
    paper="Yao et al. 2022, arXiv:2210.03629",
    calls="steps + 1 at most",
    pays="where a tool knows what the model does not: exact numbers, facts in documents",
)
@dataclass(frozen=True)
class ReAct:
    """Think, use a tool, read what it says, and so on until there is an answer.

    Args:
        steps: Actions at most.
        tools: Names of built-in tools, `calculator` and `retrieve`, with commas between; from
            Python a list, which may hold tools of one's own.
        documents: What `retrieve` reads (see `Retriever.of`).
        seconds: How long a tool may take.
    """

    steps: int = 6
    tools: str | Sequence[str | Tool] = "calculator"
    documents: str = ""
    seconds: float = 10.0

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    def __post_init__(self) -> None:
        """Refuse values without a meaning, unknown tools and documents that cannot be read."""
        if self.steps < 1 or not self.seconds > 0:
            raise ConfigError(f"{self}: steps is at least 1, and seconds above 0")
        if not self._toolbox:
            raise ConfigError(f"{self}: choose tools from {', '.join(_BUILT_IN)}, or give your own")

    @cached_property
    def _toolbox(self) -> dict[str, Tool]:
        given = self.tools
        named = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
        tools = [
            self._built_in(tool) if isinstance(tool, str) else tool for tool in named if tool != ""
        ]
        box = {tool.name.casefold(): tool for tool in tools}
        if len(box) < len(tools) or not all(_NAME.fullmatch(name) for name in box):
            raise ConfigError(f"ReAct(tools={given!r}): give each tool a name of its own, one word")
        if self.documents and "retrieve" not in box:
            raise ConfigError("ReAct: documents are for the tool retrieve: add it to tools")
        return box

    def _built_in(self, name: str) -> Tool:
        match name:
            case "calculator":
                return Calculator()
            case "retrieve" if self.documents:
                return Retriever.of(self.documents)
            case "retrieve":
                raise ConfigError(
                    "ReAct: retrieve needs documents=PATH (a folder of texts, or a .jsonl file); "
                    "from Python also tools=[Retriever([...])]"
                )
            case _:
                raise ConfigError(f"ReAct: there is no tool {name!r}: use {', '.join(_BUILT_IN)}")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the answer with the whole trajectory."""
        who = d.team.generator
        sampling = replace(who.sampling, stop=(_OBSERVATION, *who.sampling.stop))
        turns: list[_Turn] = []
        for _ in range(self.steps):
            [step] = await d.ask(
                "act",
                [turns[-1].step, turns[-1].observed] if turns else [d.problem],
                work=_history(turns),
                spec=self._operation(_STEP),
                sampling=sampling,
            )
            action = _ACTION.search(step.text)
            before = step.text[: action.start()] if action else step.text
            if has_answer_line(before):
                return _conclusion(d, turns, step, before)
            said = step.text[: action.end()] if action else step.text
            seen = await self._observe(step, action)
            observed = d.derive(
                "observe",
                ThoughtKind.TOOL,
                seen.text,
                [step],
                Relation.CONTINUES,
                error=seen.error,
            )
            turns.append(_Turn(step, said.strip(), observed))
        [last] = await d.ask(
            "conclude",
            [turns[-1].step, turns[-1].observed],
            work=_history(turns),
            spec=self._operation(_LAST),
            sampling=sampling,
        )
        return _conclusion(d, turns, last, last.text)

    async def _observe(self, step: Thought, action: re.Match[str] | None) -> Observation:
        if step.error:
            return Observation("you wrote nothing: try again")
        if action is None:
            return Observation(
                "there is no action and no answer in this: write `Action: tool[input]`, or "
                "`Answer: your answer`"
            )
        name, given = action.groups()
        tool = self._toolbox.get(name.casefold())
        if tool is None:
            known = ", ".join(one.name for one in self._toolbox.values())
            return Observation(f"there is no tool {name}: use {known}", f"no tool {name}")
        return await use(tool, given.strip(), seconds=self.seconds)

    def _operation(self, prompt: str) -> Operation:
        tools = "\n".join(f"{t.name}[input]: {t.description}" for t in self._toolbox.values())
        return Operation(
            "generator",
            ThoughtKind.STEP,
            Relation.CONTINUES,
            prompt=Template(prompt, system=_SYSTEM + tools),
            shots=_SHOTS if prompt == _STEP and "calculator" in self._toolbox else (),
        )


def _history(turns: Sequence[_Turn]) -> list[Passage]:
    return [
        Passage(f"{label} {i}", text)
        for i, turn in enumerate(turns, start=1)
        for label, text in (("step", turn.said), ("observation", turn.observed.text))
        if text
    ]


def _conclusion(d: Deliberation, turns: Sequence[_Turn], last: Thought, said: str) -> Thought:
    """The trajectory as a solution; of one without an answer the last step, and nothing older."""
    if not said.strip():
        return last
    lines = []
    for turn in turns if has_answer_line(said) else ():
        lines += [turn.said, f"Observation: {' '.join(turn.observed.text.split())}"]
    text = "\n".join([*filter(None, lines), said.rstrip()])
    return d.derive("trajectory", ThoughtKind.SOLUTION, text, [last], Relation.CONTINUES)


_BOXES = (
    "A shelf holds 23 boxes of 48 pencils and 17 loose pencils. How many pencils are on the shelf?"
)
_FIRST = (
    "Thought: The boxes hold 23 * 48 pencils, and 17 are loose.\nAction: calculator[23 * 48 + 17]"
)
_SHOTS = (
    Shot(Brief(_BOXES), _FIRST),
    Shot(
        Brief(_BOXES, (Passage("step 1", _FIRST), Passage("observation 1", "1121"))),
        "Thought: 1121 pencils are on the shelf.\nAnswer: 1121",
    ),
)
