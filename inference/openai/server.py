"""One HTTP server: its connections, its key, and how many calls it takes at a time.

Connections belong to an event loop, and an engine may be used by one loop after another (every
`asyncio.run` makes its own). So each loop gets its own connections, when it first asks, and they
are closed with the engine or with the loop, whichever ends first.

The HTTP client looks through all of its connections, and asks the system about each idle one, every
time that a call begins or ends. So each connection has a client of its own: a call costs the same
however many are under way.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

import httpx2

from cogitate.errors import ConfigError, EngineError, EngineRefused, EngineUnavailable
from cogitate.inference.openai.limits import RateLimit
from cogitate.inference.openai.secret import Secret

__all__ = ["Response", "Server"]

_LARGEST = 1 << 26
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 4.0  # below the five seconds after which common servers drop a connection


class Response(NamedTuple):
    """A response, without the key."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Connections:
    """Clients of one connection each, as many as there were calls under way at a time."""

    def __init__(self, make: Callable[[], httpx2.AsyncClient]) -> None:
        self._make = make
        self._made: list[httpx2.AsyncClient] = []
        self._idle: list[httpx2.AsyncClient] = []

    @contextmanager
    def one(self) -> Iterator[httpx2.AsyncClient]:
        """Lend the connection that was used last: it is the least likely to have been dropped."""
        if not self._idle:
            self._idle.append(self._make())
            self._made.append(self._idle[-1])
        client = self._idle.pop()
        try:
            yield client
        finally:
            self._idle.append(client)

    async def aclose(self) -> None:
        for client in self._made:
            await client.aclose()


@dataclass(eq=False, slots=True)
class _Session:
    """What belongs to one event loop."""

    connections: _Connections
    lifetime: AsyncGenerator[None]
    slots: asyncio.Semaphore
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)


class Server:
    """Posts to one address.

    Args:
        base_url: Scheme, host, port and path, such as `http://127.0.0.1:8000/v1`.
        key: Sent with every request; None sends none.
        concurrency: The most calls under way at a time.
        timeout: Seconds that one call may take, from sending to the last byte.
        limit: Requests and tokens a minute.

    Raises:
        ConfigError: The address cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: Secret | None,
        concurrency: int,
        timeout: float,
        limit: RateLimit,
    ) -> None:
        if concurrency < 1:
            raise ConfigError(f"concurrency={concurrency}: allow at least one call at a time")
        if not timeout > 0:
            raise ConfigError(f"timeout={timeout}: give a number of seconds above 0")
        self.address = _address(base_url)
        self._key = key
        self._concurrency = concurrency
        self._timeout = timeout
        self._limit = limit
        self._sessions: dict[asyncio.AbstractEventLoop, _Session] = {}
        self._answered = False
        self._closed = False

    async def post(self, path: str, body: bytes, *, tokens: int) -> Response:
        """Send `body` as JSON; `tokens` is what the call may cost at most.

        Raises:
            EngineUnavailable: The connection was lost or refused, or the time was up.
            EngineRefused: This server was closed.
            ConfigError: Nothing listens at the address, and never has since it was opened.
            EngineError: The reply is far too large.
        """
        session = await self._session()
        async with session.slots:
            await self._limit.admit(tokens, session.queue)
            try:
                with session.connections.one() as client:
                    async with (
                        asyncio.timeout(self._timeout),
                        client.stream(
                            "POST", _parsed(self.address + path), content=body
                        ) as response,
                    ):
                        content = await self._content(response)
            except TimeoutError:
                raise EngineUnavailable(
                    f"{self.address} took longer than {self._timeout:g} s: raise timeout, lower "
                    "max_tokens, or lower concurrency"
                ) from None
            except httpx2.RequestError as error:
                raise self._lost(error) from None
        self._answered = True
        return Response(
            response.status_code,
            {name: self.scrub(value) for name, value in response.headers.items()},
            self._key.scrub_reply(content) if self._key else content,
        )

    async def _content(self, response: httpx2.Response) -> bytes:
        content = bytearray()
        async for part in response.aiter_bytes():
            content += part
            if len(content) > _LARGEST:
                raise EngineError(
                    f"{self.address} sent more than {_LARGEST} bytes: see whether it serves chat"
                )
        return bytes(content)

    def put_back(self, tokens: int) -> None:
        """Put back what a call did not use of the `tokens` it was sent with."""
        self._limit.put_back(tokens)

    def scrub(self, text: str) -> str:
        """Return `text` without the key."""
        return self._key.scrub(text) if self._key else text

    async def close(self) -> None:
        """Close the connections of this event loop, and refuse requests from now on."""
        self._closed = True
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.lifetime.aclose()

    async def _session(self) -> _Session:
        if self._closed:
            raise EngineRefused(f"the engine for {self.address} is closed: open a new one")
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            for old in [old for old in self._sessions if old.is_closed()]:
                del self._sessions[old]
            connections = _Connections(self._clients())
            slots = asyncio.Semaphore(self._concurrency)
            session = _Session(connections, _lifetime(connections), slots)
            self._sessions[loop] = session
            await anext(session.lifetime)
        return session

    def _clients(self) -> Callable[[], httpx2.AsyncClient]:
        """Return what makes a client; all of them share what is slow to make."""
        url = httpx2.URL(self.address)
        secure = url.scheme == "https"
        verify = httpx2.create_ssl_context() if secure else False  # for http:, loads no authorities
        return lambda: httpx2.AsyncClient(
            headers={"Content-Type": "application/json"}
            | (self._key.header() if self._key else {}),
            follow_redirects=False,
            timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=1, keepalive_expiry=_IDLE_SECONDS),
            trust_env=not _loopback(url.host),
            verify=verify,
        )

    def _lost(self, error: httpx2.RequestError) -> Exception:
        why = self.scrub(str(error)) or type(error).__name__
        if isinstance(error, httpx2.ConnectError) and not self._answered:
            return ConfigError(
                f"no server answers at {self.address} ({why}): start it, or correct base_url"
            )
        if not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            self._answered = True  # it was there, and it broke off
        return EngineUnavailable(
            f"lost {self.address} ({type(error).__name__}: {why}): see whether it still runs"
        )


@lru_cache(maxsize=64)
def _parsed(address: str) -> httpx2.URL:
    """An address in parts; taking one apart costs a tenth of a call."""
    return httpx2.URL(address)


async def _lifetime(connections: _Connections) -> AsyncGenerator[None]:
    """Close connections when closed itself, as a loop does with its generators when it ends."""
    try:
        yield
    finally:
        await connections.aclose()


def _address(base_url: str) -> str:
    advice = "give it as http://host:port/v1"
    try:
        url = httpx2.URL(base_url)
    except (httpx2.InvalidURL, TypeError, ValueError):
        raise ConfigError(f"base_url is no address: {advice}") from None
    if url.userinfo:
        raise ConfigError(
            "base_url holds a user name or password: put the key in an environment variable, and "
            "name it with api_key_env"
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"base_url {base_url!r} is no http address: {advice}")
    if url.query or url.fragment:
        raise ConfigError(f"base_url {base_url!r} has a query or a fragment: {advice}")
    return base_url.rstrip("/")


def _loopback(host: str) -> bool:
    """Whether `host` is this machine, which no proxy can reach on our behalf."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
