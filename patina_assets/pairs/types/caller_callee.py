"""`caller_callee`: a function and one that it calls belong together; unrelated functions do not."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from patina_assets.pairs.code_text import function_text, normal_path, type_text
from patina_assets.pairs.functions import FUNCTIONS, TYPES, read_functions
from patina_assets.pairs.items import Context, Item
from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData, PairType
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.reader import Row, Source

CALL_GRAPH_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT data
    FROM eventlog
    WHERE event_type = 'code.call' AND {LIVE}
), call AS (
    SELECT COALESCE(json_extract(data, '$.file'), json_extract(data, '$.file_path')) AS file,
           COALESCE(json_extract(data, '$.caller'), json_extract(data, '$.caller_name')) AS caller,
           COALESCE(json_extract(data, '$.callee'), json_extract(data, '$.callee_name')) AS callee
    FROM event
)
SELECT DISTINCT file, caller, callee
FROM call
WHERE typeof(file) = 'text' AND typeof(caller) = 'text' AND typeof(callee) = 'text' AND caller <> '<module>'
ORDER BY file, caller, callee
"""


# What a method calls its own object or type.
OWN_RECEIVERS = frozenset({"self", "Self", "this", "cls"})
# A method that is called by its name alone, on what the scan has no type of, from more files than this is a library's.
MOST_FILES_OF_A_GUESS = 10


