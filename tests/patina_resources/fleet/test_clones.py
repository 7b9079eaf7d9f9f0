"""Clones of a fleet: what is fetched and checked out, and what a hostile repository gets nothing by."""

import base64
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from materialize_helpers import GitFolder

from patina_resources.errors import PatinaError
from patina_resources.fleet.clones import FetchError, check_out, fetch, fetched_head
from patina_resources.fleet.model import FleetProject

SECONDS = 120.0
PASSWORD = "hunter2"


def entry(root: Path, address: str | Path) -> FleetProject:
    """Return a repository of a fleet."""
    return FleetProject("one", str(address), (), None, None, 0, root)


@pytest.fixture
def origin(tmp_path: Path) -> GitFolder:
    repository = GitFolder(tmp_path / "origin")
    repository.write("src/a.py", "def a():\n    return 1\n")
    repository.commit("Begin")
    return repository


def test_fetch_and_check_out(origin: GitFolder, tmp_path: Path) -> None:
    project = entry(tmp_path / "kept" / "one", origin.path)
    assert fetched_head(project) is None
    with pytest.raises(PatinaError, match="one: is not fetched yet"):
        check_out(project)
    assert fetch(project, SECONDS) == (origin.head(), True)
    assert fetch(project, SECONDS) == (origin.head(), False)
    assert check_out(project) == origin.head()
    assert (project.root / "src" / "a.py").read_text() == "def a():\n    return 1\n"
    first = origin.head()
    origin.write("src/b.py", "b = 1\n")
    (origin.path / "src" / "a.py").unlink()
    second = origin.commit("Replace")
    assert fetch(project, SECONDS) == (second, True)
    assert check_out(project) == second
    assert sorted(path.name for path in (project.root / "src").iterdir()) == ["b.py"]
    # History that is taken back is followed, and what was built stays.
    kept = project.root / ".patina" / "data" / "patina.db"
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    origin.git("reset", "-q", "--hard", first)
    assert fetch(project, SECONDS) == (first, True)
    assert check_out(project) == first
    assert (project.root / "src" / "a.py").exists()
    assert kept.read_text() == "kept"
    config = (project.root / ".git" / "config").read_text()
    assert str(origin.path) not in config


def test_a_git_that_was_killed_holds_nothing_up(origin: GitFolder, tmp_path: Path) -> None:
    project = entry(tmp_path / "kept" / "one", origin.path)
    fetch(project, SECONDS)
    check_out(project)
    head = origin.commit("Go on")
    for name in ("index.lock", "HEAD.lock", "refs/fleet/head.lock"):
        (project.root / ".git" / name).write_text("")
    assert fetch(project, SECONDS).head == head
    for name in ("index.lock", "HEAD.lock"):
        (project.root / ".git" / name).write_text("")
    (project.root / ".git" / "fleet-written").write_text("")  # killed in the middle of a checkout
    (project.root / "src" / "a.py").unlink()
    assert check_out(project) == head
    assert (project.root / "src" / "a.py").exists()


