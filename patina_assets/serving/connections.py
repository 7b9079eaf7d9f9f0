"""HTTP/1.1 as uvicorn speaks it, but for who connects and does not ask: such a connection ends."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# Uvicorn waits for the first request, and for the rest of a request's head, as long as the process lives.
HEAD_SECONDS = 30.0


class PunctualHttp(H11Protocol):
    """Ends a connection on which no whole head of a request comes for `HEAD_SECONDS`, or for twice as long."""

    _waiting: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._waiting.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Wait no longer: a WebSocket has a protocol of its own."""
        self._waiting.cancel()
        super().handle_websocket_upgrade(event)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._look, self.cycle, self._is_idle())

    def _look(self, former: Any, was_idle: bool) -> None:  # noqa: ANN401 - as uvicorn has it
        if was_idle and self.cycle is former:
            self.timeout_keep_alive_handler()
        else:
            self._wait()

    def _is_idle(self) -> bool:
        # None before the first request, whatever the annotation says.
        return not self.cycle or self.cycle.response_complete
