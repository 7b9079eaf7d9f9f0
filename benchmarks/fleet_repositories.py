"""A fleet of generated repositories, in a scratch folder that is removed, and the commands that are run on it."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SEED = 20
WORDS = [
    "tenant",
    "request",
    "limit",
    "bracket",
    "parser",
    "cents",
    "ledger",
    "invoice",
    "token",
    "expiry",
    "cache",
    "page",
    "queue",
    "worker",
    "retry",
    "digest",
    "stream",
    "socket",
    "buffer",
    "colour",
    "font",
    "margin",
    "route",
    "ferry",
    "harbour",
    "glacier",
    "comet",
    "orbit",
    "lens",
    "prism",
    "valve",
    "piston",
]


def commands_environment(folder: Path) -> dict[str, str]:
    """Return the environment of git commands that write commits."""
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in
           (("NAME", "Ada"), ("EMAIL", "ada@example.org"))}  # fmt: skip
    return {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(folder)}


def make_repositories(folder: Path, count: int, seed: int) -> list[Path]:
    """Return bare repositories of a few files and three commits each, all different."""
    made = []
    for number in range(count):
        path = folder / "origins" / f"r{number:05}.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        for _ in range(3):
            commit(folder, path, random.Random(f"{seed} {number} {_}"), number)
        made.append(path)
    return made


def commit(folder: Path, path: Path, chance: random.Random, number: int) -> str:
    """Add a commit to a repository by `git fast-import`, and return its subject."""
    subject = " ".join(chance.sample(WORDS, 5))
    name = "_".join(chance.sample(WORDS, 2))
    body = f'def {name}_{number}():\n    """{" ".join(chance.sample(WORDS, 9))}."""\n    return {number}\n'
    note = f"# {subject}\n\n{' '.join(chance.sample(WORDS, 20))}.\n"
    has_parent = (path / "refs" / "heads" / "main").exists()
    stream = (
        f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_700_000_000 + chance.randrange(10**6)} +0000\n"
    )
    stream += f"data {len(subject)}\n{subject}\n" + ("from refs/heads/main^0\n" if has_parent else "")
    for file, text in ((f"src/{name}.py", body), (f"docs/{name}.md", note)):
        stream += f"M 100644 inline {file}\ndata {len(text)}\n{text}\n"
    done = ["git", f"--git-dir={path}", "fast-import", "--quiet"]
    subprocess.run(done, input=stream.encode(), check=True, env=commands_environment(folder))
    return subject


def commit_broken(folder: Path, path: Path) -> None:
    """Give a repository a recipe that always fails."""
    text = "version: 99\n"
    stream = "commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 6\nBroken\n"
    stream += f"from refs/heads/main^0\nM 100644 inline .patina/oxidize.yaml\ndata {len(text)}\n{text}\n"
    done = ["git", f"--git-dir={path}", "fast-import", "--quiet"]
    subprocess.run(done, input=stream.encode(), check=True, env=commands_environment(folder))


def fleet_file(folder: Path, kept: str, workers: int) -> Path:
    """Write the fleet.toml of the repositories."""
    file = folder / f"{kept}.toml"
    file.write_text(
        f'[fleet]\nfolder = "{folder}/{kept}"\nworkers = {workers}\n[defaults]\nmodel = "english-static"\n'
        f'[[folders]]\npath = "{folder}/origins"\n'
    )
    return file


def patina(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Patina."""
    command = [sys.executable, "-P", "-m", "patina_assets.cli", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def told_of(file: Path, **environment: str) -> list[dict[str, object]]:
    """Return what `patina fleet status` says."""
    done = patina("fleet", "status", "--json", "--file", str(file), **environment)
    return list(json.loads(done.stdout)["projects"])


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder that every user may enter, since Postgres does not run as root."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
