"""HEAD without git: a process takes longer to start than a search may be held up for a hint."""

from contextlib import suppress
from pathlib import Path

MOST_BYTES = 4096
MOST_PACKED_BYTES = 1 << 20


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
    return content.decode("ascii").strip()


def _is_sha(text: str) -> bool:
    return len(text) in (40, 64) and set(text) <= set("0123456789abcdef")
