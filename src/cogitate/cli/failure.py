"""Every failure as one message and an exit code; a traceback only where one is asked for.

0    done
1    it ran, and came to nothing: no model wrote anything, every episode failed
2    something must be changed first: a name, an option, a file, a row, a key, an address
130  interrupted by Ctrl-C; 143 by SIGTERM
"""

import functools
import signal
from collections.abc import Callable
from typing import Annotated, ParamSpec

import typer

from cogitate.cli.terminal import note, ready_streams
from cogitate.errors import CogitateError, ConfigError, DataError

__all__ = ["Debug", "Failed", "reported"]

P = ParamSpec("P")

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]


class Failed(CogitateError):
    """The result has been shown; this says what is wrong with it.

    Attributes:
        code: The exit code.
    """

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what a command raises into a message and an exit code; `--debug` lets it through."""

    @functools.wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> None:
        ready_streams()
        debug = options.get("debug", False)
        try:
            command(*args, **options)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            note("interrupted before anything was finished")
            raise typer.Exit(128 + signal.SIGINT) from None
        except CogitateError as error:
            if debug and not isinstance(error, Failed):
                raise
            note(str(error))
            raise typer.Exit(_code(error)) from None
        except Exception as error:  # a fault of ours: its one line says how to see more
            if debug:
                raise
            note(f"unexpected {type(error).__name__}: {error}. Run it with --debug to see where")
            raise typer.Exit(1) from None

    return run


def _code(error: CogitateError) -> int:
    if isinstance(error, Failed):
        return error.code
    return 2 if isinstance(error, ConfigError | DataError) else 1
