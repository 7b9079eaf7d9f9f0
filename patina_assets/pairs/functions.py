"""Functions as the pair types that learn from code read them: their SQL, and contexts that reach across files."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from patina_assets.pairs.code_text import normal_path_sql
from patina_assets.pairs.relations import Context, Item
from patina_assets.pairs.splits import Split, split_by_hash
from patina_resources.eventlog.payloads import EVENT_DATA, parsed
from patina_resources.eventlog.reader import NOT_RETRACTED, Row, Source

# A later scan emits a function again: its latest form counts, at the place where it was first seen.
FUNCTIONS_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT seq, source_id, {EVENT_DATA} AS data
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
FUNCTIONS = Source("code.functions", FUNCTIONS_SQL)
# Groups are small: every pair in them is related, and their number should stay linear in the number of functions.
GROUP = 32


@dataclass(frozen=True)
class Function:
    """One function: its parameters as written in the source (`path: &Path`), and its return type or ""."""

    seq: int
    file: str
    name: str
    parameters: tuple[str, ...]
    returned: str

    def told_parameters(self) -> str:
        """Return the parameters as `a, b`."""
        return ", ".join(self.parameters)


def read_functions(rows: Iterable[Row]) -> list[Function]:
    """Return the functions of the rows of `FUNCTIONS`."""
    return [
        Function(seq, file, name, _texts(parameters), returned or "") for seq, file, name, parameters, returned in rows
    ]


def contexts_across_files(functions: Sequence[Item]) -> list[Context]:
    """Return contexts of functions that belong together, no two of one file, every function in at least one.

    Round after round deals one function of each file; in the last rounds, when one file is left, its functions are
    paired with those of the others in turn. So there are about as many members as functions.

    A pair belongs to the later of the parts of its two files: what is tested touches a file that training never saw.
    The context of a part holds the members of earlier parts too; what these relate, the earlier parts' contexts relate.
    """
    by_file: dict[str, list[Item]] = defaultdict(list)
    for function in sorted(functions, key=_shuffling):
        by_file[function.file or ""].append(function)
    piles = sorted(by_file.values(), key=lambda pile: (-len(pile), _shuffling(pile[0])))
    if len(piles) < 2:
        return []
    contexts = []
    for turn in range(len(piles[0])):
        dealt = []
        for pile in piles:
            if len(pile) <= turn:
                break
            dealt.append(pile[turn])
        if len(dealt) == 1:
            others, other = divmod(turn, len(piles) - 1)
            dealt.append(piles[other + 1][others % len(piles[other + 1])])
        for start in range(0, len(dealt), GROUP):
            # The last one alone joins the group before it.
            contexts += _by_part(dealt[max(0, min(start, len(dealt) - 2)) : start + GROUP])
    return contexts


def _by_part(group: Sequence[Item]) -> list[Context]:
    part_of = {item: split_by_hash(item.file or "") for item in group}
    contexts = []
    for split in Split:
        members = tuple(item for item in group if part_of[item] <= split)
        if len(members) >= 2 and split in {part_of[item] for item in members}:
            contexts.append(Context(members, split))
    return contexts


def _shuffling(item: Item) -> str:
    """Return a sort key that mixes names: neighbours in the alphabet are alike for other reasons."""
    return hashlib.sha256(f"{item.file}\0{item.text}".encode("utf-8", "replace")).hexdigest()


def _texts(parameters: str | None) -> tuple[str, ...]:
    return tuple(text for text in parsed(parameters) if isinstance(text, str)) if parameters else ()
