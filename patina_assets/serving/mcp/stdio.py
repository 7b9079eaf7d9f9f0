"""The MCP server on standard input and output: a process that an editor starts, and that ends with it.

What the editor reads is what the protocol says, and nothing else: descriptor 1 is that of standard error from the
first moment on, whoever prints. The process only reads, so that it may end at any moment.
"""

import functools
import io
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from patina_resources.errors import PatinaError
from patina_resources.project.project import Project

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

EXTRA = "the MCP server needs an extra: run `pip install 'patina-assets[mcp]'` in the environment of patina"
PARENT_SECONDS = 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve_on_stdio(find: Callable[[], Project]) -> int:
    """Answer what comes on standard input until it ends, a signal comes, or the process that started this one is gone.

    Args:
        find: Finds the project, at each call of a tool.

    Returns:
        Nothing: the process ends here.

    Raises:
        PatinaError: The SDK is not installed.
    """
    parent = os.getppid()
    reading, writing = _wire()
    end_on_signals()
    threading.Thread(target=_end_with, args=(parent,), name="patina-parent", daemon=True).start()
    try:
        import anyio

        from patina_assets.serving.mcp.sdk import agent_server
        from patina_assets.serving.mcp.tools import CurrentAnswers, Tools
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("mcp", "mcp_types"):
            raise PatinaError(EXTRA) from None
        raise
    tools = Tools(CurrentAnswers(find).get)
    threading.Thread(target=tools.open_index, name="patina-index", daemon=True).start()
    code = 0
    try:
        anyio.run(functools.partial(_serve, agent_server(tools), reading, writing))
    except BaseException as error:  # the process ends here, whatever it was
        if not _is_end_of_reader(error):
            traceback.print_exc()
            code = 1
    _end(code)


def end_on_signals() -> None:
    """Have each signal to stop end this process at once, also where a shell in the background ignores Ctrl-C."""

    def end(_: int, __: FrameType | None) -> None:
        _end(0)

    for number in SIGNALS:
        signal.signal(number, end)


async def _serve(server: "MCPServer[Any]", reading: io.TextIOWrapper, writing: io.TextIOWrapper) -> None:
    from mcp.server.stdio import stdio_server

    from patina_assets.serving.mcp.wire import Answers, Questions

    low, answers = server._lowlevel_server, Answers(writing)
    async with stdio_server(Questions(reading, answers), answers) as (received, sent):
        await low.run(received, sent, low.create_initialization_options())


def _wire() -> tuple[io.TextIOWrapper, io.TextIOWrapper]:
    """Return what reads from the editor, and what writes to it.

    From now on all else that this process prints goes to standard error, and what it starts reads nothing.
    """
    sys.stdout.flush()
    asked, answered = os.dup(0), os.dup(1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    reading = io.TextIOWrapper(os.fdopen(asked, "rb"), encoding="utf-8", errors="replace")
    return reading, io.TextIOWrapper(os.fdopen(answered, "wb"), encoding="utf-8", write_through=True)


def _end_with(parent: int) -> None:
    """End this process once the one that started it is gone: its pipes may be held open by another one."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    _end(0)


def _is_end_of_reader(error: BaseException) -> bool:
    """Return whether an error says that the editor does not read any more."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_end_of_reader, error.exceptions))
    return isinstance(error, BrokenPipeError | ConnectionError)


def _end(code: int) -> NoReturn:
    """End at once. A thread that waits for input, or opens the index, would hold Python's own end up."""
    os._exit(code)
