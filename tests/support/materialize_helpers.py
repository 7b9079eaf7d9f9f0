"""Small git repositories with fixed times, and what the eventlog says about them."""

import json
import os
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from patina_resources.materialize.report import ScraperReport
from patina_resources.materialize.run import materialize

FIRST_SECOND = 1_700_000_000
# No second process of git after each commit.
NOT_TIDIED = ("-c", "gc.auto=0", "-c", "maintenance.auto=false")


class GitFolder:
    """A git repository in a temporary folder; every commit is one minute after the last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._commits = 0
        path.mkdir(parents=True, exist_ok=True)
        if (path / ".git").exists():
            self._commits = int(self.git("rev-list", "--count", "HEAD"))
        else:
            self.git("init", "-q", "-b", "main")

    @property
    def eventlog(self) -> Path:
        return self.path / ".patina" / "data" / "patina.db"

    def git(self, *arguments: str | bytes, stdin: bytes = b"") -> bytes:
        moment = f"{FIRST_SECOND + 60 * self._commits} +0200"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment = kept | {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
            "GIT_AUTHOR_DATE": moment,
            "GIT_COMMITTER_DATE": moment,
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=environment, input=stdin, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def write(self, path: str, content: str | bytes) -> Path:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    def commit(self, message: str, *options: str) -> str:
        """Commit everything; return the sha."""
        self._commits += 1
        self.git("add", "-A", "--", ".", ":!.patina")
        self.git(*NOT_TIDIED, "commit", "-q", "--allow-empty", "-m", message, *options)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD").decode().strip()


def scrape(reader: str, folder: GitFolder, **options: object) -> ScraperReport:
    """Let one reader read a repository into its eventlog."""
    (report,) = materialize(folder.path, folder.eventlog, only=[reader], **options)  # type: ignore[arg-type]
    return report


def rows(eventlog: Path, kind: str = "") -> list[dict[str, Any]]:
    """Return every event of a kind, with its payload parsed."""
    connection = sqlite3.connect(f"file:{eventlog}?mode=ro", uri=True)
    try:
        query = (
            "SELECT seq, event_type, timestamp, source_id, source_file, data FROM eventlog "
            "WHERE event_type GLOB ? ORDER BY seq"
        )
        names = ("seq", "event_type", "timestamp", "source_id", "source_file", "data")
        found = [dict(zip(names, row, strict=True)) for row in connection.execute(query, (f"{kind}*",))]
    finally:
        connection.close()
    for row in found:
        row["data"] = json.loads(row["data"])
    return found


def live(eventlog: Path, kind: str = "") -> list[dict[str, Any]]:
    """Return the events that no later one took back."""
    taken_back = {
        seq for row in rows(eventlog) if row["event_type"].endswith(".removed") for seq in row["data"]["seqs"]
    }
    return [
        row
        for row in rows(eventlog, kind)
        if row["seq"] not in taken_back and not row["event_type"].endswith(".removed")
    ]


def after(eventlog: Path, seq: int) -> Counter[str]:
    """Return how many events of each type were appended after `seq`."""
    return Counter(row["event_type"] for row in rows(eventlog) if row["seq"] > seq)


def last_seq(eventlog: Path) -> int:
    return max((row["seq"] for row in rows(eventlog)), default=0)
