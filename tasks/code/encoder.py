"""What a test returned, as JSON text: the one function that is shown to the sandboxes.

Its source runs beside the program, in CPython and in the interpreter for snippets, so it uses
what both have and takes its builtins before a program can name something else so. What it returns
is the program's own word and is read as such, by `cogitate.tasks.code.values`. What JSON lacks
becomes an object with one key; a value that is not made of None, bool, int, float, str, bytes,
list, tuple, set and dict is refused.
"""

__all__ = ["ENCODER"]

ENCODER = """
def _cogitate_encode(
    value, _is=isinstance, _int=int, _float=float, _str=str, _bytes=bytes, _list=list,
    _tuple=tuple, _sets=(set, frozenset), _dict=dict, _hex=hex, _repr=repr, _type=type,
    _wrong=TypeError,
):
    import json

    def plain(v):
        if v is None or v is True or v is False or _is(v, _str):
            return v
        if _is(v, _int):
            return v if -(2**53) < v < 2**53 else {"int": _hex(v)}
        if _is(v, _float):
            return v if v - v == 0 else {"float": _repr(v)}
        if _is(v, _list):
            return [plain(x) for x in v]
        if _is(v, _tuple):
            return {"tuple": [plain(x) for x in v]}
        if _is(v, _sets):
            return {"set": [plain(x) for x in v]}
        if _is(v, _dict):
            return {"dict": [[plain(k), plain(x)] for k, x in v.items()]}
        if _is(v, _bytes):
            return {"bytes": v.hex()}
        raise _wrong("a test needs a plain value, not one of " + _type(v).__name__)

    return json.dumps(plain(value))
"""
