"""Many may be inside, or one alone: asks share the weights, and a reload has them to itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Gate"]


class Gate:
    """Lets many in at a time, or one alone. Belongs to one event loop.

    Who wants to be alone goes before those who come later, so it waits for no more than those who
    are inside.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._alone = False
        self._waiting = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Be inside, with others."""
        while self._alone or self._waiting:
            async with self._changed:
                await self._changed.wait_for(lambda: not (self._alone or self._waiting))
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside and self._waiting:
                await asyncio.shield(self._tell())

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be inside, once all others have left."""
        self._waiting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: not (self._alone or self._inside))
                self._alone = True
        finally:
            self._waiting -= 1
            if not self._alone:
                await asyncio.shield(self._tell())
        try:
            yield
        finally:
            self._alone = False
            await asyncio.shield(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
