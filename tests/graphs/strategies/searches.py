"""Every named strategy with small random parameters, as a command line would name it."""

import random
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlencode

import cogitate as cg
from cogitate.agents.team import VerifyFunction
from cogitate.graphs import methods, strategy_named
from cogitate.inference import Engine

NAMES = list(methods())
PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")
NEEDED = {"compute-optimal": {"plan": str(Path(__file__).with_name("plan.json"))}}
"""What a strategy cannot do without."""
LARGE = 4
"""Numbers above it make a search long; a test draws smaller ones."""


def draw(name: str, chance: random.Random, **fixed: str | float) -> str:
    """Name a strategy with small random parameters: `best-of-n?n=3&weighted=True`.

    Args:
        name: The strategy's name.
        chance: Where parameters come from.
        fixed: Parameters that are not drawn, for a strategy that has them.
    """
    hints, defaults, text = _hints(name), methods()[name].parameters, name
    for _ in range(200):
        values: dict[str, object] = {**NEEDED.get(name, {})}
        for parameter, hint in hints.items():
            if parameter in values:
                continue
            default = defaults[parameter]
            large = isinstance(default, int) and default > LARGE
            if large or chance.random() < 0.7:
                value = _value(hint, chance)
                values |= {} if value is None else {parameter: value}
        values |= {parameter: value for parameter, value in fixed.items() if parameter in hints}
        text = f"{name}?{urlencode(values)}" if values else name
        try:
            strategy_named(text)
        except cg.ConfigError:
            continue
        return text
    raise AssertionError(f"{name} took none of 200 draws for {list(hints)}: the last was {text}")


def small(name: str, **fixed: str | float) -> str:
    """Name a strategy with small parameters, always the same."""
    return draw(name, random.Random(f"small {name}"), **fixed)


def _hints(name: str) -> Mapping[str, object]:
    factory = methods()[name].factory
    hints = get_type_hints(factory)
    return {f.name: hints[f.name] for f in fields(factory)} if is_dataclass(factory) else {}


def _value(hint: object, chance: random.Random) -> object:
    """A value of that type; None where the default is to stay."""
    if get_origin(hint) is Literal:
        return chance.choice(get_args(hint))
    if NoneType in get_args(hint):
        [other] = [arm for arm in get_args(hint) if arm is not NoneType]
        return None if chance.random() < 0.5 else _value(other, chance)
    if hint is bool:
        return chance.random() < 0.5
    if hint is int:
        return chance.choice([1, 2, 2, 3, 3, LARGE])
    if hint is float:
        return chance.choice([0.1, 0.25, 0.5, 0.7, 0.9, 1.0, 2.0])
    return None


def team(*engines: Engine, max_tokens: int = 60, verifier: VerifyFunction | None = None) -> cg.Team:
    """A team with a generator on each engine, at least two, and the other roles on the first."""
    first = engines[0]
    minds = engines if len(engines) > 1 else (first, first)
    generators = [cg.Generator(engine, max_tokens=max_tokens) for engine in minds]
    return cg.Team(
        generators,
        cg.Critic(first, max_tokens=max_tokens),
        verifier or cg.Verifier(first, max_tokens=max_tokens),
        cg.Refiner(first, max_tokens=max_tokens),
    )
