"""A day of `patina ui`: thousands of searches, and rebuilds that its own sensor starts. The long form alone."""

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from amounts import SOAK, amount
from materialize_helpers import GitFolder
from small_project import patina
from ui_server import Ui, running_ui

pytestmark = pytest.mark.skipif(not SOAK, reason="takes hours: PATINA_SOAK=1, or 0.1 for a tenth")
RECIPE = "version: 2\nembedding_model: corpus-static\nprojections: {}\n"
TOPICS = ("timeout", "redirect", "cookie", "proxy", "header", "stream")
PATIENCE = 600.0
# Of the memory at the end of the first third, so much more may be in use at the end.
MOST_GROWTH = 1.1
# Connections that wait, and files that a look at the records has open just then.
MOST_HANDLES = 8


@dataclass(frozen=True)
class Used:
    """What a server uses.

    Attributes:
        memory: Resident memory of its own process, MiB.
        handles: Open files and sockets.
        threads: Threads.
    """

    memory: float
    handles: int
    threads: int


def used(ui: Ui) -> Used:
    """Return what the process of the server uses now."""
    folder = Path("/proc") / str(ui.process.pid)
    told = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    handles = len(list((folder / "fd").iterdir()))
    return Used(int(told["VmRSS"].split()[0]) / 1024, handles, int(told["Threads"]))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    monkeypatch.setenv("PATINA_HOME", str(tmp_path / "mothership"))
    made = GitFolder(tmp_path / "garden")
    for topic in TOPICS:
        made.write(f"src/{topic}.py", f"def read_{topic}(value):\n    '''Read the {topic}.'''\n    return value\n")
        made.commit(f"feat: {topic}")
    (made.path / ".patina").mkdir()
    (made.path / ".patina/oxidize.yaml").write_text(RECIPE)
    monkeypatch.chdir(made.path)
    assert patina("materialize", "--oxidize").code == 0
    return made


def test_a_day_leaves_memory_and_handles_as_they_were(repository: GitFolder, tmp_path: Path) -> None:
    rebuilds, searches = amount(3, 100), amount(300, 10_000)
    told: list[Used] = []
    with running_ui(repository.path, log=tmp_path / "ui.log") as ui:

        def search(question: str) -> list[str]:
            address = f"{ui.url}/patina/api/v1/search?q={quote(question)}"
            request = urllib.request.Request(address, headers={"Authorization": f"Bearer {ui.token}"})
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return [hit["file"] or "" for hit in json.loads(answer.read())["hits"]]

        for number in range(rebuilds):
            word = f"rhubarb{number}"
            repository.write(f"src/{word}.py", f"def {word}(value):\n    '''Cook the {word}.'''\n    return value\n")
            repository.commit(f"feat: {word}")
            assert patina("materialize").code == 0
            for turn in range(searches // rebuilds):
                assert search(f"read the {TOPICS[turn % len(TOPICS)]} {turn}")
            # The sensor has seen the new events, and its run has built them.
            ui.wait_for(lambda: f"src/{word}.py" in search(word), f"the index with {word}", PATIENCE)  # noqa: B023
            told.append(used(ui))
            print(f"{number + 1} rebuilds, {(number + 1) * (searches // rebuilds)} searches: {told[-1]}")
    settled = told[len(told) // 3]
    assert told[-1].memory <= MOST_GROWTH * settled.memory
    assert told[-1].handles <= settled.handles + MOST_HANDLES
    assert told[-1].threads <= settled.threads + MOST_HANDLES
