"""`patina like`: a thing in, what is like it out."""

from collections.abc import Sequence

from patina_assets.commands.places.happened import ages, print_either, say, typed_place
from patina_assets.facts.likeness import like_of
from patina_assets.search.indexes import Indexes
from patina_assets.terminal.facts import like_document, like_lines
from patina_assets.terminal.hits import missing_notes
from patina_resources.project.project import Project


def print_like(project: Project, words: Sequence[str], projection: str | None, k: int, *, as_json: bool) -> int:
    """Print what is like a thing; what could not be asked, and what may be old, is said on stderr.

    Args:
        project: The project.
        words: The name of the thing; `commit SHA` and `session ID` are two words.
        projection: One projection, or `base`; None for all that hold the thing.
        k: Number of results of each list.
        as_json: Print JSON.

    Returns:
        The exit code.

    Raises:
        PatinaError: Nothing is called so, or several things are; nothing is built; the projection does not hold it.
    """
    indexes = Indexes(project)
    folder, name = typed_place(project, " ".join(words))
    like = like_of(project, indexes, name, projection, k, folder)
    print_either(like_lines(like, k), like_document(like), as_json=as_json)
    remarks = [like.thing.remark] if like.thing.remark else []
    say([*remarks, *missing_notes(like.missing), *ages(project, indexes.spec.name)])
    return 0