def derive(rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
    """Return every function as an item, and every call between two of them as a context of two.

    A class or constant that calls something outside of functions is an item, too: of kind `type`.

    A callee is a name in a caller's file. It is resolved to a function of that name: in the file itself, else in
    a file or folder named by its qualifier (`secrets::add` -> `secrets.rs`), else the only one there is. A method is
    that of the type that the callee or the caller names, else the only one of its name in that file. Calls that
    resolve to nothing, or to one of several, are left out: so library calls (`to_string`, `clone`) carry no signal.

    That leaves library calls whose name the project happens to define once: `rows.len()` is not its own `len`. Where a
    callee is found by its last name only, behind a receiver or type that names no file, and is so called from more
    than 10 files, all these calls are left out. In a project of about 200 files of Rust, `is_empty`, `iter`, `len` and
    `success` had 597 callers in 28-89 files each, of 3,210 calls in all; methods that are surely its own (`add_symbol`,
    47 callers) were so called from 9 files at most. What is left has at most 47 callers (median 1, 99th percentile 11)
    and is not drowned: anchors are drawn evenly over functions, whatever their number of calls.

    A call belongs to the later of the parts of its two files: what is tested touches a file that training never saw.
    """
    signature = {
        (function.file, function.name): (function.told_parameters(), function.returned)
        for function in read_functions(rows[FUNCTIONS.name])
    }
    kind_of = {(file, name): kind for file, name, kind in rows[TYPES.name]}
    callers = {(normal_path(file), caller) for file, caller, _ in rows[CALL_GRAPH.name]}
    items: dict[tuple[str, str], Item] = {}
    for file, name in sorted(callers.union(signature)):
        if (file, name) in kind_of and (file, name) not in signature:
            text = type_text(kind_of[file, name], name, file)
            items[file, name] = Item("type", text, file=file, identity=f"{file}::{name}")
        else:
            text = function_text(name, file, *signature.get((file, name), ()))
            items[file, name] = Item("function", text, file=file, identity=f"{file}::{name}")
    contexts = []
    for caller, callee in _resolved_calls(rows[CALL_GRAPH.name], items):
        split = max(options.splits.by_hash(caller[0]), options.splits.by_hash(callee[0]))
        contexts.append(Context((items[caller], items[callee]), split))
    return PairData(items=list(items.values()), contexts=contexts)


def _resolved_calls(
    calls: Iterable[Row], functions: Iterable[tuple[str, str]]
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Return (caller, callee) as (file, name) keys, for every call whose callee is known."""
    places = _Places()
    named: defaultdict[tuple[str, str], dict[tuple[str, ...], str]] = defaultdict(dict)
    for file, name in functions:
        places.add(_last_part(name), file)
        if _last_part(name) != name:
            places.add(name, file)
        named[file, _last_part(name)][_parts(name)] = name
    found: set[tuple[tuple[str, str], tuple[str, str]]] = set()
    guessed: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for file, caller, callee in calls:
        home = normal_path(file)
        target, guess = _resolve(callee, home, places)
        meant, guesses_type = _meant(callee, caller, named[target, _last_part(callee)])
        if meant and (target, meant) != (home, caller):
            if guess or guesses_type:
                guessed[target, meant].add((home, caller))
            else:
                found.add(((home, caller), (target, meant)))
    for target_function, callers in guessed.items():
        if len({file for file, _ in callers}) <= MOST_FILES_OF_A_GUESS:
            found.update((caller, target_function) for caller in callers)
    return sorted(found)


class _Places:
    """Where functions of a name are. A name may be in every file, and called in every file: nothing here is a search.

    Attributes:
        files: By name: the files.
        count: By name: how many functions.
        qualified: By name and the name of a file or folder: at most two of the files there.
    """

    def __init__(self) -> None:
        self.files: defaultdict[str, set[str]] = defaultdict(set)
        self.count: Counter[str] = Counter()
        self.qualified: dict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, name: str, file: str) -> None:
        """Note a function."""
        self.files[name].add(file)
        self.count[name] += 1
        for qualifier in _qualifiers(file):
            if len(self.qualified[name, qualifier]) < 2:
                self.qualified[name, qualifier].append(file)


@lru_cache(maxsize=65_536)
def _qualifiers(file: str) -> frozenset[str]:
    """Return what a function of a file may be qualified by."""
    path = PurePosixPath(file)
    return frozenset({path.stem, path.parent.name})


def _resolve(callee: str, home: str, places: _Places) -> tuple[str, bool]:
    """Return the file of the function that `callee` means in the file `home`, or "", and whether it is a guess."""
    name = callee if callee in places.files else _last_part(callee)
    files = places.files.get(name) or set()
    if home in files:
        return home, False
    parts = _parts(callee)
    qualifier = parts[-2] if len(parts) > 1 else ""
    named = places.qualified.get((name, qualifier), ())
    if qualifier and len(named) == 1:
        return named[0], False
    return (next(iter(files)), bool(qualifier)) if places.count[name] == 1 else ("", False)


def _meant(callee: str, caller: str, named: Mapping[tuple[str, ...], str]) -> tuple[str, bool]:
    """Return which of a file's functions with the callee's last part it means, or "", and whether it is a guess.

    It means the function of just this name, else the method of the type that it names or of the caller's own, else the
    only method of that name: that is a guess where it is called on what the scan has no type of.

    Args:
        callee: The name as it stands in the call.
        caller: The qualified name of the function around it.
        named: The file's functions with that last part, by the parts of their names.
    """
    *before, last = _parts(callee)
    own = _parts(caller)[:-1]
    owners: list[Sequence[str]] = [before, []]
    if not before or before[0] in OWN_RECEIVERS:
        owners.append(own)
    for owner in owners:
        if (*owner, last) in named:
            return named[(*owner, last)], False
    of_another = bool(before) and (before[-1][:1].isupper() or "::" in callee or not before[0][:1].isidentifier())
    return (next(iter(named.values())), bool(before)) if len(named) == 1 and not of_another else ("", False)


def _last_part(name: str) -> str:
    return _parts(name)[-1]


# A name is defined once and called often.
@lru_cache(maxsize=65_536)
def _parts(name: str) -> tuple[str, ...]:
    return tuple(name.replace("::", ".").replace("->", ".").split("."))


CALL_GRAPH = Source("code.call_graph", CALL_GRAPH_SQL)
CALLER_CALLEE = PairType(
    name="caller_callee",
    purpose="functions that call each other",
    source=CALL_GRAPH,
    further_sources=(FUNCTIONS, TYPES),
    derive=derive,
    version=4,
    missing="calls between functions of the project (code.call events)",
    teaches_corpus_model=True,
)
