"""What files define: their types and functions by name, for texts that tell of a file more than its path."""

from collections import defaultdict
from collections.abc import Iterable

from patina_assets.pairs.code_text import file_text, normal_path_sql
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.reader import Row, Source

# Types come first: there are fewer of them, and their names say more.
DEFINITIONS_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT event_type, data
    FROM eventlog
    WHERE event_type IN ('code.function', 'code.struct', 'code.enum', 'code.trait', 'code.class', 'code.interface')
          AND {LIVE}
), definition AS (
    SELECT event_type = 'code.function' AS is_function,
           COALESCE(json_extract(data, '$.file'), json_extract(data, '$.file_path')) AS path,
           json_extract(data, '$.name') AS name
    FROM event
)
SELECT {normal_path_sql("path")} AS file, name
FROM definition
WHERE typeof(path) = 'text' AND typeof(name) = 'text'
GROUP BY 1, 2
ORDER BY 1, MIN(is_function), 2
"""
DEFINITIONS = Source("code.definitions", DEFINITIONS_SQL)
MOST_NAMES = 16


def defined_names(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Return at most MOST_NAMES names for each file, from the rows of `DEFINITIONS`."""
    names: dict[str, list[str]] = defaultdict(list)
    for file, name in rows:
        if len(names[file]) < MOST_NAMES:
            names[file].append(name)
    return dict(names)


def telling_file_text(path: str, names: Iterable[str]) -> str:
    """Return the text of a file with what it defines: `File: src/a.rs (Rust source). Defines: Row, read`."""
    told = ", ".join(names)
    return f"{file_text(path)}. Defines: {told}" if told else file_text(path)
