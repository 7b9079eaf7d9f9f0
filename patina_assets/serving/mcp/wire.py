"""Standard input and output as an editor reads and writes them: one message in each line, and nothing else."""

import io
from collections.abc import AsyncIterator

import anyio

from patina_assets.serving.mcp.messages import refusal_of


class Answers(anyio.AsyncFile[str]):
    """What the editor reads: lines, each written as a whole."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        """Take what writes to the editor."""
        super().__init__(file)
        self._writing = anyio.Lock()

    async def write(self, text: str) -> int:
        """Write some lines at once; return how many characters that were."""
        async with self._writing:
            written: int = await super().write(text)
            await self.flush()
        return written


class Questions(anyio.AsyncFile[str]):
    """What the editor writes: the messages that the SDK takes. All others are answered here."""

    def __init__(self, file: io.TextIOWrapper, answers: Answers) -> None:
        """Take what reads from the editor, and what writes to it."""
        super().__init__(file)
        self._answers = answers

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield one message after the other."""
        async for line in super().__aiter__():
            if not line.isspace():
                refusal = refusal_of(line)
                if refusal is None:
                    yield line
                else:
                    await self._answers.write(refusal + "\n")
