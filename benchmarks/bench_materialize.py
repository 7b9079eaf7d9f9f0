"""`patina materialize` on large repositories: seconds, peak memory, events, and whether the counts are those of others.

    python benchmarks/bench_materialize.py history FOLDER [--commits 100000] [--files 4000]
    python benchmarks/bench_materialize.py code FOLDER --sources FOLDER_WITH_SOURCE_CODE

`history` generates a repository with renames, deletions, binary files, merges and odd paths, and compares the events
with `git rev-list --count --no-merges` and `git log --numstat`. `code` commits the source files below `--sources`, and
compares the Python functions, classes and calls with `ast`. FOLDER is used again where it exists. Exit code 1: a count
differs. Unix only (`resource`).
"""

import argparse
import ast
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from patina_resources.materialize.code.languages.languages import is_source

FIRST_SECOND = 1_500_000_000
SEED = 1
RUN = """
import resource, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from patina_resources.materialize.run import materialize
started = time.monotonic()
reports = materialize(Path(sys.argv[2]), Path(sys.argv[3]), only=[sys.argv[4]], full=sys.argv[5] == "full")
seconds = time.monotonic() - started
peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(f"{seconds:.1f} | {peaks[0]:.0f} | {peaks[1]:.0f} | {sum(reports[0].new.values())}")
for line in reports[0].skipped:
    print(line, file=sys.stderr)
"""


class History:
    """The state of a generated repository, and its commits as a stream for `git fast-import`."""

    def __init__(self, files: int, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._wanted = files
        self._made = 0
        self._lines: dict[bytes, list[int]] = {}
        self._names: list[bytes] = []

    def stream(self, commits: int) -> Iterator[bytes]:
        """Yield the stream; one commit in fifty is a merge of a side branch of one commit."""
        done = 0
        while done < commits:
            if done and done % 50 == 0 and done + 1 < commits:
                change = self._new_file()
                yield self._commit(done + 1, "refs/heads/side", f"from :{done}\n", change)
                yield self._commit(done + 2, "refs/heads/main", f"from :{done}\nmerge :{done + 1}\n", change)
                done += 2
            else:
                done += 1
                yield self._commit(done, "refs/heads/main", f"from :{done - 1}\n" if done > 1 else "", self._changes())

    def _commit(self, number: int, branch: str, parents: str, changes: bytes) -> bytes:
        person = f"Author {number % 23} <author{number % 23}@example.org> {FIRST_SECOND + 300 * number} +0130"
        message = f"fix(part{number % 7}): change {number} (#{number})\n\nWhy it was made.\n".encode()
        head = f"commit {branch}\nmark :{number}\nauthor {person}\ncommitter {person}\ndata {len(message)}\n".encode()
        return head + message + parents.encode() + changes + b"\n"

    def _changes(self) -> bytes:
        kind = self._random.random()
        if len(self._names) < self._wanted and kind < 0.5:
            return b"".join(self._new_file() for _ in range(self._random.randint(1, 4)))
        if not self._names:
            return self._new_file()
        if kind > 0.99:
            return self._delete() + self._new_file()
        if kind > 0.97:
            return self._rename()
        if kind > 0.96:
            return self._binary()
        return b"".join(self._edit() for _ in range(self._random.choice((1, 1, 1, 2, 2, 3, 5, 8))))

    def _new_file(self) -> bytes:
        number = self._made = self._made + 1
        odd = {
            0: b'quote" and\ttab %d',
            1: b"new\nline %d",
            2: "ümläut %d".encode(),
            3: b"bytes \xff\xfe %d",
            4: b"-rf %d",
        }
        name = odd.get(number % 400, b"file %d.txt") % number
        path = b"area%d/part%d/%s" % (number % 40, number % 13, name)
        self._names.append(path)
        self._lines[path] = [self._random.randrange(10**6) for _ in range(self._random.randint(10, 60))]
        return self._content(path)

    def _edit(self) -> bytes:
        path = self._random.choice(self._names)
        lines = self._lines[path]
        for _ in range(self._random.randint(1, 4)):
            lines[self._random.randrange(len(lines))] = self._random.randrange(10**6)
        lines.append(self._random.randrange(10**6))
        del lines[80:]
        return self._content(path)

    def _rename(self) -> bytes:
        place = self._random.randrange(len(self._names))
        old = self._names[place]
        self._made += 1
        new = self._names[place] = b"moved%d/%d.txt" % (self._made % 30, self._made)
        self._lines[new] = self._lines.pop(old)
        return b"R %s %s\n" % (_quoted(old), _quoted(new)) + (self._edit() if self._random.random() < 0.5 else b"")

    def _delete(self) -> bytes:
        path = self._names.pop(self._random.randrange(len(self._names)))
        del self._lines[path]
        return b"D %s\n" % _quoted(path)

    def _binary(self) -> bytes:
        data = b"\0" + self._random.randbytes(200)
        return b"M 100644 inline images/%d.bin\ndata %d\n%s\n" % (self._random.randrange(50), len(data), data)

    def _content(self, path: bytes) -> bytes:
        data = b"".join(b"value %d of this line\n" % line for line in self._lines[path])
        return b"M 100644 inline %s\ndata %d\n%s\n" % (_quoted(path), len(data), data)


def _quoted(path: bytes) -> bytes:
    """Return a path as `git fast-import` reads any path."""
    return b'"%s"' % path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n").replace(b"\t", b"\\t")


def git(folder: Path, *arguments: str) -> bytes:
    """Return what git prints, with no configuration but its own."""
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],  # noqa: S607
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout


