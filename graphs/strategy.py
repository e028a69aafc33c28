"""What a strategy is, and how one gets a name for the command line."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Protocol, TypeVar
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.parameter import Parameter, parameters_of
from cogitate.graphs.thought import Thought

__all__ = ["Method", "Strategy", "methods", "name_of", "strategy", "strategy_named"]


class Strategy(Protocol):
    """A way of thinking: any async callable from a deliberation to its best thought.

    It needs no base class and no registration. Where it runs out of budget, `BudgetExhausted`
    passes through it, and the best thought so far becomes the result.
    """

    async def __call__(self, d: Deliberation, /) -> Thought | None:
        """Think about `d.problem` and return the best thought, or None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Method:
    """What is known of a named strategy."""

    name: str
    factory: type[Strategy]
    paper: str
    calls: str
    """Model calls for one problem, as a formula of its parameters."""
    pays: str
    """When it is worth its calls."""

    @property
    def summary(self) -> str:
        """The first line of the strategy's documentation."""
        return (self.factory.__doc__ or "").strip().partition("\n")[0]

    @property
    def described(self) -> tuple[Parameter, ...]:
        """Parameters with their types, defaults and meanings, read from the strategy's code."""
        return parameters_of(self.factory)

    @property
    def parameters(self) -> Mapping[str, object]:
        """Parameters and their defaults."""
        return (
            {f.name: f.default for f in fields(self.factory)} if is_dataclass(self.factory) else {}
        )


_METHODS: dict[str, Method] = {}
S = TypeVar("S", bound=type[Strategy])


def strategy(name: str, *, paper: str = "", calls: str = "", pays: str = "") -> Callable[[S], S]:
    """Give a strategy, a frozen dataclass, a name for the command line.

    Raises:
        ConfigError: The name is taken.
    """

    def register(factory: S) -> S:
        if name in _METHODS:
            raise ConfigError(f"there is a strategy {name!r} already: choose another name")
        _METHODS[name] = Method(name, factory, paper, calls, pays)
        return factory

    return register


def methods() -> Mapping[str, Method]:
    """All named strategies, by name."""
    return dict(sorted(_METHODS.items()))


def strategy_named(text: str) -> Strategy:
    """Make a strategy from its name and parameters: `self-refine?rounds=2`.

    Raises:
        ConfigError: There is no such strategy or parameter, or a value is of the wrong kind.
    """
    name, _, query = text.partition("?")
    method = _METHODS.get(name)
    if method is None:
        close = difflib.get_close_matches(name, _METHODS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(methods())}"
        raise ConfigError(f"there is no strategy {name!r}: {hint}")
    given = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(set(given) - set(method.parameters)):
        have = ", ".join(method.parameters) or "none"
        raise ConfigError(f"{name} has no parameter {unknown[0]!r}: it has {have}")
    try:
        made: Strategy = TypeAdapter(method.factory).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{name}: {where}: {first['msg']}, got {first['input']!r}") from None
    return made


def name_of(strategy: Strategy) -> str:
    """Return the name that `strategy_named` reads, or the class's own where it has none.

    Example:
        >>> from cogitate.graphs import SelfConsistency
        >>> name_of(SelfConsistency(n=4)), name_of(SelfConsistency())
        ('self-consistency?n=4', 'self-consistency')
    """
    for name, method in methods().items():
        if type(strategy) is method.factory:
            values = vars(strategy)
            changed = [
                f"{parameter}={_written(values[parameter])}"
                for parameter, default in method.parameters.items()
                if values[parameter] != default
            ]
            return "?".join([name, "&".join(changed)]) if changed else name
    own: object = getattr(strategy, "__name__", None)  # a plain async function is a strategy too
    return own if isinstance(own, str) else type(strategy).__name__


def _written(value: object) -> str:
    """A parameter as the command line takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
