"""The grammar that all commands share: options that stand anywhere, lists, and one sentence for wrong usage."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from typing import Any

import click

from patina_resources.errors import did_you_mean
from patina_resources.installed import installed_version

PATH_OPTION = "--path"
DEBUG_OPTION = "--debug"
# What other programs take as a command.
WORDS = {"help": "--help", "version": "--version"}
# And how they call what has another name here.
ELSEWHERE = {
    "ask": "scry", "search": "scry", "find": "scry", "query": "scry", "similar": "like", "log": "recent",
    "blame": "why", "build": "oxidize", "train": "oxidize", "index": "oxidize", "update": "materialize",
    "sync": "materialize", "status": "doctor", "serve": "ui", "web": "ui",
}  # fmt: skip


@dataclass
class Invocation:
    """What holds for one run of the command line.

    Attributes:
        debug: Show the traceback of an error.
    """

    debug: bool = False


@dataclass(frozen=True)
class CommandEntry:
    """A command in the list of all commands; its declaration is imported when it is used.

    Attributes:
        name: What the user types.
        section: Its heading in `--help`.
        module: The module of this folder that declares it.
        summary: One line for `--help`.
        variable: Its name in the module, where that is not the command's.
    """

    name: str
    section: str
    module: str
    summary: str
    variable: str = ""


class Command(click.Command):
    """A command with the options that every command has."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its own parameters, then those of every command."""
        return [*super().get_params(ctx), *COMMON]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take what the user typed; an error knows the command that it is about."""
        refuse_expanded_pattern(args, ctx)
        makes_list = "--only" in args  # asked before: click takes the words away
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            if error.message.startswith("Got unexpected extra argument") and makes_list:
                raise click.UsageError(f"{error.message}: a list is written as `--only a,b`", ctx) from error
            raise


def refuse_expanded_pattern(args: Sequence[str], ctx: click.Context) -> None:
    """Return if no shell has put the names of files in the place of a pattern behind `--path`.

    Raises:
        click.UsageError: It has: the first file would be the pattern, and the others words of the question.
    """
    for option, first, second in zip(args, args[1:], args[2:], strict=False):
        one, other = PurePath(first), PurePath(second)
        if option != PATH_OPTION or not (one.parent == other.parent or one.suffix == other.suffix != ""):
            continue
        if os.path.lexists(first) and os.path.lexists(second):
            pattern = str(one.parent / f"*{one.suffix if one.suffix == other.suffix else ''}")
            raise click.UsageError(
                f"{PATH_OPTION}: the shell wrote the names of files ({first}, {second}) in the place of a pattern: "
                f"write the pattern in quotation marks, such as {PATH_OPTION} {shlex.quote(pattern)}",
                ctx,
            )


class CommandGroup(click.Group):
    """A group of commands that are imported when they are used."""

    command_class = Command

    def __init__(self, name: str, entries: Sequence[CommandEntry], **settings: Any) -> None:  # noqa: ANN401 - as click has it
        """List the commands of a group."""
        super().__init__(name, **settings)
        self.entries = {entry.name: entry for entry in entries}

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its own parameters, then those of every command."""
        return [*super().get_params(ctx), *COMMON]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take what the user typed; nothing at all asks for the help, as `help` and `help COMMAND` do."""
        first = next((place for place, word in enumerate(args) if word != DEBUG_OPTION), len(args))
        before, rest = args[:first], args[first:] or ["--help"]
        while rest[0] in WORDS and rest[0] not in self.entries:
            rest = [*rest[1:], WORDS[rest[0]]]
        return super().parse_args(ctx, [*before, *rest])

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """Return the names of the commands, in the order of the help."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command, imported now."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        found = getattr(import_module(f"patina_assets.command_line.{entry.module}"), entry.variable or entry.name)
        if not isinstance(found, click.Command):
            raise TypeError(f"{entry.module}.{cmd_name} is no command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names.

        Raises:
            click.UsageError: There is no such command.
        """
        if args[0] not in self.entries and not args[0].startswith("-"):
            meant = ELSEWHERE.get(args[0])
            hint = f" (did you mean {meant!r}?)" if meant in self.entries else did_you_mean(args[0], self.entries)
            raise click.UsageError(f"no such command {args[0]!r}{hint}: expected one of {', '.join(self.entries)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands under the headings of their sections."""
        for section in dict.fromkeys(entry.section for entry in self.entries.values()):
            rows = [(entry.name, entry.summary) for entry in self.entries.values() if entry.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)


def usage_sentence(error: click.UsageError) -> str:
    """Return in one sentence what is wrong with what the user typed."""
    path = error.ctx.command_path if error.ctx else "patina"
    where = path.removeprefix("patina").strip()
    if isinstance(error, click.NoSuchOption):
        known = [name for parameter in _options(error.ctx) for name in parameter.opts]
        message = f"no such option {error.option_name}{did_you_mean(error.option_name, known)}"
    else:
        message = error.format_message().rstrip(".")
        message = message[:1].lower() + message[1:]
    return f"{where + ': ' if where else ''}{message}: `{path} --help` explains the command"


def _options(ctx: click.Context | None) -> list[click.Option]:
    parameters = ctx.command.get_params(ctx) if ctx else []
    return [parameter for parameter in parameters if isinstance(parameter, click.Option)]


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.find_root().ensure_object(Invocation).debug = True


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        print(f"patina {installed_version() or '(not installed)'}")
        ctx.exit()


COMMON: tuple[click.Parameter, ...] = (
    click.Option(
        [DEBUG_OPTION], is_flag=True, expose_value=False, is_eager=True, callback=_set_debug,
        help="Show the traceback of an error.",
    ),
    click.Option(
        ["--version", "-V"], is_flag=True, expose_value=False, is_eager=True, callback=_print_version,
        help="Print the version and exit.",
    ),
)  # fmt: skip