def test_a_clone_whose_making_was_killed_is_made(origin: GitFolder, tmp_path: Path) -> None:
    project = entry(tmp_path / "kept" / "one", origin.path)
    (project.root / ".git").mkdir(parents=True)
    (project.root / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert fetch(project, SECONDS) == (origin.head(), True)
    assert check_out(project) == origin.head()


def test_a_damaged_clone_says_how_it_is_mended(origin: GitFolder, tmp_path: Path) -> None:
    project = entry(tmp_path / "kept" / "one", origin.path)
    fetch(project, SECONDS)
    (project.root / ".git" / "refs" / "fleet" / "head").write_text("")  # as a power failure leaves it
    with pytest.raises(FetchError, match=f"the clone is damaged: delete {project.root},"):
        fetch(project, SECONDS)
    shutil.rmtree(project.root)
    assert fetch(project, SECONDS) == (origin.head(), True)


def test_what_cannot_be_fetched_says_why(origin: GitFolder, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"gone: cannot be fetched \(.*\): try `git ls-remote"):
        fetch(entry(tmp_path / "kept" / "one", tmp_path / "gone"), SECONDS)
    GitFolder(tmp_path / "empty")
    with pytest.raises(FetchError, match="empty: has no commits yet"):
        fetch(entry(tmp_path / "kept" / "two", tmp_path / "empty"), SECONDS)
    project = entry(tmp_path / "kept" / "three", origin.path)
    head = fetch(project, SECONDS).head
    origin.path.rename(tmp_path / "moved")
    with pytest.raises(FetchError):
        fetch(project, SECONDS)
    assert check_out(project) == head  # what was fetched before stays


def test_a_repository_runs_nothing(origin: GitFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    script.chmod(0o755)
    # What the attacker can write: settings of the source, attributes, a submodule, links.
    for name in ("uploadpack.packObjectsHook", "core.fsmonitor", "core.sshCommand", "core.gitProxy"):
        origin.git("config", name, str(script))
    origin.write(".gitattributes", "* filter=evil diff=evil merge=evil\n")
    origin.write(".gitmodules", f'[submodule "m"]\n\tpath = m\n\turl = ext::{script}\n')
    (origin.path / "link").symlink_to(tmp_path / "outside")
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{origin.head()},m")
    for hook in ("post-checkout", "post-merge", "reference-transaction", "pre-auto-gc"):
        path = origin.path / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(script.read_bytes())
        path.chmod(0o755)
    origin.git("add", ".gitattributes", ".gitmodules", "link")
    origin.git("commit", "-q", "-m", "Attack")
    # What the user has set up for other repositories must not be reached by attributes.
    home = Path(os.environ["HOME"])
    (home / ".gitconfig").write_text(
        f'[filter "evil"]\n\tsmudge = {script}\n\tclean = {script}\n\trequired = true\n'
        f"[core]\n\thooksPath = {origin.path}/.git/hooks\n\tfsmonitor = {script}\n[submodule]\n\trecurse = true\n"
    )
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(script))
    assert ran.exists()  # the attacker's own git runs it
    ran.unlink()
    project = entry(tmp_path / "kept" / "one", origin.path)
    head = fetch(project, SECONDS).head
    assert check_out(project) == head
    assert (project.root / "src" / "a.py").read_text().startswith("def a()")
    assert (project.root / "link").is_symlink()
    assert not ran.exists()
    assert not (tmp_path / "outside").exists()


@dataclass
class PasswordServer:
    """A repository behind a password, served as plain files on loopback."""

    url: str
    refused: int = 0


@pytest.fixture
def password_server(origin: GitFolder, tmp_path: Path) -> Iterator[PasswordServer]:
    bare = tmp_path / "served" / "one.git"
    origin.git("clone", "-q", "--bare", str(origin.path), str(bare))
    subprocess.run(["git", "--git-dir", str(bare), "update-server-info"], check=True)
    wanted = "Basic " + base64.b64encode(f"ada:{PASSWORD}".encode()).decode()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(bare.parent))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if self.headers.get("Authorization") != wanted:
                found.refused += 1
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            super().do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = PasswordServer(f"http://127.0.0.1:{server.server_address[1]}/one.git")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


def test_credentials_come_from_gits_helpers_and_are_not_kept(
    origin: GitFolder, password_server: PasswordServer, tmp_path: Path
) -> None:
    project = entry(tmp_path / "kept" / "one", password_server.url)
    with pytest.raises(FetchError, match="cannot be fetched"):
        fetch(project, SECONDS)
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\necho username=ada\necho password={PASSWORD}\n")
    helper.chmod(0o755)
    (Path(os.environ["HOME"]) / ".gitconfig").write_text(f"[credential]\n\thelper = {helper}\n")
    assert fetch(project, SECONDS).head == origin.head()
    assert password_server.refused >= 2
    kept = [
        path for path in (tmp_path / "kept").rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()
    ]
    assert kept == []


def test_a_host_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/one.git"
        with pytest.raises(FetchError, match="was not fetched within 1 s: raise"):
            fetch(entry(tmp_path / "kept" / "one", address), 1.0)
