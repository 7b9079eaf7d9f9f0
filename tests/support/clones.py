"""A repository as an attacker publishes it, cloned by a victim, and the command as the victim runs it."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from materialize_helpers import GitFolder
from root import ROOT

from patina_resources.eventlog.schema import EVENTLOG_SQL

# More than any command here takes, less than a hang.
SECONDS = 120.0


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: bytes
    err: bytes

    @property
    def sentence(self) -> str:
        """The one sentence of a refusal."""
        lines = self.err.decode().splitlines()
        assert self.code == 2, self
        assert len(lines) == 1, lines
        return lines[0]


@dataclass(frozen=True)
class Clone:
    """What a victim has after `git clone`."""

    path: Path
    home: Path

    def patina(self, *arguments: str, seconds: float = SECONDS, **environment: str) -> Said:
        """Run a command in the clone."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            [sys.executable, "-m", "patina_assets.cli", *arguments],
            cwd=self.path,
            env=kept | {"PYTHONPATH": str(ROOT), "PATINA_HOME": str(self.home)} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)


class Attacker(GitFolder):
    """A repository with a project in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.write(".patina/config.toml", '[project]\nname = "evil"\n')
        self.write("a.py", "def f():\n    return g()\n")

    def publish(self, target: Path) -> Clone:
        """Commit everything and let a victim clone it."""
        self.git("add", "-A", "-f", ".")
        self.git("commit", "-q", "--allow-empty", "-m", "published")
        self.git("clone", "-q", str(self.path), str(target))
        return Clone(target, target.parent / "mothership")


def content_of(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_eventlog(path: Path, *statements: str, rows: int = 3) -> Path:
    """Make an eventlog as every Patina tool does, and run statements on it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(EVENTLOG_SQL)
        insert = "INSERT INTO eventlog (event_type, timestamp, source_id, data) VALUES (?, '2025', 's', '{}')"
        connection.executemany(insert, [("session.goal",)] * rows)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path
