"""`patina note`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from patina_assets.command_line.completion import file_names
from patina_assets.command_line.grammar import Command
from patina_resources.project.project import find_project

if TYPE_CHECKING:
    from patina_resources.materialize.notes.writing import NoteKind

KINDS: tuple["NoteKind", ...] = ("decision", "pattern", "goal")


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="TEXT...")
@click.option("--decision", is_flag=True, help="The text is a decision with its reason.")
@click.option("--pattern", is_flag=True, help="The text says how things are done here.")
@click.option("--goal", is_flag=True, help="The text is a goal.")
@click.option(
    "--about",
    multiple=True,
    metavar="PATH",
    shell_complete=file_names,
    help="A file, or PATH:LINE, that the text is about; repeat the option for several.",
)
def note(words: Sequence[str], decision: bool, pattern: bool, goal: bool, about: Sequence[str]) -> int:
    """Write TEXT to a new Markdown file that `patina materialize` reads; `-` reads it from standard input.

    No other file is changed, and nothing is committed. Without a kind, the note is an observation.
    """
    chosen = [kind for kind, is_chosen in zip(KINDS, (decision, pattern, goal), strict=True) if is_chosen]
    if len(chosen) > 1:
        raise click.UsageError(f"--{' and --'.join(chosen)} do not go together: a note is of one kind")
    from patina_assets.commands.note import print_new_note

    return print_new_note(find_project(), words, chosen[0] if chosen else "observation", about)
