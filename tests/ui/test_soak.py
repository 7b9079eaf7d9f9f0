"""A day of `patina ui`: thousands of searches, and rebuilds by its own sensor and by git hooks. The long form alone.

What its processes use after each rebuild is kept in build/soak-ui.tsv.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pytest
from amounts import SOAK, amount
from materialize_helpers import GitFolder
from process_use import Use, slope, use_of
from root import ROOT
from small_project import patina, small_recipe
from ui_server import Ui, serving

pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
import httpx2

pytestmark = pytest.mark.skipif(not SOAK, reason="takes an hour: PATINA_SOAK=1, or 0.1 for a tenth")
REBUILDS, SEARCHES = amount(10, 100), amount(500, 10_000)
CLIENTS = 3
MCP_CALLS = 10
RECIPE = "embedding_model: corpus-static\n" + small_recipe("temporal", layers="[16, 8]", epochs=1, pairs=300)
# Dagster looks for ticks and for queued runs every five seconds, whatever a sensor asks for: a rebuild waits 20 s for
# looks. With these, an hour holds more ticks than a day.
QUICK_UI = """
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._daemon import sensor
from patina_assets.cli import run

sensor.MIN_INTERVAL_LOOP_TIME = QueuedRunCoordinator.dequeue_interval_seconds = 1
run()
"""
SHORT_TIMES = "[automation]\ninterval_seconds = 1\nsettle_seconds = 1\nnightly = false\n"
TOPICS = ("timeout", "redirect", "cookie", "proxy", "header", "stream", "socket", "token")
TABLE = ROOT / "build" / "soak-ui.tsv"
PATIENCE = 600.0
POLL_SECONDS = 0.5
# In the command line of a process that executes a run.
RUN = "spawn_main"
PAGE = ("", "page.js", "page.css", "api/v1/status", "api/v1/recent", "api/v1/map")
# From the middle to the end, by the line through these: so much of what is in use in the middle.
MOST_GROWTH = 0.02
# Connections that wait, and files that a look at the records has open just then.
MOST_HANDLES = 8


@dataclass(frozen=True)
class Moment:
    """What the processes use after a rebuild.

    Attributes:
        rebuild: Which one.
        minutes: Since the first.
        way: What has built.
        server: Our process.
        code: The code server.
    """

    rebuild: int
    minutes: float
    way: str
    server: Use
    code: Use

    @staticmethod
    def heading() -> str:
        """Return the first line of the table."""
        uses = [f"{process}.{field.name}" for process in ("server", "code") for field in fields(Use)]
        return "\t".join(["rebuild", "minutes", "way", *uses])

    def row(self) -> str:
        """Return a line of it."""
        uses = [f"{value:.1f}" if isinstance(value, float) else str(value) for value in _figures(self)]
        return "\t".join([str(self.rebuild), f"{self.minutes:.2f}", self.way, *uses])


def _figures(moment: Moment) -> tuple[float | int, ...]:
    return (*astuple(moment.server), *astuple(moment.code))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    """Return a small project that is built, with hooks."""
    monkeypatch.setenv("PATINA_HOME", str(tmp_path / "mothership"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = GitFolder(tmp_path / "garden")
    made.write(".patina/oxidize.yaml", RECIPE)
    made.write(".patina/config.toml", SHORT_TIMES)
    for turn in range(3):
        for topic, other in zip(TOPICS, (*TOPICS[1 + turn :], *TOPICS[: 1 + turn]), strict=True):
            for name in (topic, other):
                made.write(f"src/{name}.py", function(name, f"{topic} {turn}"))
            made.commit(f"feat: {topic} and {other}, turn {turn}")
    monkeypatch.chdir(made.path)
    assert patina("materialize", "--oxidize").code == 0
    assert patina("hook", "install").code == 0
    return made


def function(name: str, change: str = "first") -> str:
    """Return source code about something, as a change has made it."""
    return f"def read_{name}(value):\n    '''Read the {name}, and give it back.'''\n    return value, {change!r}\n"


def by_hook(repository: GitFolder, word: str) -> None:
    """Commit; the hook reads and builds in the background."""
    repository.write(f"src/{word}.py", function(word))
    repository.commit(f"feat: {word}")


def by_sensor(repository: GitFolder, word: str) -> None:
    """Commit without hooks, and read that; the sensor builds."""
    repository.write(f"src/{word}.py", function(word))
    repository.git("add", "src")
    repository.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", f"feat: {word}")
    assert patina("materialize").code == 0


def by_note(_: GitFolder, word: str) -> None:
    """Write a note, and read that; the sensor builds."""
    assert patina("note", f"We keep the {word} since it tells the turns apart.", "--decision").code == 0
    assert patina("materialize").code == 0


WAYS = {"hook": by_hook, "sensor": by_sensor, "note": by_note}


@dataclass(frozen=True)
class Asker:
    """A client of the server."""

    ui: Ui

    def opened(self) -> httpx2.Client:
        """Return a client with a connection of its own."""
        accepted = {"Authorization": f"Bearer {self.ui.token}", "Accept": "application/json, text/event-stream, */*"}
        return httpx2.Client(base_url=f"{self.ui.url}/patina/", headers=accepted, timeout=PATIENCE)

    def search(self, questions: Sequence[str]) -> list[str]:
        """Ask the API; return the text of each answer."""
        with self.opened() as http:
            answers = [http.get("api/v1/search", params={"q": question}) for question in questions]
        assert {answer.status_code for answer in answers} <= {200}
        return [answer.text for answer in answers]

    def call(self, questions: Sequence[str]) -> None:
        """Ask as agents do."""
        with self.opened() as http:
            for question in questions:
                asked = {"name": "search", "arguments": {"query": question}}
                answer = http.post("mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked})
                assert answer.json()["result"]["content"][0]["text"]

    def look(self) -> None:
        """Load the page and what it shows first, and what Dagster's pages ask."""
        with self.opened() as http:
            assert {http.get(name).status_code for name in PAGE} == {200}
        assert self.ui.badges()