def generate_history(folder: Path, commits: int, files: int) -> None:
    """Make the repository of `history`."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    command = ["git", "-C", str(folder), "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        if process.stdin is not None:
            process.stdin.writelines(History(files, SEED).stream(commits))
            process.stdin.close()
    git(folder, "read-tree", "HEAD")


def generate_code(folder: Path, sources: Path) -> None:
    """Make the repository of `code`: one commit with every source file below `sources`."""
    for path in sorted(sources.rglob("*")):
        # The name of a folder that is left out as vendored would leave out all of it.
        target = folder / "tree" / path.relative_to(sources).as_posix().replace("vendor", "seller")
        if path.is_file() and not path.is_symlink() and is_source(path.name):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "all of it")


def run(folder: Path, scraper: str) -> None:
    """Print one row of the table for each of a first, a second and a full run."""
    eventlog = folder / ".git" / "bench.db"
    eventlog.unlink(missing_ok=True)
    print("| run | seconds | peak MiB | peak MiB of git or the parser | new events |\n|---|---|---|---|---|")
    for name in ("first", "second", "full"):
        command = [sys.executable, "-c", RUN, str(Path(__file__).parents[1]), str(folder), str(eventlog), scraper, name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"| {name} | {done.stdout.strip()} |")
        if name == "first":
            reasons = [line.rpartition(": ")[2] for line in done.stderr.splitlines() if not line.startswith("code:")]
            remarks = [line for line in done.stderr.splitlines() if line.startswith("code:")]
    print(f"eventlog: {eventlog.stat().st_size / 1e6:.0f} MB; left out: {dict(Counter(reasons))}", *remarks, sep="\n")


def payloads(folder: Path, kind: str) -> Iterator[dict[str, object]]:
    """Yield the payloads of one type of event."""
    with closing(sqlite3.connect(folder / ".git" / "bench.db")) as connection:
        for (data,) in connection.execute("SELECT data FROM eventlog WHERE event_type = ? ORDER BY seq", (kind,)):
            yield json.loads(data)


def check_history(folder: Path) -> bool:
    """Print how commits and files compare with git's own count; return whether they are equal."""
    merges = set(git(folder, "rev-list", "--merges", "HEAD").decode().split())
    commits = [str(commit["sha"]) for commit in payloads(folder, "git.commit")]
    ours = sum(sha not in merges for sha in commits)
    theirs = int(git(folder, "rev-list", "--count", "--no-merges", "HEAD"))
    print(f"commits without merges: {ours} (git rev-list: {theirs}); merges: {len(commits) - ours} ({len(merges)})")
    found: Counter[tuple[str, str, int, int]] = Counter()
    for commit in payloads(folder, "git.commit"):
        for file in commit["files"]:  # type: ignore[attr-defined]
            found[str(commit["sha"]), file["path"], file["lines_added"], file["lines_removed"]] += 1
    expected = Counter(numstat(folder))
    print(f"changed files: {found.total()} (git log --numstat: {expected.total()}), equal: {found == expected}")
    return ours == theirs and len(commits) - ours == len(merges) and found == expected


