"""The lines that Patina puts into a git hook, and takes out of it again. Pure text.

They stand between two markers below the hook's first line, so that an `exit` further down does not leave them out. They
start a process in the background and never fail. What belongs to somebody else is kept byte for byte.
"""

import shlex
from dataclasses import dataclass

from patina_resources.errors import PatinaError

HOOKS = ("post-commit", "post-merge", "post-checkout", "post-rewrite")
BEGIN = "# >>> patina: `patina hook uninstall` takes these lines away >>>"
BEGIN_FILE = "# >>> patina: `patina hook uninstall` takes this file away >>>"
END = "# <<< patina <<<"
FIRST_LINE = "#!/bin/sh\n"
_SHELLS = ("sh", "bash", "dash", "ksh", "ash", "zsh")
_REBASES = '[ ! -e "$git_dir/rebase-merge" ] && [ ! -e "$git_dir/rebase-apply" ] || exit 0'
# Without a process of its own: a rebase calls it for each commit. In a worktree `.git` is a file, and it says nothing.
_PICKED = '[ -e "${GIT_DIR:-.git}/rebase-merge" ] || '
# An empty or relative entry is the working folder: Python would import modules of whoever was pulled from.
_NO_WORKING_FOLDER = 'case ":${PYTHONPATH-}:" in *::* | *:[!/]*) unset PYTHONPATH ;; esac'
# The commits of a rebase are none of ours until it has ended. It runs post-checkout when it begins, which may be all
# that it does, and post-rewrite at its end, while it is not yet put away: what is started then waits for that.
_GUARDS = {
    "post-checkout": '[ "$3" = 1 ] || exit 0',  # branches were switched, not files restored
    "post-rewrite": f'[ "$1" = rebase ] || {{ {_REBASES}; }}',
}


@dataclass(frozen=True)
class Starter:
    """What a hook starts.

    Attributes:
        python: The interpreter that Patina is installed in, as an absolute path.
        home: The mothership that the user has chosen; None for the usual one. Who commits in a graphical program may
            not have it in the environment.
    """

    python: str
    home: str | None = None

    @property
    def command(self) -> str:
        """The command line in a shell."""
        home = f"PATINA_HOME={shlex.quote(self.home)} " if self.home else ""
        return f"{home}PYTHONSAFEPATH=1 nice {shlex.quote(self.python)} -m patina_assets.cli hook run"


@dataclass(frozen=True)
class Hook:
    """A hook's file, in two.

    Attributes:
        others: What is not ours; empty where the file is ours as a whole.
        ours: Our lines with their markers; empty where there are none.
    """

    others: str
    ours: str


def lines_of(hook: str, starter: Starter, *, whole_file: bool) -> str:
    """Return our lines of a hook.

    Args:
        hook: One of `HOOKS`.
        starter: What it starts.
        whole_file: Whether the file has nothing else.
    """
    first = "" if hook in _GUARDS else _PICKED
    return f"""{BEGIN_FILE if whole_file else BEGIN}
{first}(
  git_dir=${{GIT_DIR:-.git}}
  [ -d "$git_dir" ] || git_dir=$(git rev-parse --git-dir) || exit 0
  [ ! -e "$git_dir/BISECT_LOG" ] || exit 0
  {_GUARDS.get(hook, _REBASES)}
  [ -x {shlex.quote(starter.python)} ] || exit 0
  {_NO_WORKING_FOLDER}
  trap '' HUP
  {starter.command} </dev/null >/dev/null 2>&1 &
) </dev/null >/dev/null 2>&1 || :
{END}
"""


def parted(text: str, where: str) -> Hook:
    """Return what of a hook's text is ours and what is not.

    Args:
        text: The hook, with its line ends as they are.
        where: What the hook is called in an error.

    Raises:
        PatinaError: One of our markers is there without the other, or twice.
    """
    begins = [begin for begin in (BEGIN, BEGIN_FILE) for _ in range(text.count(f"{begin}\n"))]
    if not begins and END not in text:
        return Hook(text, "")
    start = text.find(f"{begins[0]}\n") if begins else -1
    end = text.find(f"{END}\n", max(start, 0))
    if len(begins) != 1 or end < 0 or text.count(END) != 1:
        raise PatinaError(
            f"{where}: the lines of Patina are not as they were written: expected one `{BEGIN}` and one `{END}`: "
            "delete those lines, then run the command again"
        )
    end += len(END) + 1
    others = text[:start] + text[end:]
    is_whole = begins[0] == BEGIN_FILE and others == FIRST_LINE
    return Hook("" if is_whole else others, text[start:end])


def joined(hook: str, others: str, starter: Starter, where: str) -> str:
    """Return a hook with our lines in it.

    Args:
        hook: One of `HOOKS`.
        others: What the hook does beside that; empty for a hook that is not there.
        starter: What it starts.
        where: What the hook is called in an error.

    Raises:
        PatinaError: It is no script of a shell.
    """
    if not others:
        return FIRST_LINE + lines_of(hook, starter, whole_file=True)
    first, line_end, rest = others.partition("\n")
    if not line_end or first.endswith("\r") or not _is_shell(first):
        raise PatinaError(
            f"{where}: is no script of a shell that Patina could add to: let it also run "
            f"`{starter.command}` in the background"
        )
    return f"{first}\n{lines_of(hook, starter, whole_file=False)}{rest}"


def _is_shell(first_line: str) -> bool:
    """Return whether a first line such as `#!/bin/sh -e` or `#!/usr/bin/env bash` names a shell."""
    words = [word for word in first_line[2:].split() if not word.startswith("-")]
    if not first_line.startswith("#!") or not words:
        return False
    program = words[0].rpartition("/")[2]
    return (words[1] if program == "env" and len(words) > 1 else program) in _SHELLS
