"""Connections with time limits, whose failures are one sentence without a password."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from patina_resources.errors import PatinaError
from patina_resources.postgres.address import FleetAddress

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

CONNECT_SECONDS = 5
MOST_CONNECTIONS = 8
APPLICATION = "patina"
EXPECTED = "expected postgresql://user@host/database"
INSTALL = "pip install 'patina-assets[fleet-search]'"
# What Postgres says by its codes (appendix A of its manual).
_MEANINGS: Mapping[str, str] = {
    "28P01": "it refused the user or the password",
    "28000": "it refused the user or the password",
    "3D000": "there is no such database",
    "42501": "this login may not do that",
    "53100": "its disk is full",
    "53200": "it has too little memory",
    "53300": "it has too many connections",
    "55P03": "others held for too long what it waited for: try again",
    "57014": "the time limit was over",
    "57P01": "it was shut down",
    "57P03": "it is starting up or shutting down",
}


class StoreError(PatinaError):
    """The store of the fleet cannot be used; the sentence names its place, which is not for everybody who asks."""


@contextmanager
def connected(address: FleetAddress) -> Iterator["psycopg.Connection[Any]"]:
    """Open a connection, and close it at the end of the block. The block says where a transaction begins.

    Raises:
        PatinaError: The library or the server is missing, or the server refuses, now or within the block.
    """
    dsn = _checked(address)
    import psycopg

    with told(address), psycopg.connect(dsn, autocommit=True, application_name=APPLICATION) as connection:
        yield connection


def _checked(address: FleetAddress) -> str:
    """Return the address with a limit of time.

    Raises:
        PatinaError: The library is missing, or the address is none.
    """
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict, make_conninfo
    except ImportError as error:
        raise PatinaError(f"the question goes to Postgres, whose library is not installed: {INSTALL}") from error
    try:
        parts = conninfo_to_dict(address.dsn)
        dsn = make_conninfo(address.dsn, **({} if "connect_timeout" in parts else {"connect_timeout": CONNECT_SECONDS}))
    except psycopg.Error:
        # The library quotes what it could not read, which may be a password.
        raise PatinaError(f"{address.said_by}: not an address of Postgres: {EXPECTED}") from None
    return dsn


@contextmanager
def pooled(address: FleetAddress) -> Iterator["ConnectionPool[Any]"]:
    """Open a few connections for many questions, and close them at the end of the block.

    A connection that a question broke is replaced, and one that is lent is asked first whether it is alive.

    Raises:
        PatinaError: The library is missing, or the address is none. Whether a server is there is seen when it is asked.
    """
    dsn = _checked(address)
    from psycopg_pool import ConnectionPool

    options = {"autocommit": True, "application_name": APPLICATION}
    with ConnectionPool(
        dsn, kwargs=options, min_size=0, max_size=MOST_CONNECTIONS, timeout=2 * CONNECT_SECONDS,
        check=ConnectionPool.check_connection, open=True,
    ) as pool:  # fmt: skip
        yield pool


@contextmanager
def told(address: FleetAddress) -> Iterator[None]:
    """Turn what Postgres or its library raises in the block into one sentence.

    Raises:
        PatinaError: That sentence.
    """
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise StoreError(f"{_place(address)}: {reason_of(error)}") from None


def reason_of(error: "psycopg.Error") -> str:
    """Return what went wrong; never the server's text, which may quote data that is not the asker's."""
    code = error.sqlstate
    if code is not None and code in _MEANINGS:
        return _MEANINGS[code]
    if code is not None:
        return f"it refused the request (SQLSTATE {code})"
    text = str(error)
    known = {"password authentication failed": "28P01", "no password supplied": "28P01", "does not exist": "3D000",
             "starting up": "57P03", "shutting down": "57P03", "too many": "53300"}  # fmt: skip
    meaning = next((_MEANINGS[one] for words, one in known.items() if words in text), None)
    return meaning or "it cannot be reached, or the connection was lost: is it running?"


def _place(address: FleetAddress) -> str:
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(address.dsn)
    host, port = parts.get("host") or "the local socket", parts.get("port")
    return f"{address.said_by}: Postgres at {host}{f':{port}' if port else ''}, database {parts.get('dbname') or '-'}"
