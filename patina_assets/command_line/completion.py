"""Completion in shells: the words that may follow, and the script that makes a shell ask for them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from patina_assets.command_line.grammar import Command
from patina_resources.errors import PatinaError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem, ShellComplete

VARIABLE = "_PATINA_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


def projection_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the projections that are built, for a shell that completes a word."""
    from patina_assets.search.built import built_names

    return _completions(built_names, incomplete)


def recipe_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the projections of the recipe and `base`, built or not, for a shell that completes a word."""
    from patina_assets.search.built import BASE

    return _completions(lambda: [*_in_recipe(), BASE], incomplete)


def trained_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the projections of the recipe that have weights, for a shell that completes a word."""
    return _completions(_in_recipe, incomplete)


def _in_recipe() -> list[str]:
    from patina_assets.pairs.types import pair_types_by_source
    from patina_assets.recipe.reader import read_recipe
    from patina_resources.project.project import find_project

    recipe = read_recipe(find_project().recipe, pair_types_by_source())
    return [entry.name for entry in recipe.projections]


def file_names(_: click.Context, __: click.Parameter, incomplete: str) -> list["CompletionItem"]:
    """Return what makes a shell complete the name of a file."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def model_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the models of the registry, for a shell that completes a word."""
    from patina_assets.commands.models.project_models import known_models

    return _completions(known_models, incomplete)


def scraper_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return what `materialize` can read, for a shell that completes a word."""
    from patina_resources.materialize.run import SCRAPERS

    return _completions(lambda: SCRAPERS, incomplete)


def _completions(known: Callable[[], Sequence[str]], incomplete: str) -> list[str]:
    """Return the names that continue a list whose last name is not complete."""
    before, comma, last = incomplete.rpartition(",")
    try:
        return [f"{before}{comma}{name}" for name in known() if name.startswith(last)]
    except PatinaError:  # there is nobody to tell
        return []


# click wraps no lines of a paragraph that begins with a backspace.
HELP = """Print the script that completes commands, options and names in a shell.

\b
bash: put `eval "$(patina completion bash)"` into ~/.bashrc
zsh:  put `eval "$(patina completion zsh)"` into ~/.zshrc
fish: patina completion fish > ~/.config/fish/completions/patina.fish
"""


@click.command(cls=Command, help=HELP)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> int:
    """Print the script for a shell."""
    print(_dialogue(shell, click.Group("patina")).source())
    return 0


def answer_shell(patina: click.Group, instruction: str) -> int:
    """Print what may follow the words that a shell has put into the environment; return the exit code.

    Args:
        patina: The group of all commands.
        instruction: What the shell's script asks for, such as `bash_complete`.
    """
    shell, _, _ = instruction.partition("_")
    offered = _dialogue(shell, patina).complete()
    if offered:
        print(offered)
    return 0


def _dialogue(shell: str, patina: click.Group) -> "ShellComplete":
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise PatinaError(f"no completion for {shell}: expected one of {', '.join(SHELLS)}")
    return found(patina, {}, "patina", VARIABLE)
