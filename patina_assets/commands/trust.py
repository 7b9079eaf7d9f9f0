"""`patina trust`: shows what another installation built in a project, and accepts it if the user says so."""

from patina_assets.commands.questions import confirm, say_on_stderr
from patina_assets.pipeline.tables import size_text, table
from patina_assets.pipeline.trust import Foreign, accept, foreign_in
from patina_resources.errors import PatinaError
from patina_resources.materialize.git.tracked import refuse_tracked
from patina_resources.project.project import Project


def trust(project: Project, *, yes: bool) -> str:
    """Show what was built elsewhere, accept it once the user agrees, and return what was done.

    Raises:
        PatinaError: Git tracks derived files, nobody is there to agree, or something cannot be written.
    """
    refuse_tracked(project.root)
    found = foreign_in(project)
    if not found:
        return "nothing to accept: everything here was built by this installation"
    header = ("what", "built by", "built at", "size", "state")
    say_on_stderr(table(header, [_row(project, entry) for entry in found]))
    if not yes and not confirm("accept all of it as if this installation had built it?", default=False):
        raise PatinaError("nothing was accepted: confirm with `patina trust --yes`")
    accept(project, found)
    return f"accepted: {len(found)} of {len(found)}; next: patina oxidize"


def _row(project: Project, entry: Foreign) -> tuple[str, str, str, str, str]:
    return (
        str(entry.path.relative_to(project.data)),
        entry.built_by or "unknown",
        entry.built_at or "-",
        size_text(entry.bytes),
        "; ".join(entry.damages) or "whole",
    )
