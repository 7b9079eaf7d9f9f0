"""Functions as the pair types that learn from code read them: their SQL, and contexts that reach across files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from patina_assets.pairs.code_text import normal_path_sql
from patina_assets.pairs.items import Context, Item, dealt
from patina_assets.pairs.splits import BUILD_SPLITS, Split, Splits
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.payloads import parsed
from patina_resources.eventlog.reader import Row, Source


def _qualified_name_sql(plain_name: str) -> str:
    """Return the SQL of a name as callers have it: `path::Class.method`, a source_id, holds it behind the path."""
    return (
        f"CASE WHEN substr(source_id, 1, length(path) + 2) = path || '::' THEN substr(source_id, length(path) + 3) "
        f"ELSE {plain_name} END"
    )


# One row for each name of a file. A declaration (`is_declaration`: of C++ in a header, of an overload) counts where
# nothing of its name is defined. Of several definitions of one name, the one with the longest list of parameters
# counts: it tells most, wherever they stand and whenever they were read. Events of older tools, which have no digest,
# are not taken back when a later scan finds another form: there, the latest form counts.
FUNCTIONS_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT timestamp, source_id, data
    FROM eventlog
    WHERE event_type = 'code.function' AND {LIVE}
), function AS (
    SELECT CASE WHEN json_type(data, '$.digest') IS NOT 'text' THEN timestamp END AS scanned, source_id,
           COALESCE(json_extract(data, '$.file'), json_extract(data, '$.file_path')) AS path,
           json_extract(data, '$.name') AS plain_name,
           json_extract(data, '$.is_declaration') IS TRUE AS declared,
           CASE json_type(data, '$.parameters') WHEN 'array' THEN json_extract(data, '$.parameters') END AS parameters,
           CASE json_type(data, '$.return_type') WHEN 'text' THEN json_extract(data, '$.return_type') END AS returned
    FROM event
), placed AS (
    SELECT *, {normal_path_sql("path")} AS file, {_qualified_name_sql("plain_name")} AS name
    FROM function
    WHERE typeof(path) = 'text' AND typeof(plain_name) = 'text'
), ranked AS (
    SELECT file, name, parameters, returned, declared, MAX(NOT declared) OVER (PARTITION BY name) AS defined,
           ROW_NUMBER() OVER (PARTITION BY file, name
                              ORDER BY declared, scanned DESC, length(parameters) DESC, parameters, returned) AS place
    FROM placed
)
SELECT file, name, parameters, returned
FROM ranked
WHERE place = 1 AND NOT (declared AND defined)
ORDER BY file, name
"""
FUNCTIONS = Source("code.functions", FUNCTIONS_SQL)
# Classes, enumerations, constants: what calls beside functions. Only newer scans say by what name they call.
TYPES_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT source_id, data
    FROM eventlog
    WHERE event_type = 'code.type' AND {LIVE}
), type AS (
    SELECT source_id, json_extract(data, '$.file') AS path, json_extract(data, '$.name') AS plain_name,
           json_extract(data, '$.kind') AS kind
    FROM event
    WHERE json_type(data, '$.digest') = 'text'
)
SELECT {normal_path_sql("path")} AS file, {_qualified_name_sql("plain_name")} AS qualified_name, MIN(kind)
FROM type
WHERE typeof(path) = 'text' AND typeof(plain_name) = 'text' AND typeof(kind) = 'text'
GROUP BY 1, 2
ORDER BY 1, 2
"""
TYPES = Source("code.types", TYPES_SQL)
# What each file imports: the path of a module, and a name that is taken from it. No pair type reads it.
IMPORTS_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT data FROM eventlog WHERE event_type = 'code.import' AND {LIVE}
), imported AS (
    SELECT json_extract(data, '$.file') AS file, json_extract(data, '$.import_path') AS module, data FROM event
)
SELECT DISTINCT file, module, name.value
FROM imported, json_each(CASE json_type(data, '$.imported_names') WHEN 'array' THEN data ELSE '{{}}' END,
                         '$.imported_names') AS name
WHERE typeof(file) = 'text' AND typeof(module) = 'text' AND name.type = 'text'
ORDER BY 1, 2, 3
"""
IMPORTS = Source("code.imports", IMPORTS_SQL)
# Groups are small: every pair in them is related, and their number should stay linear in the number of functions.
GROUP = 32


@dataclass(frozen=True)
class Function:
    """One function: its parameters as written in the source (`path: &Path`), and its return type or ""."""

    file: str
    name: str
    parameters: tuple[str, ...]
    returned: str

    @property
    def identity(self) -> str:
        """What it is while its parameters change."""
        return f"{self.file}::{self.name}"

    def told_parameters(self) -> str:
        """Return the parameters as `a, b`."""
        return ", ".join(self.parameters)


def read_functions(rows: Iterable[Row]) -> list[Function]:
    """Return the functions of the rows of `FUNCTIONS`."""
    return [Function(file, name, _texts(parameters), returned or "") for file, name, parameters, returned in rows]


def contexts_across_files(functions: Sequence[Item], splits: Splits = BUILD_SPLITS) -> list[Context]:
    """Return contexts of functions that belong together, no two of one file, every function in at least one.

    `dealt` puts functions whose hashes begin alike into groups. The first of each file in a group is in the context of
    that group. Each other one has a context with those that follow it in the order of hashes. A function that comes or
    goes thus changes the relations of few others, and of the same few whatever was there before.

    A pair belongs to the later of the parts of its two files: what is tested touches a file that training never saw.
    The context of a part holds the members of earlier parts too; what these relate, the earlier parts' contexts relate.
    """
    groups = dealt(functions, GROUP, _name)
    followers = _followers([function for group in groups for function in group])
    contexts = []
    for group in groups:
        first_of_file: dict[str, Item] = {}
        for function in group:
            first_of_file.setdefault(function.file or "", function)
        chosen = list(first_of_file.values()) if len(first_of_file) > 1 else []
        contexts += _by_part(chosen, splits)
        together = set(chosen)
        for function in group:
            if function not in together and followers[function]:
                contexts += _by_part((function, *followers[function]), splits)
    return contexts


def _followers(ring: Sequence[Item]) -> dict[Item, tuple[Item, ...]]:
    """Return for each function the next ones behind it, round the ring, each of another file: few where files are few.

    As many as half of the files: so about as many pairs are related as by contexts with one function of each file.
    """
    files = len({function.file or "" for function in ring})
    most = min(GROUP // 2, max(files // 2, 1))
    nearest: dict[str, Item] = {}
    found: dict[Item, tuple[Item, ...]] = {}
    for function in reversed([*ring, *ring]):
        file = function.file or ""
        nearest.pop(file, None)
        found[function] = tuple(islice(reversed(nearest.values()), most))
        nearest[file] = function
    return found


def _by_part(group: Sequence[Item], splits: Splits) -> list[Context]:
    part_of = {item: splits.by_hash(item.file or "") for item in group}
    contexts = []
    for split in Split:
        members = tuple(item for item in group if part_of[item] <= split)
        if len(members) >= 2 and split in {part_of[item] for item in members}:
            contexts.append(Context(members, split))
    return contexts


def _name(function: Item) -> str:
    """Return what a function is called while its parameters change."""
    return f"{function.file}\0{function.identity or function.text}"


def _texts(parameters: str | None) -> tuple[str, ...]:
    return tuple(text for text in parsed(parameters) if isinstance(text, str)) if parameters else ()
