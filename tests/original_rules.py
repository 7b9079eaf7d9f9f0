"""The rules by which the tool that made the eventlog format finds notes, written down on their own as an oracle."""

import re

from patina_resources.materialize.notes.session_notes import Note


def notes_by_the_original_rules(text: str) -> set[Note]:
    """Return the notes that the original finds in a session file."""

    def section(title: str) -> str:
        start = text.find(f"**{title}:**")
        if start >= 0:
            rest = text[start + len(title) + 5 :].lstrip()
            return rest.split("\n**")[0] if "\n**" in rest else rest.split("\n## ")[0]
        start = text.find(f"## {title}")
        if start < 0:
            return ""
        return text[start + len(title) + 3 :].lstrip().split("\n## ")[0]

    notes = set()
    parts = text.split("## Goals")
    for mark, content in re.findall(r"- \[([xX ])\] (.+)", parts[1].split("\n## ")[0] if len(parts) > 1 else ""):
        notes.add(Note("goal", content.strip(), mark != " "))
    for kind, title in (("decision", "Key Decisions"), ("pattern", "Patterns Observed")):
        for line in map(str.strip, section(title).split("\n")):
            content = line.lstrip("-").lstrip("*").strip()
            if line[:1] in ("-", "*") and content:
                notes.add(Note(kind, content))
    for line in map(str.strip, section("Work Completed").split("\n")):
        if numbered := re.match(r"\d+\.\s+(.+)$", line):
            notes.add(Note("work", numbered[1]))
    context = section("Previous Session Context").strip()
    if context and not context.startswith("<!--"):
        notes.add(Note("context", context))
    return notes
