"""What a fleet remembers of each repository: heads that were found, asked for and built, and what failed.

A table, and not Dagster's cursor: of 10,000 projects, that would store 0.66 MB at each tick. It is a file of SQLite in
the fleet's folder, or a table in Postgres, where several machines share it.

A tick may be killed after it has noted a head and before Dagster has its request. So each head is asked for at two
ticks. Dagster drops the second request, which has the same run key, if it has the first.
"""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from patina_resources.errors import PatinaError
from patina_resources.fleet.model import Fleet
from patina_resources.store.folders.own import make_private_folder

DATABASE_VARIABLE = "PATINA_FLEET_DATABASE"
BUSY_SECONDS = 60
# Postgres takes no statement with more parameters than 65,535.
ROWS_AT_ONCE = 500
_TABLE = sa.Table(
    "patina_fleet_projects",
    sa.MetaData(),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("head", sa.String(64), nullable=False, server_default=""),
    sa.Column("fetched_at", sa.Float, nullable=False, server_default="0"),
    sa.Column("fetch_failure", sa.Text, nullable=False, server_default=""),
    sa.Column("asked", sa.String(100), nullable=False, server_default=""),
    sa.Column("times", sa.Integer, nullable=False, server_default="0"),
    sa.Column("asked_at", sa.Float, nullable=False, server_default="0"),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("built", sa.String(100), nullable=False, server_default=""),
    sa.Column("ran_at", sa.Float, nullable=False, server_default="0"),
    sa.Column("seconds", sa.Float, nullable=False, server_default="0"),
    sa.Column("failed", sa.String(100), nullable=False, server_default=""),
    sa.Column("failure", sa.Text, nullable=False, server_default=""),
)


@dataclass(frozen=True)
class Standing:
    """What is remembered of a repository. Wanted builds are `head:settings key`; empty for none.

    Attributes:
        head: The commit that was fetched last.
        fetched_at: When it was last asked for, in seconds since 1970.
        fetch_failure: Why the last fetch failed.
        asked: The build that the sensor asked for last.
        times: At how many ticks it did, in this attempt.
        asked_at: When it did for the last time.
        attempt: How often it had asked for the same before, after that had come to nothing.
        built: The last build that ended well.
        ran_at: When the last run ended.
        seconds: Processor time of the last run, its children included.
        failed: The build that failed last, unless one ended well since.
        failure: Why.
    """

    head: str = ""
    fetched_at: float = 0.0
    fetch_failure: str = ""
    asked: str = ""
    times: int = 0
    asked_at: float = 0.0
    attempt: int = 0
    built: str = ""
    ran_at: float = 0.0
    seconds: float = 0.0
    failed: str = ""
    failure: str = ""


UNKNOWN = Standing()


def wanted_build(head: str, key: str) -> str:
    """Return the name of a build: of a commit, by settings."""
    return f"{head}:{key}"


