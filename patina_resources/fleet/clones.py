"""The clones of a fleet: fetched from other machines, and checked out where nothing of a repository is run.

Fetching is the one thing here that reaches a network. It takes the user's own configuration of git for that: credential
helpers, proxies, certificates, ssh. Nothing of it is stored, the address is not, either. Checking out takes no
configuration but what `SAFE_CONFIGURATION` says, so that no filter and no hook is run.
"""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from patina_resources.errors import PatinaError
from patina_resources.fleet.borrowing import git_folder, leads_out
from patina_resources.fleet.model import FleetProject
from patina_resources.materialize.git.command import OWN_CONFIGURATION, SAFE_ENVIRONMENT, git_program, run_git
from patina_resources.materialize.git.head import commit_of
from patina_resources.store.child_environment import child_environment
from patina_resources.store.files import write_if_changed
from patina_resources.store.folders.own import make_private_folder
from patina_resources.store.folders.removal import remove
from patina_resources.store.mutex import exclusive

# What was fetched last.
FETCHED = "refs/fleet/head"
# Below the git folder: the commit whose files are all written.
WRITTEN = "fleet-written"
MUTEX = "fleet.mutex"
WAIT_SECONDS = 900.0
EXCLUDED = b"/.patina/\n"
LONGEST_REASON = 300
FETCH_CONFIGURATION = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "gc.autoDetach=false",
    "gc.packRefs=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "maintenance.autoDetach=false",
    "submodule.recurse=false",
)
# What the user's own shell says of how to reach a host; everything else of git's environment is left out.
OWN_ACCESS = (*OWN_CONFIGURATION, "GIT_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
# What a git that was killed leaves behind, below the git folder. The mutex says that none is at work.
LEFT_BEHIND = ("*.lock", "refs/fleet/*.lock")
# On the side that is fetched from: the folder that is named, and none that is looked for in it or beside it.
EXACTLY = "--upload-pack=git-upload-pack --strict"


class FetchError(PatinaError):
    """A repository could not be fetched: whether the host, the access or the network is at fault, git says."""


class FetchedHead(NamedTuple):
    """What a fetch found.

    Attributes:
        head: The commit of the other side's HEAD.
        moved: Whether it is another one than before.
    """

    head: str
    moved: bool


def fetched_head(project: FleetProject) -> str | None:
    """Return the commit that was fetched last; None for none. No process is started."""
    return commit_of(_git_folder(project), FETCHED)


def remote_head(project: FleetProject, seconds: float) -> str:
    """Return the commit of the other side's HEAD. Nothing is brought here, and there need not be a clone.

    Args:
        project: The repository.
        seconds: How long that may take.

    Raises:
        FetchError: Git failed, or took longer, or there are no commits, or the repository leads out of its folder.
    """
    local = _local_head(project.address)
    if local is not None:
        return local
    printed = _run(project, ["ls-remote", "--quiet", *_source(project), "HEAD"], Path("/"), seconds)
    head = printed.split(b"\t")[0].decode("ascii", "replace")
    if not printed:
        raise FetchError(f"{project.address}: has no commits yet")
    return head


def fetch(project: FleetProject, seconds: float) -> FetchedHead:
    """Bring a repository's HEAD, and what it reaches, into its clone, which is made where there is none.

    Args:
        project: The repository.
        seconds: How long that may take.

    Raises:
        FetchError: Git failed, or took longer, or the repository leads out of its folder. What was fetched before
            stays.
        PatinaError: The clone cannot be written, or another process holds it for too long.
    """
    before = fetched_head(project)
    if before is not None and before == _local_head(project.address):
        return FetchedHead(before, moved=False)
    make_private_folder(project.root)
    with exclusive(_mutex(project), WAIT_SECONDS, f"fetching {project.name}") as held:
        _prepare(project, held)
        _run_fetch(project, seconds, held)
    head = fetched_head(project)
    if head is None:
        raise FetchError(f"{project.address}: has no commits yet")
    return FetchedHead(head, moved=head != before)


def check_out(project: FleetProject, settings: str = "") -> str:
    """Check out what was fetched last, and return its commit. Only files that differ are written.

    Args:
        project: The repository.
        settings: What the fleet's own recipe and settings in the checkout were made from. If that is not what it was,
            they are taken away, and those of the repository are there again.

    Raises:
        PatinaError: Nothing was fetched, or git cannot write the files.
    """
    head = fetched_head(project)
    if head is None:
        raise PatinaError(f"{project.name}: is not fetched yet: run `patina fleet fetch`")
    folder = _git_folder(project)
    written = folder / WRITTEN
    done_as = f"{head} {settings}".encode()
    if written.is_file() and written.read_bytes() == done_as:
        return head
    with exclusive(_mutex(project), WAIT_SECONDS, f"checking out {project.name}") as held:
        _remove_left_behind(folder)
        write_if_changed(written, b"")  # git may be killed in the middle
        _remove_settings(project)
        arguments = [f"--git-dir={folder}", f"--work-tree={project.root}", "checkout", "--quiet", "--force", "--detach"]
        done = run_git([*arguments, head], project.root, {}, inherits=(held,))
        if done.returncode:
            raise PatinaError(f"{project.name}: cannot be checked out ({_reason(done.stderr)}): see {project.root}")
        write_if_changed(written, done_as)
    return head


def _remove_settings(project: FleetProject) -> None:
    patina = project.root / ".patina"
    if not patina.is_symlink():
        remove((patina / "config.toml", patina / "oxidize.yaml"), inside=patina)


def _prepare(project: FleetProject, held: int) -> None:
    folder = _git_folder(project)
    # `git init` that was killed has made HEAD, and not what it makes last.
    if not ((folder / "HEAD").exists() and (folder / "objects").is_dir()):
        done = run_git(["init", "--quiet", "--template=", str(project.root)], project.root, {}, inherits=(held,))
        if done.returncode:
            raise PatinaError(f"{project.root}: no clone can be made here ({_reason(done.stderr)})")
    _remove_left_behind(folder)
    write_if_changed(folder / "info" / "exclude", EXCLUDED)


def _run_fetch(project: FleetProject, seconds: float, held: int) -> None:
    options = [
        "--quiet",
        "--force",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--update-shallow",
    ]
    command = [f"--git-dir={_git_folder(project)}", "fetch", *options, *_source(project), f"+HEAD:{FETCHED}"]
    _run(project, command, project.root, seconds, held)


def _source(project: FleetProject) -> list[str]:
    """Return by which arguments git finds the repository on the other side.

    Raises:
        FetchError: It leads to another folder of this machine, and the fleet does not say that it may.
    """
    if not project.address.startswith("/"):
        return ["--", project.address]
    found = None if project.borrows else leads_out(project.address)
    if found is not None:
        raise FetchError(
            f"{project.address}: {found} leads git to what lies elsewhere, or hides whether it does: name the "
            "repository that it belongs to, or set borrows = true in fleet.toml if you trust who can write there"
        )
    return [EXACTLY, "--", str(git_folder(project.address))]


def _run(project: FleetProject, command: list[str], folder: Path, seconds: float, *inherits: int) -> bytes:
    """Return what a git command prints that may reach the repository's host.

    Raises:
        FetchError: It failed, or took longer.
    """
    settings = [part for setting in FETCH_CONFIGURATION for part in ("-c", setting)]
    process = subprocess.Popen(  # noqa: S603 - a fixed program and no shell
        [git_program(), *settings, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(project.address),
        cwd=folder,
        pass_fds=inherits,
        start_new_session=True,  # ssh asks for nothing where there is no terminal
    )
    try:
        printed, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise FetchError(
            f"{project.address}: was not fetched within {seconds:g} s: raise [fleet] fetch_seconds if it is large"
        ) from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        if b"couldn't find remote ref HEAD" in errors:
            raise FetchError(f"{project.address}: has no commits yet")
        # It holds the mutex of a clone: it writes to one.
        damaged = f"; if that works, the clone is damaged: delete {project.root}, to fetch and build it anew"
        raise FetchError(
            f"{project.address}: cannot be fetched ({_reason(errors)}): try `git ls-remote {project.address}`"
            f"{damaged if inherits else ''}"
        )
    return printed


def _environment(address: str) -> dict[str, str]:
    inherited = {name: value for name, value in child_environment().items() if not name.startswith(("GIT_", "LC_"))}
    own = {name: os.environ[name] for name in OWN_ACCESS if name in os.environ}
    kept = {name: value for name, value in SAFE_ENVIRONMENT.items() if name not in OWN_CONFIGURATION}
    allowed = "file" if address.startswith("/") else "http" if address.startswith("http:") else "https:ssh"
    return inherited | kept | own | {"GIT_ALLOW_PROTOCOL": allowed}


def _local_head(address: str) -> str | None:
    """Return the HEAD of a repository on this machine, without a process; None where it is elsewhere."""
    return commit_of(git_folder(address), "HEAD") if address.startswith("/") else None


def _remove_left_behind(folder: Path) -> None:
    remove((path for pattern in LEFT_BEHIND for path in folder.glob(pattern)), inside=folder)


def _git_folder(project: FleetProject) -> Path:
    return project.root / ".git"


def _mutex(project: FleetProject) -> Path:
    return project.root.with_name(f".{project.root.name}.{MUTEX}")


def _reason(stderr: bytes) -> str:
    """Return what git said, on one line and without a name or a password in an address."""
    text = "; ".join(line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip())
    return re.sub(r"//[^/@\s]*+@", "//", text)[:LONGEST_REASON] or "no message"
