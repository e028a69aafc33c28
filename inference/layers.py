"""The layers around a model, from the outside in, and what each one means.

    budget      one problem's limits. Reserves before the call and settles after it. Outermost,
                because a replayed, merged or retried call costs the problem what the ask costs.
                Lives in `cogitate.graphs.budget`: a budget belongs to a problem, not to an engine.
    journal     a store's memory of a problem. Above coalescing, so that what it keeps does not
                depend on which asks happened to meet. Lives in `cogitate.memory.journal`.
    coalesce    `Coalesce`: equal asks of one moment become one request with n > 1. Above retry, so
                that a merged request is tried again as one.
    retry       `Retry`: asks again after `EngineUnavailable`, and after nothing else.
    engine      the model itself. It bounds its own concurrency and keeps its own rate limits, and
                each new attempt passes them like any other call.

Every layer is an engine around an engine. The lower two belong to the engine and are shared by all
who use it: `layered` composes them. Usage counts what was asked for: one prompt for each ask and
one call for each sampled completion or rated reply, however the layers merged or repeated them.
"""

from cogitate.inference.coalesce import Coalesce
from cogitate.inference.engine import Engine
from cogitate.inference.retry import Retry

__all__ = ["layered"]


def layered(engine: Engine) -> Engine:
    """Put the layers that all users of `engine` share around it; one that has them stays as it is.

    Example:
        >>> from cogitate.inference import Scripted
        >>> engine = layered(Scripted(["Answer: 4"]))
        >>> engine is layered(engine)
        True
    """
    return engine if isinstance(engine, Coalesce) else Coalesce(Retry(engine))
