"""`cogitate methods`: the ways of thinking and of learning that have a name."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer
from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, reported
from cogitate.cli.methods_page import GROUPS, page
from cogitate.cli.terminal import emit, emit_json
from cogitate.graphs import Method
from cogitate.graphs import methods as strategies
from cogitate.training.methods import Kind, Learning, learnings

__all__ = ["methods"]


class Group(StrEnum):
    """What the command lists, in the order in which it does."""

    STRATEGIES = "strategies"
    TRAINERS = "trainers"
    OBJECTIVES = "objectives"
    ADAPTERS = "adapters"
    REWARDS = "rewards"
    CREDIT = "credit"
    LOOPS = "loops"


One = Annotated[
    Group | None,
    typer.Argument(metavar="[GROUP]", help="Tell all of one group.", show_default=False),
]
Markdown = Annotated[
    bool, typer.Option("--markdown", help="Write all of them as a page of documentation.")
]


@reported
def methods(
    group: One = None,
    markdown: Markdown = False,
    json: options.Json = False,
    seed: options.Seed = 0,
    debug: Debug = False,
) -> None:
    """List what there is: ways to think, trainers, rewards, credit, loops, and when each pays.

    \b
    cogitate methods
    cogitate methods trainers
    cogitate methods --markdown > docs/methods.md
    """
    thinking = [*strategies().values()] if group in (None, Group.STRATEGIES) else []
    learning = [one for one in learnings() if group in (None, Group(one.kind))]
    if json:
        emit_json({"methods": [*map(_strategy, thinking), *map(_learning, learning)]})
    elif markdown:
        emit(page(), end="")
    elif group is None:
        _overview(thinking, learning)
    else:
        for method in thinking:
            _tell_strategy(method)
        for one in learning:
            _tell(
                one.name,
                one.summary,
                python=f"cogitate.training.{one.code}",
                paper=one.paper,
                needs=one.needs,
                costs=one.costs,
                pays=one.pays,
            )


def _overview(thinking: list[Method], learning: list[Learning]) -> None:
    """One line for each; what they need and cost is told of one group at a time."""
    lines = {Group.STRATEGIES: [(one.name, one.summary) for one in thinking]}
    lines |= {
        Group(kind): [(one.name, one.summary) for one in learning if one.kind == kind]
        for kind in Kind
    }
    width = max(len(name) for found in lines.values() for name, _ in found)
    for group, found in lines.items():
        emit(f"{group.capitalize()}, {GROUPS[group]} (cogitate methods {group}):")
        for name, summary in found:
            emit(f"  {name:<{width}}  {summary}")
        emit()


def _tell_strategy(method: Method) -> None:
    parameters = "&".join(
        f"{name}={quote(default) if isinstance(default, str) else default}"
        for name, default in method.parameters.items()
    )
    _tell(
        f"{method.name}{'?' if parameters else ''}{parameters}",
        method.summary,
        paper=method.paper,
        calls=method.calls,
        pays=method.pays,
    )


def _tell(name: str, summary: str, **told: str) -> None:
    emit(f"{name}\n    {summary}")
    for label, text in told.items():
        if text:
            emit(f"    {label}: {text}")
    emit()


def _strategy(method: Method) -> dict[str, JsonValue]:
    plain = (str, int, float, bool, type(None))
    return {
        "group": Group.STRATEGIES,
        "name": method.name,
        "summary": method.summary,
        "parameters": {
            p.name: p.default if isinstance(p.default, plain) else str(p.default)
            for p in method.described
        },
        "meanings": {p.name: p.meaning for p in method.described},
        "paper": method.paper,
        "calls": method.calls,
        "pays": method.pays,
    }


def _learning(one: Learning) -> dict[str, JsonValue]:
    return {
        "group": one.kind,
        "name": one.name,
        "summary": one.summary,
        "python": f"cogitate.training.{one.code}",
        "paper": one.paper,
        "needs": one.needs,
        "costs": one.costs,
        "pays": one.pays,
    }
