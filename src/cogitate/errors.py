"""Every error that Cogitate raises, as one tree.

    CogitateError
    ├── ConfigError          a name, option or file that the caller must change (ValueError)
    ├── DataError            a row or file that cannot be read as what it claims to be (ValueError)
    ├── BudgetExhausted      nothing more fits the budget of this problem
    ├── EngineError          a model call that failed (RuntimeError)
    │   ├── EngineUnavailable    it may work when tried again (ConnectionError)
    │   ├── EngineRefused        the engine answered that it will not do this
    │   └── PromptTooLong        the prompt does not fit the model's context
    ├── GraderError          a grader that could not decide (RuntimeError)
    └── StoreError           a run store that cannot be written or read (OSError)

Wrong configuration (`ConfigError`) and a store that fails (`StoreError`) end a run at once. An
`EngineError` or a `GraderError` of one rollout is data: it is recorded on the thought, counted, and
the run goes on.
Every message says what to do next.
"""

__all__ = [
    "BudgetExhausted",
    "CogitateError",
    "ConfigError",
    "DataError",
    "EngineError",
    "EngineRefused",
    "EngineUnavailable",
    "GraderError",
    "PromptTooLong",
    "StoreError",
]


class CogitateError(Exception):
    """The root of every error that Cogitate raises."""


class ConfigError(CogitateError, ValueError):
    """A name, option or file that the caller must change before anything can run."""


class DataError(CogitateError, ValueError):
    """A row or a file that cannot be read as what it claims to be; the message says where."""


class BudgetExhausted(CogitateError):
    """Nothing more fits the budget; `limit` names the limit that was met first."""

    def __init__(self, limit: str) -> None:
        super().__init__(f"the {limit} budget is spent: raise Budget({limit}=...) to think longer")
        self.limit = limit


class EngineError(CogitateError, RuntimeError):
    """A model call that failed."""


class EngineUnavailable(EngineError, ConnectionError):
    """A failure that may pass: the call may be tried again.

    Attributes:
        retry_after: Seconds that the server asked us to wait, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class EngineRefused(EngineError):
    """The engine answered that it will not do this; asking again would change nothing."""


class PromptTooLong(EngineError):
    """The prompt does not fit the model's context, even shortened by the stated rule."""


class GraderError(CogitateError, RuntimeError):
    """A grader that could not decide: it hung, crashed, or was given what it cannot read."""


class StoreError(CogitateError, OSError):
    """A run store that cannot be written or read. What it acknowledged before is not lost."""
