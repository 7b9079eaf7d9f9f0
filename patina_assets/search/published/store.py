"""The tables of a fleet in Postgres: made once, and refused where they are of another version or model."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, LiteralString

from patina_resources.errors import PatinaError
from patina_resources.postgres.connection import StoreError

if TYPE_CHECKING:
    import psycopg

# Raised when schema.sql changes, or what rows of the same passages hold.
STORE_VERSION = 3
# Below 0.8, an index of vectors gives up before it has found enough of what a filter lets through.
LEAST_VECTOR = (0, 8)
READER = "patina_reader"
# One publisher at a time makes the tables: the number stands for that in the whole database.
MAKING = 0x70617469
SEES_TOO_MUCH = f"the role {READER} may see all rows: expected one without SUPERUSER and BYPASSRLS"
ANY_GROUP = "*"


@dataclass(frozen=True)
class SharedModel:
    """The base model that all published vectors are of.

    Attributes:
        name: As a recipe names it.
        digest: Of its bytes.
        settings: What else decides a vector.
        dims: Length of a vector.
    """

    name: str
    digest: str
    settings: str
    dims: int


def stored_model(connection: "psycopg.Connection[Any]") -> SharedModel:
    """Return the model of the store.

    Raises:
        PatinaError: Nothing was published, or by another version of Patina.
    """
    if not is_made(connection):
        raise StoreError("the database of the fleet holds nothing yet: run `patina fleet publish`")
    # As a whole: another version may have other columns.
    (row,) = _one(connection, "SELECT to_jsonb(store) FROM patina.store")
    version = int(row["version"])
    if version != STORE_VERSION:
        older = "an older" if version < STORE_VERSION else "a newer"
        raise StoreError(
            f"the database of the fleet was made by {older} Patina (tables of version {version}, expected "
            f"{STORE_VERSION}): use that Patina, or drop the schema `patina` there and publish everything again"
        )
    return SharedModel(row["model"], row["model_digest"], row["model_settings"], row["dims"])


def made_for(connection: "psycopg.Connection[Any]", model: SharedModel) -> None:
    """Make the tables where there are none. What is there must be of this model.

    Raises:
        PatinaError: Postgres lacks what the tables need, or they are of another version or model.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
        if not is_made(connection):
            _make(connection, model)
    stored = stored_model(connection)
    if (stored.digest, stored.settings, stored.dims) != (model.digest, model.settings, model.dims):
        raise PatinaError(
            f"the fleet's vectors are of {stored.name} ({stored.digest[:12]}), those here of {model.name} "
            f"({model.digest[:12]}): vectors of two models cannot be compared: set the fleet's model in the recipe"
        )


def _make(connection: "psycopg.Connection[Any]", model: SharedModel) -> None:
    _require_vector(connection)
    has_role = _one(connection, "SELECT count(*) FROM pg_roles WHERE rolname = %s", READER)[0]
    if not has_role:
        _do_as_administrator(connection, f"CREATE ROLE {READER} NOLOGIN")
    elif _one(connection, "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = %s", READER)[0]:
        raise PatinaError(SEES_TOO_MUCH)
    connection.execute(_schema().replace("{dims}", str(int(model.dims))).encode())
    # Who made the tables may publish, and ask as any group.
    connection.execute("INSERT INTO patina.login VALUES (session_user, %s)", ([ANY_GROUP],))
    if not _may_become_reader(connection):
        _do_as_administrator(connection, f"GRANT {READER} TO CURRENT_USER")
    connection.execute(
        "INSERT INTO patina.store (version, model, model_digest, model_settings, dims) VALUES (%s, %s, %s, %s, %s)",
        (STORE_VERSION, model.name, model.digest, model.settings, model.dims),
    )


def _require_vector(connection: "psycopg.Connection[Any]") -> None:
    """Return if pgvector is there and new enough.

    Raises:
        PatinaError: It is not.
    """
    if not _one(connection, "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'")[0]:
        raise PatinaError("Postgres has no pgvector: install it on the server (package postgresql-NN-pgvector)")
    if not _one(connection, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'")[0]:
        _do_as_administrator(connection, "CREATE EXTENSION vector")
    version = str(_one(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")[0])
    if tuple(int(part) for part in version.split(".")[:2]) < LEAST_VECTOR:
        raise PatinaError(f"Postgres has pgvector {version}: expected 0.8 or newer; then ALTER EXTENSION vector UPDATE")


def _may_become_reader(connection: "psycopg.Connection[Any]") -> bool:
    """Return whether this login may take the reader's role. To be its member is not enough, from Postgres 16 on."""
    import psycopg

    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL ROLE {READER}")
            connection.execute("SET LOCAL ROLE NONE")
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def _do_as_administrator(connection: "psycopg.Connection[Any]", statement: LiteralString) -> None:
    """Run a statement for which many logins have no right.

    Raises:
        PatinaError: This login has none.
    """
    import psycopg

    try:
        connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        raise StoreError(
            f"this login may not run `{statement}`: ask the server's administrator to do so once"
        ) from None


def is_made(connection: "psycopg.Connection[Any]") -> bool:
    """Return whether there are tables of a fleet, of whatever version."""
    return bool(_one(connection, "SELECT to_regclass('patina.store') IS NOT NULL")[0])


def _one(connection: "psycopg.Connection[Any]", query: LiteralString, *values: object) -> tuple[Any, ...]:
    row = connection.execute(query, values or None).fetchone()
    assert row is not None  # noqa: S101 - each of these queries gives one row
    return tuple(row)


@cache
def _schema() -> str:
    return files(__package__).joinpath("schema.sql").read_text()
