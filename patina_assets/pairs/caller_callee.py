"""`caller_callee`: a function and one that it calls belong together; unrelated functions do not."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from patina_assets.pairs.code_text import function_text, normal_path, normal_path_sql
from patina_assets.pairs.relations import Context, Item, PairData, PairType, split_by_hash
from patina_resources.eventlog import NOT_RETRACTED, Row, Source

CALL_GRAPH_SQL = f"""
WITH event AS (
    SELECT seq, CASE WHEN json_valid(data) THEN data ELSE '{{}}' END AS data
    FROM eventlog
    WHERE event_type = 'code.call' AND {NOT_RETRACTED}
), call AS (
    SELECT seq,
           COALESCE(json_extract(data, '$.file'), json_extract(data, '$.file_path')) AS file,
           COALESCE(json_extract(data, '$.caller'), json_extract(data, '$.caller_name')) AS caller,
           COALESCE(json_extract(data, '$.callee'), json_extract(data, '$.callee_name')) AS callee
    FROM event
)
SELECT MIN(seq), file, caller, callee
FROM call
WHERE typeof(file) = 'text' AND typeof(caller) = 'text' AND typeof(callee) = 'text' AND caller <> '<module>'
GROUP BY file, caller, callee
ORDER BY MIN(seq)
"""

# A later scan emits a function again: its latest form counts, at the place where it was first seen.
FUNCTIONS_SQL = f"""
WITH event AS (
    SELECT seq, source_id, CASE WHEN json_valid(data) THEN data ELSE '{{}}' END AS data
    FROM eventlog
    WHERE event_type = 'code.function' AND {NOT_RETRACTED}
), function AS (
    SELECT seq, source_id,
           COALESCE(json_extract(data, '$.file'), json_extract(data, '$.file_path')) AS path,
           json_extract(data, '$.name') AS plain_name,
           CASE json_type(data, '$.parameters') WHEN 'array' THEN json_extract(data, '$.parameters') END AS parameters,
           CASE json_type(data, '$.return_type') WHEN 'text' THEN json_extract(data, '$.return_type') END AS returned
    FROM event
), placed AS (
    SELECT *, {normal_path_sql("path")} AS file,
           -- `path::Class.method` holds the name as callers have it.
           CASE WHEN substr(source_id, 1, length(path) + 2) = path || '::' THEN substr(source_id, length(path) + 3)
                ELSE plain_name END AS name
    FROM function
    WHERE typeof(path) = 'text' AND typeof(plain_name) = 'text'
), ranked AS (
    SELECT MIN(seq) OVER (PARTITION BY file, name) AS first_seq, file, name, parameters, returned,
           ROW_NUMBER() OVER (PARTITION BY file, name ORDER BY seq DESC) AS age
    FROM placed
)
SELECT first_seq, file, name, parameters, returned
FROM ranked
WHERE age = 1
ORDER BY first_seq
"""


def derive(rows: Mapping[str, Sequence[Row]]) -> PairData:
    """Return every function as an item, and every call between two of them as a context of two.

    A callee is a name in a caller's file. It is resolved to a function of that name: in the file itself, else in
    a file or folder named by its qualifier (`secrets::add` -> `secrets.rs`), else the only one there is. Calls that
    resolve to nothing, or to one of several, are left out: so library calls (`to_string`, `len`) carry no signal.
    A call belongs to the later of the parts of its two files: what is tested touches a file that training never saw.
    """
    first_seq: dict[tuple[str, str], int] = {}
    signature: dict[tuple[str, str], tuple[str, str]] = {}
    for seq, file, name, parameters, returned in rows[FUNCTIONS.name]:
        first_seq[(file, name)] = seq
        signature[(file, name)] = (_plain(parameters), returned or "")
    for seq, file, caller, _ in rows[CALL_GRAPH.name]:
        first_seq.setdefault((normal_path(file), caller), seq)
    items = {
        (file, name): Item(
            kind="function", text=function_text(name, file, *signature.get((file, name), ())), file=file, seq=seq
        )
        for (file, name), seq in first_seq.items()
    }
    contexts = []
    for caller, callee in _resolved_calls(rows[CALL_GRAPH.name], items):
        split = max(split_by_hash(caller[0]), split_by_hash(callee[0]))
        contexts.append(Context((items[caller], items[callee]), split))
    return PairData(items=list(items.values()), contexts=contexts)


def _resolved_calls(
    calls: Iterable[Row], functions: Iterable[tuple[str, str]]
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Return (caller, callee) as (file, name) keys, for every call whose callee is known."""
    files_of: dict[str, list[str]] = defaultdict(list)
    for file, name in functions:
        files_of[_last_part(name)].append(file)
        if _last_part(name) != name:
            files_of[name].append(file)
    known = set(functions)
    found = set()
    for _, file, caller, callee in calls:
        home = normal_path(file)
        target = _resolve(callee, home, files_of)
        if target is None:
            continue
        target_file, target_name = target
        candidates = [key for key in ((target_file, callee), (target_file, target_name)) if key in known]
        if candidates and candidates[0] != (home, caller):
            found.add(((home, caller), candidates[0]))
    return sorted(found)


def _resolve(callee: str, home: str, files_of: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Return file and name of the function that `callee` means when called in the file `home`, or None."""
    name = _last_part(callee)
    files = files_of.get(callee) or files_of.get(name, ())
    if home in files:
        return home, name
    parts = callee.replace("::", ".").split(".")
    qualifier = parts[-2] if len(parts) > 1 else ""
    named = [file for file in files if qualifier in {PurePosixPath(file).stem, PurePosixPath(file).parent.name}]
    if qualifier and len(named) == 1:
        return named[0], name
    return (files[0], name) if len(files) == 1 else None


def _last_part(name: str) -> str:
    return name.replace("::", ".").rsplit(".", 1)[-1]


def _plain(parameters: str | None) -> str:
    """Return a JSON list of names as `a, b`."""
    return parameters.strip("[]").replace('"', "").replace(",", ", ") if parameters else ""


CALL_GRAPH = Source("code.call_graph", CALL_GRAPH_SQL)
FUNCTIONS = Source("code.functions", FUNCTIONS_SQL)
CALLER_CALLEE = PairType(
    name="caller_callee",
    source=CALL_GRAPH,
    further_sources=(FUNCTIONS,),
    derive=derive,
    version=1,
    missing="calls between functions of the project (code.call events)",
)
