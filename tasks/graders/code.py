"""Grading a program by tests that it never sees, in a sandbox."""

import asyncio

from cogitate.errors import ConfigError, DataError, GraderError
from cogitate.tasks.code import Bubblewrap, Case, Outcome, Sandbox, Snippet, parse_cases
from cogitate.tasks.code.values import parse
from cogitate.tasks.grader import Grade
from cogitate.tasks.graders.exact import reference_of, shown
from cogitate.tasks.problem import Problem

__all__ = ["CodeGrader"]

_SANDBOXES: dict[str, Sandbox] = {"code": Bubblewrap(), "snippet": Snippet()}


class CodeGrader:
    """The tests of the reference, all of them passed by the answer, which is a program.

    The reference holds lines `assert f(1) == 2` or a JSON list (see `cogitate.tasks.code.cases`).
    Each test is split: the sandbox is given the program and the call, or the input, and returns
    what came of it as data; the expected value stays here, where the two are compared.

    Args:
        limit: Seconds that one test may take. As many tests run at once as there are cores.
        sandbox: `code` runs CPython in bubblewrap, `snippet` a part of Python that needs nothing
            installed; or one of your own.
        partial: Score the share of the tests that passed, instead of 1 for all and 0 otherwise.
    """

    def __init__(
        self, *, limit: float = 5.0, sandbox: Sandbox | str = "code", partial: bool = False
    ) -> None:
        self.limit = limit
        self.sandbox = _sandbox(sandbox) if isinstance(sandbox, str) else sandbox
        self.partial = partial

    async def grade(self, problem: Problem, answer: str) -> Grade:
        """Grade a program.

        Raises:
            GraderError: A test cannot be split into what is given and what is expected.
            ConfigError: There is no sandbox; nothing is ever run without one.
        """
        cases = self.cases(problem)
        failed = await self._faults(answer, cases)
        if not failed:
            return Grade(score=1.0, reason=f"passed {len(cases)} of {len(cases)} tests")
        score = (len(cases) - len(failed)) / len(cases) if self.partial else 0.0
        return Grade(score=score, reason=failed[0])

    @staticmethod
    def cases(problem: Problem) -> list[Case]:
        """Return the tests of a problem.

        Raises:
            GraderError: It has none, or one cannot be split.
        """
        entry_point, setup = problem.metadata.get("entry_point"), problem.metadata.get("setup")
        try:
            return parse_cases(
                reference_of(problem),
                entry_point=entry_point if isinstance(entry_point, str) else "",
                setup=setup if isinstance(setup, str) else "",
            )
        except DataError as error:
            raise GraderError(f"problem {problem.id!r}: {error}") from error

    async def _faults(self, answer: str, cases: list[Case]) -> list[str]:
        """Return why the program fails, in the order of the tests.

        One fault is enough where the score is no share: the other tests are then ended.
        """
        tasks = [asyncio.ensure_future(self._fault(answer, case)) for case in cases]
        faults: list[str] = []
        try:
            for task in tasks:
                if fault := await task:
                    faults.append(fault)
                    if not self.partial:
                        break
            return faults
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _fault(self, answer: str, case: Case) -> str:
        """Return why a program fails a test, or nothing."""
        outcome = await self.sandbox.run(answer, case, limit=self.limit)
        return judge(case, outcome)


def _sandbox(name: str) -> Sandbox:
    if name not in _SANDBOXES:
        raise ConfigError(f"no sandbox is called {name!r}: take {' or '.join(_SANDBOXES)}")
    return _SANDBOXES[name]


def judge(case: Case, outcome: Outcome) -> str:
    """Return why an outcome is not what the test expects, or nothing."""
    what = shown(case.stdin if case.call is None else case.call)
    if outcome.failure:
        return f"{what}: {shown(outcome.failure)}"
    if case.expected is None:
        right = _lines(outcome.output or "") == _lines(case.stdout)
        given, expected = outcome.output or "", case.stdout
    else:
        given, expected = outcome.value or "", str(case.expected)
        try:
            right = case.expected.met_by(parse(given))
        except (ValueError, RecursionError):
            return f"{what} returned something that cannot be read"
    return "" if right else f"{what} gave {shown(given)}, not {shown(expected)}"


def _lines(output: str) -> list[str]:
    """Return the lines of an output, without spaces at their ends and empty ones at the end."""
    return [line.rstrip() for line in output.rstrip().splitlines()]
