"""The `patina` command: runs what the user typed, and says in one sentence what went wrong."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from patina_assets.command_line.grammar import DEBUG_OPTION, CommandEntry, CommandGroup, Invocation, usage_sentence
from patina_assets.pipeline.plain_text import guarded_output, one_line
from patina_resources.errors import PatinaError
from patina_resources.interrupts import remembered_interrupts, was_interrupted

EXIT_OK, EXIT_WRONG_INPUT, EXIT_INTERRUPTED = 0, 2, 130
COMPLETION_VARIABLE = "_PATINA_COMPLETE"
NOT_SUPPORTED = "Linux and macOS are supported, this system is not: on Windows, use WSL, which is a Linux"
# What was built before a build was interrupted is whole, and the same command goes on from there.
GOES_ON = ("init", "materialize", "oxidize", "fleet run")
patina = CommandGroup(
    "patina",
    [
        CommandEntry("init", "Start", "start", "Prepare this repository."),
        CommandEntry("materialize", "Build", "build", "Append what happened in the repository to the eventlog."),
        CommandEntry("oxidize", "Build", "build", "Build what is stale: pairs, embeddings, weights, indexes."),
        CommandEntry(
            "evaluate", "Build", "build", "Measure how well each projection ranks data it was not trained on."
        ),
        CommandEntry("metrics", "Build", "build", "Compare measures before and after the last change."),
        CommandEntry("note", "Build", "notes", "Write down why something is as it is, in a Markdown file."),
        CommandEntry("hook", "Build", "hooks", "Read and rebuild after each commit, in the background."),
        CommandEntry("scry", "Search", "find", "Search with a question in your own words."),
        CommandEntry("like", "Search", "places", "Show what is like a file, a symbol, a commit or a session."),
        CommandEntry("recent", "Search", "places", "Show the newest commits, notes and issues."),
        CommandEntry("why", "Search", "places", "Show what happened to a file, or to the function at a line."),
        CommandEntry("map", "Search", "find", "Draw the items of a projection as a page.", "draw_map"),
        CommandEntry("ui", "Search", "find", "Serve the web UI, and rebuild what becomes stale."),
        CommandEntry("mcp", "Search", "agents", "Serve search to an editor or agent (MCP)."),
        CommandEntry("export", "Search", "find", "Write a projection with its base model for other programs."),
        CommandEntry("doctor", "Look after", "care", "Show what is stale, damaged or foreign, and how to repair it."),
        CommandEntry("clean", "Look after", "care", "Remove what no recipe needs."),
        CommandEntry("trust", "Look after", "care", "Accept what another installation built in this project."),
        CommandEntry("pull", "Share", "team", "Fetch what recipe and events ask for; nothing is trained."),
        CommandEntry("push", "Share", "team", "Sign what is built, and put it into the team's cache."),
        CommandEntry("cache", "Share", "team", "Manage the cache that a team shares."),
        CommandEntry("fleet", "Share", "fleet.keeping", "Keep many repositories built."),
        CommandEntry("completion", "Look after", "completion", "Print the script that completes words in your shell."),
        CommandEntry("model", "Models", "models", "List, add, remove, check base models."),
    ],
    help="Search what your project knows.",
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="Begin with `patina init` in your repository. `patina COMMAND --help` explains a command.",
)


@guarded_output()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 is success, 1 a build in which something failed, 2 wrong input (one sentence on stderr), 130 an interruption.
    """
    if not is_supported(os.name):
        print(f"patina: {NOT_SUPPORTED}", file=sys.stderr)
        return EXIT_WRONG_INPUT
    words = list(sys.argv[1:] if arguments is None else arguments)
    with remembered_interrupts():
        return _outcome(words)


def _outcome(words: list[str]) -> int:
    """Run one command, and say in one sentence what ended it; return its exit code."""
    invocation = Invocation()
    try:
        try:
            return _run(words, invocation)
        finally:
            sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (PatinaError, click.UsageError) as error:
        if was_interrupted():
            return _interrupted(words)
        if invocation.debug:
            import traceback

            traceback.print_exc()
        sentence = usage_sentence(error) if isinstance(error, click.UsageError) else str(error)
        print(f"patina: {one_line(sentence)}", file=sys.stderr)
        return EXIT_WRONG_INPUT
    except KeyboardInterrupt:
        return _interrupted(words)
    except BrokenPipeError:
        # The reader of our output (`head`) has seen enough; Python would complain again at exit.
        sys.stderr.close()
        return EXIT_OK
    except Exception:
        if not was_interrupted():
            raise
        return _interrupted(words)


def _interrupted(words: Sequence[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C has nothing more to end
    named = [word for word in words if not word.startswith("-")]
    command = next((command for command in GOES_ON if named[: len(command.split())] == command.split()), None)
    if command == "materialize" and "--oxidize" in words:
        command = "materialize --oxidize"
    more = f"; what is built is kept: `patina {command}` goes on from there" if command else ""
    print(f"patina: interrupted{more}", file=sys.stderr)
    return EXIT_INTERRUPTED


def is_supported(os_name: str) -> bool:
    """Return whether a system of this name (`os.name`) has what every promise rests on: see docs/decisions/0011."""
    return os_name == "posix"


def _run(words: list[str], invocation: Invocation) -> int:
    instruction = os.environ.get(COMPLETION_VARIABLE)
    if instruction:
        from patina_assets.command_line.completion import answer_shell

        return answer_shell(patina, instruction)
    if all(word == DEBUG_OPTION for word in words):
        print(patina.get_help(click.Context(patina, info_name="patina", obj=invocation)))
        print(f"\n{_first_step()}")
        return EXIT_OK
    with patina.make_context("patina", words, obj=invocation) as context:
        return int(patina.invoke(context) or EXIT_OK)


def _first_step() -> str:
    """Return what somebody can do in this folder who typed nothing else."""
    from patina_resources.cache.settings import cache_settings
    from patina_resources.materialize.git.repository import is_in_repository
    from patina_resources.project.project import find_project

    try:
        project = find_project()
    except PatinaError:
        here = Path.cwd()
        where = "is not set up yet: run `patina init`" if is_in_repository(here) else "is in no git repository"
        return f"{here} {where}"
    if not project.lock.exists():
        return f"{project.root} is not built yet: run `{'patina pull' if cache_settings(project) else 'patina init'}`"
    return f'{project.root} is built: ask with `patina scry "a question in your own words"`'


def run() -> NoReturn:
    """Run one command as a process, and end it."""
    code = main()
    # Python looks at its end for cycles among all that was ever loaded, which takes a seventh of a cold search.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    run()
