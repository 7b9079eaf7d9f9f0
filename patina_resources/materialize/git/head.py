"""HEAD without git: a process takes longer to start than a search may be held up for a hint.

And what is wrong with a `.git` that git takes for no repository: git says no more than that.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from patina_resources.errors import shown_path

MOST_BYTES = 4096
MOST_PACKED_BYTES = 1 << 20
MOST_LOG_BYTES = 1 << 22
# What git writes there for other programs, where branches are not files.
OF_REFTABLES = "ref: refs/heads/.invalid"
_REFERENCE = re.compile(r"refs(?:/[^\x00-\x20\x7f~^:?*\[\\/]++)+")


def head_of(root: Path) -> str | None:
    """Return the commit that HEAD names, read from git's files; None where they do not say it plainly."""
    folder = next((place / ".git" for place in (root, *root.parents) if (place / ".git").is_dir()), None)
    return None if folder is None else commit_of(folder, "HEAD")


def commit_of(folder: Path, reference: str) -> str | None:
    """Return the commit that a reference of a git folder names, `HEAD` or another; None as in `head_of`."""
    with suppress(OSError, ValueError):
        text = _small(folder / reference, MOST_BYTES)
        if not text.startswith("ref: refs/"):
            return text if _is_sha(text) else None
        name = text.removeprefix("ref: ")
        if ".." in name or "\n" in name:
            return None
        with suppress(FileNotFoundError):
            sha = _small(folder / name, MOST_BYTES)
            return sha if _is_sha(sha) else None
        for line in _small(folder / "packed-refs", MOST_PACKED_BYTES).split("\n"):
            if line.endswith(f" {name}"):
                return line.partition(" ")[0]
    return None


def branch_of(folder: Path) -> str:
    """Return the branch that HEAD of a git folder names, such as `refs/heads/main`; "" where it names none."""
    with suppress(OSError, ValueError):
        text = _small(folder / "HEAD", MOST_BYTES)
        return text.removeprefix("ref: ") if text.startswith("ref: ") else ""
    return ""


def last_of_log(folder: Path) -> str | None:
    """Return the commit that HEAD of a git folder was at last, as git wrote it down; None where it did not."""
    with suppress(OSError, ValueError):
        *_, last = _small(folder / "logs" / "HEAD", MOST_LOG_BYTES).splitlines()
        _, sha, *_ = last.split(" ")
        return sha if _is_sha(sha) and set(sha) != {"0"} else None
    return None


def fault_of(folder: Path) -> str | None:
    """Return in words what is wrong with the `.git` of a folder, and what to do, where git does not read it.

    None where there is no `.git`, or where it holds nothing of a repository.
    """
    place = next((above / ".git" for above in (folder, *folder.parents) if os.path.lexists(above / ".git")), None)
    if place is None:
        return None
    if not place.is_dir():
        return _fault_of_link(place)
    missing = [name for name in ("objects", "refs") if not (place / name).is_dir()]
    if len(missing) == 2 and not os.path.lexists(place / "HEAD"):
        return None
    if missing:
        return f"{place}: has no folder {missing[0]}, so git does not read it: clone the repository again"
    return fault_of_head(place)


def fault_of_head(folder: Path) -> str | None:
    """Return in words what is wrong with the HEAD of a git folder, and what to do; None where it names something."""
    head, removed = folder / "HEAD", ""
    try:
        text = _small(head, MOST_BYTES)
    except FileNotFoundError:
        said = "is missing"
        if os.path.lexists(head):
            said, removed = "is no plain file", "move it away, and "
    except OSError as error:
        return f"{head}: cannot be read ({error.strerror}), so git reads nothing here: give yourself permission"
    except ValueError:
        said = "names neither a branch nor a commit"
    else:
        if text == OF_REFTABLES or is_reference(text.removeprefix("ref: ")) or _is_sha(text):
            return None
        said = "names neither a branch nor a commit"
    branch = next(iter(sorted(_branches(folder), key=lambda name: (name not in ("main", "master"), name))), "main")
    return (
        f"{head}: {said}, so git does not read this repository: {removed}write into it the line "
        f"{shown_path(f'ref: refs/heads/{branch}')}, or the branch that you work on"
    )


def waits_for_ever(folder: Path) -> bool:
    """Return whether git would wait for ever in a folder: HEAD is a pipe or a device."""
    place = next((above / ".git" for above in (folder, *folder.parents) if (above / ".git").is_dir()), folder)
    with suppress(OSError):
        mode = (place / "HEAD").stat().st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return False


def is_reference(name: str) -> bool:
    """Return whether a name is one that git gives to a branch or tag (`git check-ref-format`)."""
    parts = name.split("/")
    return _REFERENCE.fullmatch(name) is not None and not any(
        part.startswith(".") or part.endswith((".", ".lock")) or ".." in part or "@{" in part for part in parts
    )


def _fault_of_link(place: Path) -> str:
    """Return what is wrong with a `.git` that is a file: that of a linked worktree or of a submodule."""
    with suppress(OSError, ValueError):
        text = _small(place, MOST_BYTES)
        if text.startswith("gitdir: "):
            named = shown_path(text.removeprefix("gitdir: "))
            return (
                f"{place}: names {named} as the git folder, where git finds none: if the repository was moved, run "
                "`git worktree repair` in it, else clone it again"
            )
    return f"{place}: is neither a git folder nor a file that names one: move it away, or clone the repository again"


def _branches(folder: Path) -> Iterator[str]:
    with suppress(OSError, ValueError):
        heads = folder / "refs" / "heads"
        yield from (str(path.relative_to(heads)) for path in heads.rglob("*") if path.is_file())
        for line in _small(folder / "packed-refs", MOST_PACKED_BYTES).split("\n"):
            name = line.partition(" ")[2]
            if name.startswith("refs/heads/"):
                yield name.removeprefix("refs/heads/")


def _small(path: Path, most: int) -> str:
    """Return the text of a small plain file.

    Raises:
        OSError: It cannot be read, or is no plain file.
        ValueError: It is larger, or no text.
    """
    if path.is_symlink() or not path.is_file():
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError("too large")
    return content.decode("utf-8").strip()


def _is_sha(text: str) -> bool:
    return len(text) in (40, 64) and set(text) <= set("0123456789abcdef")