def moments(repository: GitFolder, log: Path) -> Iterator[Moment]:
    """Yield what is used after each rebuild, and after a share of the searches."""
    share = SEARCHES // REBUILDS
    began = time.monotonic()

    def command(port: int) -> list[str]:
        return [sys.executable, "-c", QUICK_UI, "ui", "--port", str(port), "--project", str(repository.path)]

    with serving(command, log, log.parent, {}) as ui, ThreadPoolExecutor(CLIENTS + 1) as clients:
        asker = Asker(ui)
        for number in range(1, REBUILDS + 1):
            way, word = [*WAYS][number % len(WAYS)], f"rhubarb{number}"
            WAYS[way](repository, word)
            questions = [f"read the {TOPICS[turn % len(TOPICS)]} {number} {turn}" for turn in range(share)]
            asked = [clients.submit(asker.search, questions[client::CLIENTS]) for client in range(CLIENTS)]
            asked_mcp = clients.submit(asker.call, questions[:MCP_CALLS])
            assert all(all(one.result()) for one in asked)
            asked_mcp.result()
            asker.look()
            wait_for_rebuild(asker, word)
            (code,) = [process for process, command in ui.processes().items() if " api grpc " in command]
            minutes = (time.monotonic() - began) / 60
            yield Moment(number, minutes, way, use_of(ui.process.pid), use_of(code))


def wait_for_rebuild(asker: Asker, word: str) -> None:
    """Wait until a new word is found, which the index before did not hold, and until nothing is built any more."""

    def is_found() -> bool:
        time.sleep(POLL_SECONDS)
        (answer,) = asker.search([f"the {word}"])
        return any(word in json.dumps(hit) for hit in json.loads(answer)["hits"])

    def is_at_rest() -> bool:
        reasons = [str(tick and tick["skipReason"]) for tick in asker.ui.last_ticks()]
        is_running = any(RUN in command for command in asker.ui.processes().values())
        return not is_running and all(reason.startswith("nothing") for reason in reasons)

    asker.ui.wait_for(is_found, f"the index with {word}", PATIENCE)
    asker.ui.wait_for(is_at_rest, "the end of all that builds", PATIENCE)


def test_a_day_leaves_memory_and_handles_as_they_were(repository: GitFolder, tmp_path: Path) -> None:
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    found: list[Moment] = []
    with TABLE.open("w") as table:
        print(Moment.heading(), file=table, flush=True)
        for moment in moments(repository, tmp_path / "ui.log"):
            found.append(moment)
            print(moment.row(), file=table, flush=True)
    last = found[len(found) // 2 :]
    for process in ("server", "code"):
        uses: list[Use] = [getattr(moment, process) for moment in last]
        for figure in ("resident", "proportional", "own", "threads", "handles", "databases"):
            values = [float(getattr(use, figure)) for use in uses]
            growth, error = slope(values)
            print(
                f"{process} {figure}: {values[0]:.1f} to {values[-1]:.1f}; {growth:+.4f} a rebuild, error {error:.4f}"
            )
            allowed = MOST_GROWTH * values[0] if isinstance(getattr(uses[0], figure), float) else MOST_HANDLES
            assert (growth - 2 * error) * len(values) <= allowed, figure
    assert "Traceback" not in (tmp_path / "ui.log").read_text()
