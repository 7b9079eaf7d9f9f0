"""How an eventlog is opened for writing, and what is made of it where it is new."""

import functools
import sqlite3
from contextlib import closing
from pathlib import Path

from patina_resources.documents.json_value import is_shallow_json
from patina_resources.eventlog.known_schema import refuse_foreign_schema
from patina_resources.eventlog.payloads import SHALLOW_FUNCTION
from patina_resources.eventlog.schema import APPLICATION_ID, EVENTLOG_SQL, LIVE_SQL, STATE_SQL, VIEWS_SQL
from patina_resources.store.database import harden

CACHE_KIBIBYTES = 65_536


def prepare_connection(connection: sqlite3.Connection) -> None:
    """Have a connection run nothing that a schema says, and keep a write-ahead log where it can.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    harden(connection)
    if not _own_check_is_trusted():
        # Nothing but that check runs on a write: `refuse_foreign_schema` has seen to it.
        connection.execute("PRAGMA trusted_schema = ON")
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.create_function(SHALLOW_FUNCTION, 1, is_shallow_json, deterministic=True)
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    # A file that someone else holds open keeps its journal mode: slower for readers, and nothing else.
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise


@functools.cache
def _own_check_is_trusted() -> bool:
    """Return whether this SQLite takes `json_valid` for harmless: older versions have forgotten to say so."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(EVENTLOG_SQL)
        connection.execute("PRAGMA trusted_schema = OFF")
        try:
            connection.execute("INSERT INTO eventlog VALUES (1, '', '', '', NULL, '{}')")
        except sqlite3.OperationalError:
            return False
    return True


def create_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables that are not there; the caller holds the lock.

    Raises:
        PatinaError: It is not an eventlog that may be written to.
    """
    # Asked again, now that nobody else can change it.
    if refuse_foreign_schema(connection, path):
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    # Statement by statement: `executescript` would end the transaction.
    for script in (EVENTLOG_SQL, STATE_SQL, VIEWS_SQL):
        statement = ""
        for line in script.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                connection.execute(statement)
                statement = ""
    connection.execute(LIVE_SQL)
