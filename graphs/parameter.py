"""What the parameters of a strategy are and mean, read from its own code.

A meaning stands where a reader of the code looks for it: as a text under the field, or in `Args:`
of the class.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType
from typing import Literal, NamedTuple, get_args, get_origin, get_type_hints

from cogitate.errors import ConfigError

__all__ = ["Parameter", "check_choices", "parameters_of"]

_ARGS = re.compile(r"^Args:\n((?:[ ]+.*\n|\n)+)", re.MULTILINE)
_ARG = re.compile(r"^(?P<names>\w+(?:, \w+)*):\s(?P<text>.*(?:\n(?:[ ]+.*)?)*)", re.MULTILINE)


class Parameter(NamedTuple):
    """One parameter of a strategy."""

    name: str
    values: str
    """What it may be, in words: `int`, `float or none`, `count, probability`."""
    default: object
    meaning: str
    """Empty where the code does not tell."""


def parameters_of(factory: type) -> tuple[Parameter, ...]:
    """The parameters of a dataclass, in their order; none of anything else.

    Example:
        >>> from cogitate.graphs import BestOfN
        >>> [(p.name, p.values, p.default) for p in parameters_of(BestOfN)]
        [('n', 'int', 8), ('weighted', 'bool', False)]
    """
    if not is_dataclass(factory):
        return ()
    hints, meanings = get_type_hints(factory), dict[str, str]()
    for ancestor in reversed(factory.__mro__):
        meanings |= _meanings(ancestor) if is_dataclass(ancestor) else {}
    return tuple(
        Parameter(
            f.name,
            _values(hints[f.name]),
            None if f.default is MISSING else f.default,
            meanings.get(f.name, ""),
        )
        for f in fields(factory)
    )


def check_choices(made: object) -> None:
    """Refuse a value that its field, a `Literal`, does not list.

    Raises:
        ConfigError: There is such a value.
    """
    for name, hint in get_type_hints(type(made)).items():
        listed = get_args(hint) if get_origin(hint) is Literal else ()
        if listed and (value := getattr(made, name)) not in listed:
            choices = ", ".join(map(str, listed))
            raise ConfigError(f"{type(made).__name__}({name}={value!r}): choose from {choices}")


def _values(hint: object) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(map(str, get_args(hint)))
    if get_origin(hint) is Callable:
        return "function"
    arms = get_args(hint)
    if NoneType in arms:
        return " or ".join([*(_values(arm) for arm in arms if arm is not NoneType), "none"])
    if arms:
        return " or ".join(map(_values, arms))
    return {"str": "text"}.get(name := getattr(hint, "__name__", str(hint)), name)


def _meanings(factory: type) -> dict[str, str]:
    meanings = {}
    if found := _ARGS.search(inspect.cleandoc(factory.__doc__ or "") + "\n"):
        for arg in _ARG.finditer(textwrap.dedent(found[1])):
            for name in arg["names"].split(", "):
                meanings[name] = " ".join(arg["text"].split())
    return meanings | _under_fields(factory)


def _under_fields(factory: type) -> dict[str, str]:
    """The texts that stand under the fields of a class; none where its source is not at hand."""
    try:
        source = textwrap.dedent(inspect.getsource(factory))
    except OSError:
        return {}
    [made] = ast.parse(source).body
    meanings = {}
    if isinstance(made, ast.ClassDef):
        for field, text in zip(made.body, made.body[1:], strict=False):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(name)),
                    ast.Expr(value=ast.Constant(str(meaning))),
                ):
                    meanings[name] = " ".join(meaning.split())
    return meanings
