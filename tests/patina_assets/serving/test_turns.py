"""Whose turn it is: one client with many requests holds nobody else up, and too many of one are refused."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from patina_assets.serving.turns import CROWDED, MOST_WAITING, CrowdedError, Turns, answered

MOST = 2


async def settle() -> None:
    """Let every task go on until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


class Crowd:
    """Requests that hold their turns until they are told to end."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self._ends: list[asyncio.Event] = []

    async def _ask(self, client: str) -> None:
        async with self.turns.turn(client):
            self.begun.append(client)
            self._ends.append(end := asyncio.Event())
            await end.wait()

    def ask(self, client: str) -> "asyncio.Task[None]":
        return asyncio.create_task(self._ask(client))

    async def end_one(self) -> None:
        self._ends.pop(0).set()
        await settle()

    async def end_all(self) -> None:
        while self._ends:
            await self.end_one()


def test_who_asks_for_much_waits_behind_itself() -> None:
    async def tried() -> list[str]:
        crowd = Crowd(Turns(MOST))
        tasks = [crowd.ask("greedy") for _ in range(8)]
        await settle()
        tasks += [crowd.ask(client) for client in ("modest", "modest", "other")]
        await settle()
        await crowd.end_all()
        await asyncio.gather(*tasks)
        return crowd.begun

    begun = asyncio.run(tried())
    assert begun[:MOST] == ["greedy"] * MOST
    assert begun[MOST] == "modest"
    assert "other" in begun[MOST + 1 : MOST + 3]
    assert sorted(begun) == ["greedy"] * 8 + ["modest"] * 2 + ["other"]


def test_too_many_of_one_client_are_refused_and_others_are_not() -> None:
    async def tried() -> None:
        crowd = Crowd(Turns(MOST))
        tasks = [crowd.ask("greedy") for _ in range(MOST + MOST_WAITING)]
        await settle()
        with pytest.raises(CrowdedError):
            async with crowd.turns.turn("greedy"):
                pass
        tasks.append(crowd.ask("modest"))
        await settle()
        await crowd.end_one()
        assert crowd.begun[-1] == "modest"
        await crowd.end_all()
        await asyncio.gather(*tasks)

    asyncio.run(tried())


@pytest.mark.parametrize("has_its_turn", [False, True])
def test_who_leaves_takes_no_turn_along(has_its_turn: bool) -> None:
    async def tried() -> None:
        crowd = Crowd(Turns(1))
        first, second = crowd.ask("a"), crowd.ask("b")
        await settle()
        if has_its_turn:  # it is given at the moment at which it leaves
            crowd._ends.pop(0).set()
            while not first.done():
                await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        third = crowd.ask("c")
        await settle()
        await crowd.end_all()
        await asyncio.gather(first, third)
        assert crowd.begun == ["a", "c"]
        async with AsyncExitStack() as stack:  # as at first
            await stack.enter_async_context(crowd.turns.turn("d"))

    asyncio.run(asyncio.wait_for(tried(), 60))


def asked(agent: str, *, is_there: bool = True) -> Request:
    """Return a request whose client is there, or has gone."""
    waiting: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if waiting:
            return waiting.pop()
        if is_there:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"user-agent", agent.encode())]}
    return Request(scope, receive)


def test_nothing_is_looked_for_where_nobody_waits_for_it() -> None:
    looked: list[str] = []

    async def look() -> Response:
        looked.append("")
        return Response("found")

    async def tried() -> list[int]:
        turns = Turns(1)
        responses = [await answered(turns, asked("a", is_there=is_there), look) for is_there in (True, False, True)]
        return [response.status_code for response in responses]

    assert asyncio.run(tried()) == [200, 499, 200]
    assert len(looked) == 2


def test_a_request_too_many_is_told_so_in_one_sentence() -> None:
    may_go = asyncio.Event()

    async def look() -> Response:
        await may_go.wait()
        return Response("found")

    async def tried() -> list[Response]:
        turns = Turns(MOST)
        tasks = [asyncio.create_task(answered(turns, asked("a"), look)) for _ in range(MOST + MOST_WAITING + 1)]
        await settle()
        may_go.set()
        return await asyncio.gather(*tasks)

    *found, refused = asyncio.run(tried())
    assert {response.status_code for response in found} == {200}
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert CROWDED.encode() in refused.body
