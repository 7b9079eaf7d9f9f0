"""Documents as passages: their sections, each with the headings that it stands under."""

from collections.abc import Iterable, Iterator, Mapping

from patina_assets.passages.files import LineSpan, file_source, line_spans
from patina_assets.passages.passage import Passage, parts_of
from patina_resources.eventlog.reader import Row

DOCUMENTS = file_source("docs.files", "doc.file")
SECTION_EVENT = "doc.section"
EMBEDDED_CHARACTERS = 700


def document_passages(rows: Iterable[Row], texts: Mapping[str, str]) -> Iterator[Passage]:
    """Yield the sections of all documents, long ones in parts.

    Args:
        rows: Rows of `DOCUMENTS`.
        texts: Text by path; of a document that is not in it, the headings alone are known.
    """
    for path, _, lines in rows:
        text = _lines(told) if (told := texts.get(path)) is not None else []
        for section in _apart(line_spans(lines, SECTION_EVENT)):
            headings, first, last = section.key, section.first, section.last
            parts = list(parts_of(text[first - 1 : last], first)) or [(first, last, "")]
            for start, end, part in parts:
                if part.strip() or not text:
                    yield Passage(
                        kind="section",
                        text=f"{headings}\n{part}"[:EMBEDDED_CHARACTERS].strip() or path,
                        symbol=headings,
                        body=part,
                        path=path,
                        line=start,
                        end_line=end,
                    )


def _lines(text: str) -> list[str]:
    """Return the lines of a document: an end of line is what CommonMark takes for one (2.1)."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _apart(sections: Iterable[LineSpan]) -> Iterator[LineSpan]:
    """Yield, in the order of the document, the sections that begin after the one before: none lies in another."""
    told = 0
    for section in sorted(sections, key=lambda section: (section.first, section.last)):
        if section.first > told:
            yield section
            told = section.last
