"""Dagster's records of one or several projects: the instance in a home of ours, or one sentence why it has none."""

import io
import multiprocessing
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.execution import context_creation_job
from dagster._core.instance import types as event_handlers
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage import sql
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sql import create_engine
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from patina_resources.errors import PatinaError
from patina_resources.store.mutex import exclusive

SHOWN_REASON = 200
MUTEX = "opening.mutex"
WAIT_SECONDS = 60.0
# Each opens its files by the name `create_engine` that it has imported.
STORAGES = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)
NO_OUTPUT = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}
_PREAMBLE = re.compile(r"^(Errors whilst loading .*? Error 1: |Failure condition: )")
_EXPECTED = re.compile(r"\.? Expected: .*$")


@contextmanager
def opened_instance(home: Path, *, keeps_output: bool = True) -> Iterator[dg.DagsterInstance]:
    """Yield the Dagster instance of a home that `prepare_home` or `prepare_workspace` made.

    Args:
        home: The folder.
        keeps_output: Keep what steps print. Dagster starts four processes for each step to do so, between this process
            and its terminal, and Ctrl-C on the terminal reaches them as well. Without it, the instance is for one run,
            and keeps its connections.

    Raises:
        PatinaError: Its settings or its databases cannot be used.
    """
    open_records()
    with nullcontext() if keeps_output else _one_run():
        try:
            # Two processes that open a new home at once would both make Dagster's tables.
            with exclusive(home / MUTEX, WAIT_SECONDS, "opening Dagster's records"):
                reference = InstanceRef.from_dir(str(home), overrides=None if keeps_output else NO_OUTPUT)
                instance = _checked(dg.DagsterInstance.from_ref(reference))
        except PatinaError:
            raise
        except (DBAPIError, OSError) as error:
            raise PatinaError(no_records(home, error)) from error
        except Exception as error:  # whatever a setting names is imported and called
            raise PatinaError(_wrong_settings(home, error)) from error
        with instance:
            yield instance


class KeptConnections(QueuePool):
    """Connections that stay open until `close`, although Dagster disposes of their engine after each event."""

    def dispose(self) -> None:
        """Do nothing."""

    def recreate(self) -> "KeptConnections":
        """Return this pool."""
        return self

    def close(self) -> None:
        """Close them."""
        super().dispose()


class Migrations(ScriptDirectory):
    """The steps from older versions of Dagster's files, read once for each kind of file.

    Each run has a file of its own. Of each new one Dagster asks for the last step, and alembic reads all 88 modules,
    several times, and registers an exit handler each time. That takes 0.2 s, and a server would keep them for a day.
    """

    @classmethod
    def from_config(cls, config: Config) -> ScriptDirectory:
        """Return the steps of a kind of file."""
        return _migrations(config)


@cache
def _migrations(config: Config) -> ScriptDirectory:
    return ScriptDirectory.from_config(config)


def open_records() -> None:
    """Have this process open Dagster's SQLite files so that a write waits for the disk only where a file needs it.

    A crash of the program loses nothing, a power cut at most the last records, and never the file
    (docs/decisions/0026).
    """
    sql.ScriptDirectory = command.ScriptDirectory = Migrations  # type: ignore[attr-defined]
    if _opened_by() is create_engine:
        # A code server starts such a process for each run; it ends with the run.
        executes_one_run = multiprocessing.parent_process() is not None
        _open_by(_kept({}) if executes_one_run else _engine)


def _open_by(engine: Callable[..., Engine]) -> None:
    for storage in STORAGES:
        storage.create_engine = engine  # type: ignore[attr-defined]


def _opened_by() -> Callable[..., Engine]:
    return sqlite_event_log.create_engine  # type: ignore[attr-defined]


def _kept(engines: dict[str, Engine]) -> Callable[..., Engine]:
    """Return what makes one engine for each file, with connections that stay open, and notes it."""

    def made(url: str, **options: object) -> Engine:
        if url not in engines:
            engines[url] = _engine(url, **{**options, "poolclass": KeptConnections})
        return engines[url]

    return made


def _engine(url: str, **options: object) -> Engine:
    """Return the engine of a file of Dagster's."""
    engine = create_engine(url, **options)
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    # Dagster asks for the write-ahead log after it has made its tables one by one; without it each is synced.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


@contextmanager
def _one_run() -> Iterator[None]:
    """Let one run keep its connections to its records, and say once where these cannot be written.

    Dagster opens one for each event that it stores or reads, and closes it: then SQLite folds the write-ahead log into
    the file and syncs both, and SQLAlchemy compiles each statement anew. It also prints each event that it cannot
    store, before it raises what we tell in one sentence.
    """
    engines: dict[str, Engine] = {}
    before = _opened_by()
    _open_by(_kept(engines))
    silent = SimpleNamespace(stderr=io.StringIO(), exc_info=sys.exc_info)
    event_handlers.sys = silent  # type: ignore[assignment, attr-defined]
    try:
        yield
    finally:
        _open_by(before)
        event_handlers.sys = sys  # type: ignore[attr-defined]
        for engine in engines.values():
            if isinstance(engine.pool, KeptConnections):
                engine.pool.close()


def print_no_runs() -> None:
    """Have runs of this process that name no logger print nothing: Dagster would print each of their events.

    Its records hold them all. `patina ui` prints a line for each run that has ended.
    """

    def silent(instance: dg.DagsterInstance | None) -> list[tuple[dg.LoggerDefinition, dict[str, object]]]:
        found = dg.default_system_loggers(instance)
        return [(logger, {**settings, "log_level": "CRITICAL"}) for logger, settings in found]

    context_creation_job.default_system_loggers = silent  # type: ignore[attr-defined]


def no_records(home: Path, error: DBAPIError | OSError) -> str:
    """Return the sentence for databases of Dagster that cannot be read or written."""
    reason = error.orig if isinstance(error, DBAPIError) else error
    # SQLite reports a file that cannot grow as an I/O error.
    return (
        f"{home}: Dagster cannot keep its records of runs there ({reason}): make sure that the disk has room and the "
        "folder can be written, then run `patina oxidize` again; where they are damaged, delete that folder first: "
        "nothing that is built is in it"
    )


def _checked(instance: dg.DagsterInstance) -> dg.DagsterInstance:
    """Return the instance after having made what Dagster would make later, in the middle of a run."""
    _ = instance.run_launcher, instance.run_coordinator, instance.compute_log_manager
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its own logging settings are a beta feature
        instance.get_handlers()
    instance.has_asset_key(dg.AssetKey("any"))
    return instance


def _wrong_settings(home: Path, error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    reason = _EXPECTED.sub("", _PREAMBLE.sub("", words))
    shown = reason if len(reason) <= SHOWN_REASON else f"{reason[: SHOWN_REASON - 3]}..."
    file = home / "dagster.yaml"
    return (
        f"{file}: Dagster cannot use these settings ({shown}): mend the file, or delete it to get the first ones back"
    )
