"""`patina trust`: shows what another installation built in a project, and accepts it if the user says so."""

from patina_assets.pipeline.plain_text import json_text
from patina_assets.pipeline.tables import size_text, text_table
from patina_assets.pipeline.trust import Foreign, accept, foreign_in
from patina_assets.terminal.questions import confirm, say_on_stderr
from patina_resources.errors import PatinaError
from patina_resources.materialize.git.tracked import refuse_tracked
from patina_resources.project.project import Project

HEADER = ("what", "built by", "built at", "size", "state")


def trust(project: Project, *, yes: bool, as_json: bool = False) -> int:
    """Show what was built elsewhere, and accept it once the user agrees; return the exit code.

    With `as_json` it is printed as JSON, and accepted only where `yes` says so.

    Raises:
        PatinaError: Git tracks derived files, nobody is there to agree, or something cannot be written.
    """
    refuse_tracked(project.root)
    found = foreign_in(project)
    if as_json:
        if yes:
            accept(project, found)
        print(json_text({"accepted": yes, "foreign": [foreign_document(project, entry) for entry in found]}))
        return 0
    if not found:
        print("nothing to accept: everything here was built by this installation")
        return 0
    say_on_stderr(text_table(HEADER, [_row(project, entry) for entry in found]))
    if not yes and not confirm("accept all of it as if this installation had built it?", default=False):
        raise PatinaError("nothing was accepted: confirm with `patina trust --yes`")
    accept(project, found)
    print(f"accepted: {len(found)} of {len(found)}; next: run `patina oxidize`")
    return 0


def foreign_document(project: Project, entry: Foreign) -> dict[str, object]:
    """Return for JSON what another installation built."""
    return {
        "kind": entry.kind,
        "path": str(entry.path.relative_to(project.data)),
        "built_by": entry.built_by,
        "built_at": entry.built_at,
        "bytes": entry.bytes,
        "damages": list(entry.damages),
    }


def _row(project: Project, entry: Foreign) -> tuple[str, str, str, str, str]:
    return (
        str(entry.path.relative_to(project.data)),
        entry.built_by or "unknown",
        entry.built_at or "-",
        size_text(entry.bytes),
        "; ".join(entry.damages) or "whole",
    )
