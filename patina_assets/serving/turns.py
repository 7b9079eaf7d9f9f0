"""Whose turn it is to be answered: who asks for much waits for its own answers, and lets others go first."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from patina_assets.serving.guard import problem

MOST_WAITING = 100
CROWDED = f"More than {MOST_WAITING} of your requests wait for an answer: wait for some of them first."
AGAIN_SECONDS = "1"
# Nobody reads it: who asked has gone.
GONE = 499


class CrowdedError(Exception):
    """Too much of one client waits already."""


class Turns:
    """Lets some requests at a time be answered. The next is one of the client that has fewest of them at work.

    It is used in one event loop, and needs no lock.
    """

    def __init__(self, most: int) -> None:
        """Let so many be answered at a time."""
        self._free = most
        self._at_work: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it.

        Args:
            client: Who asks.

        Raises:
            CrowdedError: Too much of this client waits.
        """
        if self._free:
            self._free -= 1
            self._at_work[client] += 1
        else:
            await self._wait(client)
        try:
            yield
        finally:
            self._end(client)

    async def _wait(self, client: str) -> None:
        line = self._waiting.setdefault(client, deque())
        if len(line) >= MOST_WAITING:
            raise CrowdedError
        mine = asyncio.get_running_loop().create_future()
        line.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it had got its turn at that very moment
                self._end(client)
            raise

    def _end(self, client: str) -> None:
        """Give the turn of a client to who waits."""
        self._at_work[client] -= 1
        if not self._at_work[client]:
            del self._at_work[client]
        while self._waiting:
            following = min(self._waiting, key=lambda name: self._at_work[name])
            line = self._waiting.pop(following)
            given = line.popleft()
            if line:
                self._waiting[following] = line  # at the end: of equals, the one goes first that went longest ago
            if not given.done():  # whose asker has gone
                self._at_work[following] += 1
                given.set_result(None)
                return
        self._free += 1


def client_of(request: HTTPConnection) -> str:
    """Return what tells the programs of one user apart: all of them have the same secret and the same address."""
    way = "token" if "authorization" in request.headers else "cookie"
    return f"{way} {request.headers.get('user-agent', '')}"


async def answered(
    turns: Turns,
    request: Request,
    answer: Callable[[], Awaitable[Response]],
    client: Callable[[HTTPConnection], str] = client_of,
) -> Response:
    """Return the answer to a request when it is its turn, or why there is none.

    Args:
        turns: Whose turn it is.
        request: The request. Its client may go while it waits, as the search page does with each key: then nothing is
            looked for.
        answer: Makes the answer.
        client: Tells who asks.
    """
    await request.body()  # what follows it says whether the client is there
    try:
        async with turns.turn(client(request)):
            return Response(status_code=GONE) if await request.is_disconnected() else await answer()
    except CrowdedError:
        return crowded()


def crowded() -> Response:
    """Return the refusal of a request too many."""
    refusal = problem(429, CROWDED)
    refusal.headers["Retry-After"] = AGAIN_SECONDS
    return refusal
