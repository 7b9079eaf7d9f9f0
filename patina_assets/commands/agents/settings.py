"""`patina mcp --print-config`: the entry that a program needs in its settings, and how it gets there."""

import json
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from patina_assets.serving.mcp.stdio import EXTRA
from patina_assets.terminal.questions import say_on_stderr
from patina_resources.documents.jsonc import read_jsonc, with_entry
from patina_resources.documents.text_file import read_small_text
from patina_resources.documents.toml_file import read_toml
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project
from patina_resources.store.files import FILE_MODE, kept_mode, leads_out, write_atomic
from patina_resources.store.mothership import HOME_VARIABLE

NAME = "patina"
ServerEntry = dict[str, Any]


@dataclass(frozen=True)
class Program:
    """Where a program keeps which servers it starts.

    Attributes:
        file: Its settings file, from the top of the project.
        key: The object, or table, that holds the servers by name.
        is_typed: Whether an entry says how it is spoken to.
        is_toml: Whether the file is TOML, and not JSON with comments.
    """

    file: str
    key: str
    is_typed: bool = False
    is_toml: bool = False


PROGRAMS = {
    "vscode": Program(".vscode/mcp.json", "servers", is_typed=True),
    "claude": Program(".mcp.json", "mcpServers", is_typed=True),
    "cursor": Program(".cursor/mcp.json", "mcpServers"),
    "zed": Program(".zed/settings.json", "context_servers"),
    "codex": Program(".codex/config.toml", "mcp_servers", is_toml=True),
}


def print_settings(project: Project, name: str, *, write: bool) -> int:
    """Print the settings of a program, or add them to its file; return the exit code.

    Args:
        project: The project.
        name: One of `PROGRAMS`.
        write: Add them to the file; what is there stays.

    Raises:
        PatinaError: The file cannot be read or written, is no settings file, or has another entry of our name.
    """
    program = PROGRAMS[name]
    entry = server_entry(project, program)
    if find_spec("mcp") is None:
        say_on_stderr(f"patina: {EXTRA}")
    if not write:
        print(_added(program, "", entry), end="")
        say_on_stderr(f"patina: it belongs in {program.file}: `patina mcp --print-config {name} --write` adds it there")
        return 0
    path = project.root / program.file
    if leads_out(path, project.root) or path.is_symlink():
        raise PatinaError(f"{path}: leads out of the project: expected a file of it, and no link")
    before = _text(path)
    if _entry_in(program, before, path) == entry:
        print(f"{program.file} has it already")
        return 0
    try:
        after = _added(program, before, entry)
    except ValueError as error:
        raise PatinaError(f"{path}: nothing was changed: {error}: add by hand what `--print-config` prints") from error
    write_atomic(path, after.encode(), kept_mode(path, FILE_MODE))
    print(f"{program.file}: added {NAME}; it names folders of this machine: do not commit it")
    return 0


def server_entry(project: Project, program: Program) -> ServerEntry:
    """Return how a program starts the server: by absolute paths, whatever its working folder is."""
    script = Path(sys.executable).with_name("patina")
    command, arguments = (str(script), []) if script.is_file() else (sys.executable, ["-P", "-m", "patina_assets.cli"])
    home = os.environ.get(HOME_VARIABLE)
    return {
        **({"type": "stdio"} if program.is_typed else {}),
        "command": command,
        "args": [*arguments, "mcp", "--project", str(project.root)],
        **({"env": {HOME_VARIABLE: str(Path(home).absolute())}} if home else {}),
    }


def _text(path: Path) -> str:
    try:
        if path.suffix != ".toml":
            return read_small_text(path, "JSON")
        read_toml(path)  # it refuses what takes Python's reader long
        return read_small_text(path, "TOML")
    except FileNotFoundError:
        return ""


def _entry_in(program: Program, text: str, path: Path) -> object:
    """Return the entry of our name that a text has; None where it has none."""
    try:
        document = _read(program, text)
    except ValueError as error:
        kind = "TOML" if program.is_toml else "JSON"
        raise PatinaError(f"{path}: not valid {kind}, so nothing was changed: {error}") from error
    servers = document.get(program.key) if isinstance(document, Mapping) else None
    return servers.get(NAME) if isinstance(servers, Mapping) else None


def _read(program: Program, text: str) -> object:
    if program.is_toml:
        return tomllib.loads(text)
    return read_jsonc(text) if text.strip() else {}


def _added(program: Program, text: str, entry: ServerEntry) -> str:
    """Return a text with the entry in it.

    Raises:
        ValueError: It cannot be added, or another one is there.
    """
    if not program.is_toml:
        return with_entry(text, [program.key, NAME], entry)
    before = tomllib.loads(text)
    servers = before.get(program.key, {})
    if not isinstance(servers, dict) or NAME in servers:
        raise ValueError(f"{NAME} is there already" if isinstance(servers, dict) else f"{program.key} is no table")
    # A string of JSON is one of TOML, too.
    values = {key: value for key, value in entry.items() if key != "env"}
    lines = [f"[{program.key}.{NAME}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    if "env" in entry:
        lines += [f"[{program.key}.{NAME}.env]", *(f"{k} = {json.dumps(v)}" for k, v in entry["env"].items())]
    begin = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    result = text + begin + "\n".join(lines) + "\n"
    expected = {**before, program.key: {**servers, NAME: entry}}
    if tomllib.loads(result) != expected:
        raise ValueError(f"{program.key} is no table")
    return result