class FleetMemory:
    """The table."""

    def __init__(self, engine: sa.Engine) -> None:
        """Take the database; the table is made where it is missing."""
        self._engine = engine
        with suppress(PatinaError):  # Postgres refuses all but one of those that make it at the same moment
            self._make()
            return
        self._make()

    def _make(self) -> None:
        self._run(lambda connection: _TABLE.metadata.create_all(connection, checkfirst=True))

    def standings(self) -> dict[str, Standing]:
        """Return what is remembered, by repository.

        Raises:
            PatinaError: The database cannot be used; so for all methods.
        """
        names = [field.name for field in fields(Standing)]
        query = sa.select(_TABLE.c.name, *(_TABLE.c[name] for name in names))
        return {row[0]: Standing(*row[1:]) for row in self._run(lambda connection: connection.execute(query).all())}

    def standing(self, name: str) -> Standing:
        """Return what is remembered of one repository."""
        query = sa.select(*(_TABLE.c[field.name] for field in fields(Standing))).where(_TABLE.c.name == name)
        row = self._run(lambda connection: connection.execute(query).first())
        return UNKNOWN if row is None else Standing(*row)

    def note_fetched(self, name: str, head: str) -> None:
        """Note the head that was found."""
        self._put([{"name": name, "head": head, "fetched_at": time.time(), "fetch_failure": ""}])

    def note_not_fetched(self, name: str, failure: str) -> None:
        """Note why a repository could not be fetched."""
        self._put([{"name": name, "fetched_at": time.time(), "fetch_failure": failure}])

    def note_asked(self, asked: Mapping[str, tuple[str, int]]) -> None:
        """Note the builds that are asked for now, and in which attempt, by repository: all of them, or none."""
        same = sa.and_(
            _TABLE.c.asked == sa.literal_column("excluded.asked", sa.String),
            _TABLE.c.attempt == sa.literal_column("excluded.attempt", sa.Integer),
        )
        again = sa.case((same, _TABLE.c.times + 1), else_=1)
        rows = [
            {"name": name, "asked": build, "attempt": attempt, "times": 1, "asked_at": time.time()}
            for name, (build, attempt) in asked.items()
        ]
        self._put(rows, {"times": again})

    def note_built(self, name: str, build: str, seconds: float) -> None:
        """Note a build that ended well."""
        done = {"built": build, "ran_at": time.time(), "seconds": seconds, "failed": "", "failure": ""}
        self._put([{"name": name, **done}])

    def note_failed(self, name: str, build: str, failure: str, seconds: float) -> None:
        """Note a build that failed, and why."""
        told = {"failed": build, "failure": failure, "ran_at": time.time(), "seconds": seconds}
        self._put([{"name": name, **told}])

    def forget(self, names: Iterable[str]) -> None:
        """Forget repositories that the fleet does not have any more."""
        gone = list(names)
        if gone:
            self._run(lambda connection: connection.execute(sa.delete(_TABLE).where(_TABLE.c.name.in_(gone))))

    def _put(self, rows: Sequence[dict[str, Any]], special: Mapping[str, Any] | None = None) -> None:
        if not rows:
            return
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert

        def write(connection: sa.Connection) -> None:
            for start in range(0, len(rows), ROWS_AT_ONCE):
                statement = insert(_TABLE).values(list(rows[start : start + ROWS_AT_ONCE]))
                changed = {key: statement.excluded[key] for key in rows[0] if key != "name"} | dict(special or {})
                connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))

        self._run(write)

    def _run(self, work: Any) -> Any:  # noqa: ANN401 - what the work returns
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            place = self._engine.url.render_as_string(hide_password=True)
            reason = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
            raise PatinaError(
                f"{place}: the fleet's memory cannot be used ({reason}): make sure that it can be reached and written; "
                "where it is damaged, delete it: every repository is then looked at once more"
            ) from error


def fleet_memory(fleet: Fleet) -> FleetMemory:
    """Return the memory of a fleet: the database of PATINA_FLEET_DATABASE, else a file in the fleet's folder.

    Raises:
        PatinaError: It cannot be used.
    """
    chosen = os.environ.get(DATABASE_VARIABLE)
    if chosen:
        return _opened(_checked_url(chosen))
    make_private_folder(fleet.folder)
    return _opened(URL.create("sqlite", database=str(fleet.database)))


def _checked_url(text: str) -> URL:
    expected = f"{DATABASE_VARIABLE}: expected postgresql+psycopg2://user@host/database"
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise PatinaError(f"{expected}, got something else") from error
    if url.get_backend_name() != "postgresql":
        raise PatinaError(f"{expected}, got {url.drivername}://")
    # Dagster's Postgres needs this driver; one is enough.
    return url.set(drivername="postgresql+psycopg2")


@lru_cache(maxsize=8)
def _opened(url: URL) -> FleetMemory:
    if url.get_backend_name() == "postgresql":
        try:
            return FleetMemory(sa.create_engine(url, pool_pre_ping=True, pool_size=2))
        except ImportError as error:
            raise PatinaError(
                f"{DATABASE_VARIABLE}: psycopg2 is not installed: run `pip install 'patina-assets[fleet]'`"
            ) from error
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA journal_mode = WAL"))
    return FleetMemory(engine)
