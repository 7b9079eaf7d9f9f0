"""Source code as passages: functions and types with what is written about them, and what is left of each file."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from patina_assets.pairs.code_text import normal_path_sql
from patina_assets.passages.files import file_source, line_spans
from patina_assets.passages.passage import PART_CHARACTERS, Passage, parts_of
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.payloads import parsed
from patina_resources.eventlog.reader import Row, Source
from patina_resources.materialize.code.lines import DIGEST_CHARACTERS

CODE_FILES = file_source("code.files", "code.file")

# What each function and type is called and what is written about it; `key` names it within its file.
DEFINITIONS_SQL = f"""
WITH event AS MATERIALIZED (
    SELECT timestamp, event_type, source_id, data FROM eventlog
    WHERE event_type IN ('code.function', 'code.type', 'code.struct', 'code.class', 'code.enum', 'code.trait',
                         'code.interface') AND {LIVE}
), named AS (
    SELECT timestamp, event_type, source_id, json_extract(data, '$.name') AS name,
           CASE json_type(data, '$.digest') WHEN 'text' THEN json_extract(data, '$.digest') ELSE '' END AS digest,
           COALESCE(json_extract(data, '$.file'), json_extract(data, '$.file_path')) AS path,
           CASE json_type(data, '$.doc') WHEN 'text' THEN json_extract(data, '$.doc') ELSE '' END AS doc,
           CASE json_type(data, '$.parameters') WHEN 'array' THEN json_extract(data, '$.parameters') END AS parameters,
           CASE json_type(data, '$.definition') WHEN 'text' THEN json_extract(data, '$.definition') END AS definition,
           json_type(data, '$.is_test') IS 'true' AS is_test
    FROM event
), placed AS (
    SELECT CASE WHEN digest = '' AND event_type = 'code.function' THEN timestamp END AS scanned,
           {normal_path_sql("path")} AS file,
           event_type = 'code.function' AS is_function,
           CASE WHEN substr(source_id, 1, length(path) + 2) = path || '::' THEN substr(source_id, length(path) + 3)
                ELSE name END AS key,
           digest, doc, parameters, definition, is_test
    FROM named
    WHERE typeof(path) = 'text' AND typeof(name) = 'text'
), ranked AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY file, is_function, key, digest
                                 ORDER BY scanned DESC, doc DESC, parameters, definition, is_test) AS place
    FROM placed
)
SELECT file, is_function, key, digest, doc, parameters, definition, is_test
FROM ranked
WHERE place = 1
ORDER BY file, key, is_function, digest
"""
CODE_DEFINITIONS = Source("code.definitions_with_docs", DEFINITIONS_SQL)

FUNCTION_EVENT, TYPE_EVENT = "code.function", "code.type"
# Of a definition's text, what is embedded beside its name and doc: models of few tokens read no more.
EMBEDDED_CHARACTERS = 500
SIGNATURE_CHARACTERS = 300
SIGNATURE_LINES = 6
# A type's own lines: what its methods hold stands in passages of theirs.
TYPE_LINES = 40
# What stands in more definitions than this tells its own lines only, as a type does. Every line is thus in a bounded
# number of passages, and files of nothing but nested definitions take no more room than others.
MOST_AROUND = 4
# So many lines and methods of a definition are looked at to find its own lines.
MOST_STEPS = 1_000
LEAST_CHARACTERS = 20
# A comment at the head of a file that says whose it is tells nothing of what the file does.
_HEAD_LINES = 60
_COMMENT = re.compile(r"\s*(?:$|//|/\*|\*|#(?!\s*(?:include|define|if|pragma))|--|;|<!--|%)")
_LICENCE = re.compile(
    r"\bcopyright\b|\bSPDX-|\blicen[cs]ed under\b|\blicen[cs]e that\b|\bpermission is hereby\b|\bdistributed under\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SourceDefinition:
    """A function or type of a file: its qualified name, what is written about it, and its lines from 1."""

    kind: str
    name: str
    doc: str
    is_test: bool
    first: int
    last: int


def code_passages(files: Iterable[Row], definitions: Iterable[Row], texts: Mapping[str, str]) -> Iterator[Passage]:
    """Yield the passages of all source files.

    Args:
        files: Rows of `CODE_FILES`.
        definitions: Rows of `CODE_DEFINITIONS`.
        texts: Text by path. Of a file that is not in it, only what its events say is told.
    """
    told: dict[str, list[Row]] = defaultdict(list)
    for row in definitions:
        told[row[0]].append(row)
    for path, _, lines in files:
        rows = told.pop(path, [])
        text = texts.get(path) if lines is not None else None
        if text is not None and lines is not None:
            yield from _of_text(path, text.split("\n"), _placed(rows, lines))
        else:
            yield from _of_events(path, rows)
    for path, rows in sorted(told.items()):
        yield from _of_events(path, rows)


def _placed(rows: Sequence[Row], lines: str) -> list[SourceDefinition]:
    """Return the definitions of a file with their lines, outer ones first."""
    known = {
        (function, key, digest[:DIGEST_CHARACTERS]): (doc, bool(is_test))
        for _, function, key, digest, doc, *_, is_test in rows
    }
    found = []
    for event_type, kind in ((FUNCTION_EVENT, "function"), (TYPE_EVENT, "type")):
        for place in line_spans(lines, event_type):
            told = known.get((kind == "function", place.key, place.digest))
            if told is not None:
                found.append(SourceDefinition(kind, place.key, *told, place.first, place.last))
    return sorted(found, key=lambda entry: (entry.first, -entry.last, entry.name))


def _of_text(path: str, lines: list[str], definitions: Sequence[SourceDefinition]) -> Iterator[Passage]:
    begun: dict[int, list[int]] = defaultdict(list)
    for definition in definitions:
        begun[definition.first].append(definition.last)
    for lasts in begun.values():
        lasts.sort()
    covered = bytearray(len(lines) + 2)
    told = 0
    around: list[SourceDefinition] = []
    for definition in definitions:
        last = min(definition.last, len(lines))
        if definition.first > len(lines):
            break
        while around and around[-1].last < definition.first:
            around.pop()
        in_part = definition.kind == "type" or len(around) >= MOST_AROUND
        yield from _of_definition(path, lines, definition, last, begun if in_part else None)
        around.append(definition)
        first = max(definition.first, told + 1)
        covered[first : last + 1] = b"\x01" * (last + 1 - first)
        told = max(told, last)
    head = _licence_lines(lines)
    rest = [(number, line) for number, line in enumerate(lines, 1) if number > head and not covered[number]]
    yield from _of_rest(path, rest)


def _licence_lines(lines: Sequence[str]) -> int:
    """Return how many lines at the head of a file are comments up to one of a licence; 0 for none."""
    told, is_licence = 0, False
    for number, line in enumerate(lines[:_HEAD_LINES], 1):
        if not _COMMENT.match(line):
            return number - 1 if is_licence else told
        is_licence = is_licence or _LICENCE.search(line) is not None
        if not line.strip() or line.rstrip().endswith("*/"):
            told, is_licence = number if is_licence else told, False
    return told


def _of_definition(
    path: str, lines: list[str], definition: SourceDefinition, last: int, begun: Mapping[int, Sequence[int]] | None
) -> Iterator[Passage]:
    """Yield the passages of a definition: of all its text, or of its own lines where it is told what `begun` there."""
    first = definition.first
    signature = signature_of(lines[first - 1 : min(last, first - 1 + SIGNATURE_LINES)])
    if begun is not None:
        body = "\n".join(_own_lines(lines, first, last, begun))[:PART_CHARACTERS]
        yield _definition_passage(path, definition, signature, first, last, body, whole=True)
        return
    for place, (start, end, part) in enumerate(parts_of(lines[first - 1 : last], first)):
        yield _definition_passage(path, definition, signature, start, end, part, whole=place == 0)


def _own_lines(lines: Sequence[str], first: int, last: int, begun: Mapping[int, Sequence[int]]) -> Iterator[str]:
    """Yield the first lines of a definition that stand in no other one that begins and ends in it.

    Args:
        lines: The file.
        first: Where it begins.
        last: Where it ends.
        begun: By line, the last lines of the definitions that begin there, in order.
    """
    number, shown = first, 0
    for _ in range(MOST_STEPS):
        if number > last or shown == TYPE_LINES:
            return
        ends = begun.get(number, ()) if number > first else ()
        inside = bisect_right(ends, last)
        if inside:
            number = ends[inside - 1] + 1
            continue
        yield lines[number - 1][:PART_CHARACTERS]
        number, shown = number + 1, shown + 1


def _definition_passage(
    path: str, definition: SourceDefinition, signature: str, first: int, last: int, body: str, *, whole: bool
) -> Passage:
    doc = f"{signature}\n{definition.doc}".strip() if whole else ""
    head = f"{path} {definition.name}\n{definition.doc if whole else ''}\n"
    return Passage(
        kind=definition.kind,
        text=f"{head}{body}"[:EMBEDDED_CHARACTERS],
        symbol=definition.name,
        doc=doc,
        body=body,
        path=path,
        line=first,
        end_line=last,
        is_test=definition.is_test,
    )


def _of_rest(path: str, rest: Sequence[tuple[int, str]]) -> Iterator[Passage]:
    """Yield what of a file stands in no definition: constants, imports, statements."""
    numbers = [number for number, _ in rest]
    for first, last, part in parts_of([line for _, line in rest], 0):
        if len(part.strip()) >= LEAST_CHARACTERS:
            text = f"{path}\n{part}"[:EMBEDDED_CHARACTERS]
            yield Passage("code", text, body=part, path=path, line=numbers[first], end_line=numbers[last])


def _of_events(path: str, rows: Sequence[Row]) -> Iterator[Passage]:
    """Yield what the events alone say of a file's definitions, where its text is not at hand."""
    for _, function, key, _, doc, parameters, definition, is_test in rows:
        names = [name for name in parsed(parameters) if isinstance(name, str)] if parameters else []
        signature = f"{key}({', '.join(names)})" if function else (definition or key)
        text = f"{path} {key}\n{doc}\n{signature}"[:EMBEDDED_CHARACTERS]
        kind = "function" if function else "type"
        about = f"{signature}\n{doc}".strip()
        yield Passage(kind, text, symbol=key, doc=about, path=path, is_test=bool(is_test))


def signature_of(lines: Sequence[str]) -> str:
    """Return how a definition begins, on one line: up to its body, as far as that can be told in any language."""
    told: list[str] = []
    for line in lines[:SIGNATURE_LINES]:
        told.append(line[:SIGNATURE_CHARACTERS].strip())
        if line[-SIGNATURE_CHARACTERS:].rstrip().endswith(("{", ":", "=>", ";")):
            break
    return " ".join(told)[:SIGNATURE_CHARACTERS].rstrip("{ ")
