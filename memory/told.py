"""Settings as they are written down, so that runs with other settings are other runs.

Code is known by its name and by what it was given: fields, defaults, the arguments of a partial,
the object of a method, and what a closure was made with. Of the last and of objects only what
cannot have changed since counts (plain values, tuples of these, functions, frozen dataclasses):
lists and dictionaries may be what code collects in. A lambda has no name of its own, so what it
does tells it apart. Left out: the body of any other function, which would make a run another one
with each new Python and each mended line.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from functools import partial
from types import CodeType, FunctionType, MemberDescriptorType, MethodType
from typing import TypeGuard

from pydantic import BaseModel, JsonValue

from cogitate.memory.codec import digest_of

__all__ = ["is_plain", "told"]


def told(value: object) -> JsonValue:
    """Return a setting as it is written; code by its name, with what it was given.

    Example:
        >>> told((1, "a", None))
        [1, 'a', None]
        >>> told(len)
        {'code': 'builtins.len'}
    """
    return _told(value, frozenset())


def is_plain(value: object) -> TypeGuard[str | bool | int | float | None]:
    """Whether a value is written as it is."""
    return value is None or isinstance(value, str | bool | int | float)


def _told(value: object, around: frozenset[int]) -> JsonValue:
    """As `told`, within what is being told: what leads back there is only named."""
    if is_plain(value):
        return value
    if isinstance(value, BaseModel):
        return [_name(type(value)), value.model_dump_json()]
    if id(value) in around:
        return {"code": _name(value if isinstance(value, FunctionType) else type(value))}
    around |= {id(value)}
    if is_dataclass(value) and not isinstance(value, type):
        own = {f.name: _told(getattr(value, f.name), around) for f in fields(value) if f.init}
        return {"code": _name(type(value)), "fields": own}
    if isinstance(value, Mapping):
        return {str(key): _told(one, around) for key, one in value.items()}
    if isinstance(value, Set):
        return [*sorted(str(one) for one in value)]
    if isinstance(value, Sequence):
        return [_told(one, around) for one in value]
    return _code(value, around)


def _code(value: object, around: frozenset[int]) -> JsonValue:
    if isinstance(value, partial):
        return {
            "code": _told(value.func, around),
            "given": [_told(value.args, around), _told(value.keywords, around)],
        }
    if isinstance(value, MethodType):
        return {"code": _name(value.__func__), "of": _told(value.__self__, around)}
    if isinstance(value, FunctionType):
        return _function(value, around)
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return {"code": _name(value)}
    return {
        "code": _name(type(value)),
        "fields": {name: _told(one, around) for name, one in _attributes(value) if _is_fixed(one)},
    }


def _is_fixed(value: object) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(map(_is_fixed, value))
    return is_plain(value) or isinstance(value, FunctionType | MethodType | partial)


def _is_frozen(value: object) -> bool:
    """Whether a value is a strategy of ours, or made like one."""
    return bool(getattr(getattr(type(value), "__dataclass_params__", None), "frozen", False))


def _function(value: FunctionType, around: frozenset[int]) -> JsonValue:
    found: dict[str, JsonValue] = {"code": _name(value)}
    if value.__name__ == "<lambda>":
        found["does"] = _body(value.__code__).hex()
    given: dict[str, object] = dict(value.__kwdefaults__ or {})
    given |= {f"default {number}": one for number, one in enumerate(value.__defaults__ or ())}
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # the cell is still empty
            given[name] = cell.cell_contents
    own = {
        name: _told(one, around) for name, one in given.items() if _is_fixed(one) or _is_frozen(one)
    }
    return {**found, "given": own} if own else found


def _body(code: CodeType) -> bytes:
    parts = [
        _body(one) if isinstance(one, CodeType) else repr(one)
        for one in code.co_consts
        if not isinstance(one, frozenset)  # its order differs from process to process
    ]
    return digest_of(code.co_code, code.co_names, code.co_freevars, parts)


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    """Those of an object, in slots or not."""
    for kind in reversed(type(value).__mro__):
        for name, one in vars(kind).items():
            if isinstance(one, MemberDescriptorType) and hasattr(value, name):
                yield name, getattr(value, name)
    own: Mapping[str, object] = getattr(value, "__dict__", {})  # not every object has one
    yield from own.items()


def _name(code: object) -> str:
    module: object = getattr(code, "__module__", "")
    name: object = getattr(code, "__qualname__", type(code).__qualname__)
    return f"{module}.{name}"
