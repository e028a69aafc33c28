"""Calls from any event loop into that of a core."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from cogitate.inference.vllm.core import Core

__all__ = ["all_within", "within"]

T = TypeVar("T")


async def within(core: "Core", call: Coroutine[None, None, T]) -> T:
    """Await what runs in the core's event loop; to be cancelled here is to be cancelled there."""
    return await asyncio.wrap_future(core.submit(call))


async def all_within(core: "Core", calls: Sequence[Coroutine[None, None, list[T]]]) -> list[T]:
    """Await several calls of one result each; where one fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(within(core, call)) for call in calls]
    try:
        return [result for (result,) in await asyncio.gather(*tasks)]
    finally:
        for task in tasks:
            task.cancel()