def numstat(folder: Path) -> Iterator[tuple[str, str, int, int]]:
    """Yield (sha, path, added, removed) as `git log --numstat` prints them."""
    printed = git(folder, "log", "-z", "--no-merges", "--numstat", "--format=commit:%H", "HEAD").split(b"\0")
    sha, parts = "", iter(printed)
    for part in parts:
        line = part.lstrip(b"\n")
        if line.startswith(b"commit:"):
            sha = line.removeprefix(b"commit:").decode()
        elif line:
            added, removed, path = line.split(b"\t", 2)
            if not path:  # a rename: the old and the new path follow
                next(parts)
                path = next(parts)
            counts = [0 if count == b"-" else int(count) for count in (added, removed)]
            yield sha, path.decode("utf-8", "backslashreplace"), counts[0], counts[1]


def check_code(folder: Path) -> bool:
    """Print how the Python facts compare with `ast`, file by file; return whether each difference is explained.

    The one that is: the grammar takes `type(x).name = value` for a type alias, so that call is missing.
    """
    found: dict[str, Counter[str]] = {}
    for kind in ("code.function", "code.class", "code.call"):
        for fact in payloads(folder, kind):
            found.setdefault(str(fact["file"]), Counter())[kind] += 1
    totals, theirs, explained, unlike = Counter[str](), Counter[str](), 0, []
    for path in sorted(folder.glob("tree/**/*.py")):
        ours = found.get(f"./{path.relative_to(folder)}", Counter())
        tree = parsed(path.read_bytes())
        if tree is None or not ours:  # not Python 3, or empty, or named in the report as left out
            continue
        expected, aliases = ast_counts(tree)
        totals, theirs, explained = totals + ours, theirs + expected, explained + aliases
        expected["code.call"] -= aliases
        if ours != +expected:
            unlike.append(f"{path}: ours {dict(ours)}, ast {dict(expected)}")
    print(*(f"{kind}: {totals[kind]} (ast: {count})" for kind, count in sorted(theirs.items())), sep="\n")
    print(f"calls `type(x).name = value`: {explained}; files that differ otherwise: {len(unlike)}", *unlike, sep="\n")
    return not unlike


def parsed(source: bytes) -> ast.Module | None:
    """Return the syntax tree of a file, None where it is no Python of this version."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None


def ast_counts(tree: ast.Module) -> tuple[Counter[str], int]:
    """Return the functions, classes and calls of a file, and how many statements are `type(x).name = value`."""
    kinds = {
        ast.FunctionDef: "code.function",
        ast.AsyncFunctionDef: "code.function",
        ast.ClassDef: "code.class",
        ast.Call: "code.call",
    }
    nodes = list(ast.walk(tree))
    counts = Counter(kinds[type(node)] for node in nodes if type(node) in kinds)
    targets = [node.targets[0] for node in nodes if isinstance(node, ast.Assign)]
    owners = [target.value for target in targets if isinstance(target, ast.Attribute)]
    called = [owner.func for owner in owners if isinstance(owner, ast.Call)]
    return counts, sum(isinstance(name, ast.Name) and name.id == "type" for name in called)


def main() -> int:
    """Generate, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("history", "code"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--commits", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=4_000)
    parser.add_argument("--sources", type=Path)
    options = parser.parse_args()
    if options.what == "code" and not options.folder.exists() and options.sources is None:
        parser.error("code: --sources is needed to make FOLDER")
    if not options.folder.exists():
        if options.what == "history":
            generate_history(options.folder, options.commits, options.files)
        else:
            generate_code(options.folder, options.sources)
    run(options.folder, "git" if options.what == "history" else "code")
    return 0 if (check_history if options.what == "history" else check_code)(options.folder) else 1


if __name__ == "__main__":
    sys.exit(main())
