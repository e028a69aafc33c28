"""Snippets in an interpreter of a part of Python that has no way out: pydantic-monty.

It needs nothing installed and runs anywhere. It lacks most of the standard library, classes with
parents, generators and standard input: what a program needs of these it cannot have, and the test
fails with a reason that says so. Each test gets a worker process of its own, which is killed at
its limit and when the call is cancelled.
"""

import asyncio

from cogitate.errors import GraderError
from cogitate.tasks.code.case import Case
from cogitate.tasks.code.encoder import ENCODER
from cogitate.tasks.code.execution import MAX_OUTPUT, Outcome, Places

__all__ = ["Snippet"]


class Snippet:
    """Runs programs in the interpreter for snippets, each test in a new process.

    Args:
        memory: Bytes of the program's values.
    """

    def __init__(self, *, memory: int = 64 << 20) -> None:
        self.memory = memory
        self._places = Places()

    async def run(self, program: str, case: Case, *, limit: float) -> Outcome:
        """Run a program on one test (see `cogitate.tasks.code.execution.Sandbox`)."""
        if case.call is None:
            raise GraderError(
                "a snippet has no standard input, and the test gives it one: use kind='code'"
            )
        async with self._places.here():
            return await self._run((program, case.setup), case.call, limit)

    async def _run(self, sources: tuple[str, ...], call: str, limit: float) -> Outcome:
        import pydantic_monty as monty  # only those who run snippets wait for it

        pool = monty.AsyncMonty(
            min_processes=0, max_processes=1, max_checkouts_per_worker=1, request_timeout=2 * limit
        )
        limits = monty.ResourceLimits(
            max_feed_duration_secs=limit,  # ends the worker of a process that was killed
            max_memory=self.memory,
            max_recursion_depth=1000,
            max_total_sleep_secs=0.0,
        )
        policy = monty.OSPolicy(sleep="zero", random_start={"seed": 0})
        value: object = None
        try:
            async with pool, pool.checkout(limits=limits, os_policy=policy) as session:
                async with asyncio.timeout(limit):
                    for source in (ENCODER, *sources, f"_cogitate_encode({call})"):
                        value = await session.feed_run(source, print_callback=_ignore)
        except TimeoutError:
            return Outcome(failure=f"no result within {limit:g} s")
        except monty.MontyError as error:
            return Outcome(failure=f"it raised {str(error)[:200]}")
        except (OSError, RuntimeError) as error:
            raise GraderError(
                f"the interpreter for snippets did not start: {error}. Reinstall pydantic-monty"
            ) from error
        if type(value) is not str or len(value) > MAX_OUTPUT:
            return Outcome(failure="it returned too much, or wrote to the channel of the result")
        return Outcome(value=value)


def _ignore(stream: str, text: str) -> None:
    """Drop what a program prints."""
