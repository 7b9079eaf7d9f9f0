"""What is left to be done: comments of source files that begin with TODO or FIXME, each with its line."""

import re
from collections.abc import Iterator, Mapping, Sequence

from patina_assets.passages.code import CODE_FILES
from patina_assets.passages.item_source import ItemSource
from patina_assets.passages.passage import Passage
from patina_resources.eventlog.reader import Row

MARK = re.compile(r"\b(?:TODO|FIXME)\b.*")


def passages(rows: Mapping[str, Sequence[Row]], texts: Mapping[str, str]) -> Iterator[Passage]:
    """Yield a passage for each line with a mark.

    A kind of its own stands in the group `notes`; `function`, `section` or `commit` would stand where ours do.
    """
    for path, *_ in rows[CODE_FILES.name]:
        for number, line in enumerate(texts.get(path, "").split("\n"), 1):
            found = MARK.search(line)
            if found:
                yield Passage("todo", found[0], body=line.strip(), path=path, line=number, end_line=number)


TODOS = ItemSource("todos", "what is left to be done", (CODE_FILES,), passages, version=1)
