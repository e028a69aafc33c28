"""`cogitate methods`: the ways of thinking that have a name."""

from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, reported
from cogitate.cli.terminal import emit, emit_json
from cogitate.graphs import Method
from cogitate.graphs import methods as named

__all__ = ["methods"]


@reported
def methods(json: options.Json = False, seed: options.Seed = 0, debug: Debug = False) -> None:
    """List the strategies: parameters, model calls for one problem, and when they pay.

    \b
    cogitate methods
    """
    if json:
        emit_json({"methods": [_record(method) for method in named().values()]})
        return
    for method in named().values():
        parameters = "&".join(f"{name}={default}" for name, default in method.parameters.items())
        emit(f"{method.name}{'?' if parameters else ''}{parameters}\n    {method.summary}")
        for label, text in (
            ("paper", method.paper),
            ("calls", method.calls),
            ("pays", method.pays),
        ):
            if text:
                emit(f"    {label}: {text}")
        emit()


def _record(method: Method) -> dict[str, JsonValue]:
    plain = (str, int, float, bool, type(None))
    return {
        "name": method.name,
        "summary": method.summary,
        "parameters": {
            name: default if isinstance(default, plain) else str(default)
            for name, default in method.parameters.items()
        },
        "paper": method.paper,
        "calls": method.calls,
        "pays": method.pays,
    }
