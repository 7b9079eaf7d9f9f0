"""Files of a repository: no link, glob or setting leads out of it, nothing in it is run, and nothing is waited for."""

import os
import time
from pathlib import Path

import pytest
from clones import Attacker, Clone
from materialize_helpers import GitFolder, rows

from patina_resources.errors import PatinaError
from patina_resources.materialize.git import untold
from patina_resources.materialize.git.repository import find_repository
from patina_resources.materialize.note_globs import matching_files
from patina_resources.materialize.run import materialize

SECRET = "the-secret-of-another-project"
NOTE = f"# Session: x\n\n## Goals\n- [x] {SECRET}\n"


@pytest.fixture
def attacker(tmp_path: Path) -> Attacker:
    return Attacker(tmp_path / "attacker")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Return a folder outside of the repository with a note in it."""
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "note.md").write_text(NOTE)
    (folder / "note.py").write_text(f"def f():\n    return {SECRET.replace('-', '_')}()\n")
    return folder


def everything(clone: Clone) -> str:
    """Return what `materialize` printed and wrote."""
    said = clone.patina("materialize")
    eventlog = clone.path / ".patina" / "data" / "patina.db"
    written = str(rows(eventlog)) if eventlog.exists() else ""
    return said.out.decode() + said.err.decode() + written


# Links and globs


def with_globs(attacker: Attacker, *globs: str) -> None:
    quoted = ", ".join(f"'{glob}'" for glob in globs)
    attacker.write(".patina/config.toml", f"[sessions]\nglobs = [{quoted}]\n")


@pytest.mark.parametrize(
    "glob", ["away/*.md", "away/**/*.md", "*/*.md", "**/*.md", "away", "note.md", "inner/away/note.md", "inner/*/*"]
)
def test_no_link_leads_out_of_the_repository(attacker: Attacker, tmp_path: Path, secret: Path, glob: str) -> None:
    (attacker.path / "away").symlink_to(secret)
    (attacker.path / "inner").mkdir()
    (attacker.path / "inner" / "away").symlink_to("../../secret")
    (attacker.path / "note.md").symlink_to(secret / "note.md")
    with_globs(attacker, glob)
    told = everything(attacker.publish(tmp_path / "victim"))
    assert SECRET not in told
    assert "note.md: is behind" not in told  # not even its name


@pytest.mark.parametrize("folder", ["layer/sessions", "docs/adr", "src"])
def test_no_linked_folder_in_a_usual_place_is_read(
    attacker: Attacker, tmp_path: Path, secret: Path, folder: str
) -> None:
    place = attacker.path / folder
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(secret)
    assert SECRET not in everything(attacker.publish(tmp_path / "victim"))


def test_linked_source_files_are_not_read(attacker: Attacker, tmp_path: Path, secret: Path) -> None:
    (attacker.path / "b.py").symlink_to(secret / "note.py")
    (attacker.path / "c.py").symlink_to("/dev/zero")
    (attacker.path / "d.py").symlink_to("/proc/self/environ")
    told = everything(attacker.publish(tmp_path / "victim"))
    assert SECRET.replace("-", "_") not in told
    assert "b.py: is a symbolic link" in told


@pytest.mark.parametrize(
    "glob", ["/etc/*", "/proc/self/environ", "../secret/*.md", "a/../../secret/*.md", "..", "/", "/**/*", "//etc/*"]
)
def test_a_glob_that_leaves_the_repository_is_refused(
    attacker: Attacker, tmp_path: Path, secret: Path, glob: str
) -> None:
    assert secret.exists()
    with_globs(attacker, glob)
    said = attacker.publish(tmp_path / "victim").patina("materialize")
    assert "[sessions] globs of config.toml" in said.sentence


@pytest.mark.parametrize(
    "glob",
    [
        ".git/config",
        ".git/*",
        "*/config",
        "**/*",
        ".*/*",
        ".patina/data/*",
        ".patina/*/*",
        ".env",
        ".*",
        "**/.env",
        "*",
    ],
)
def test_what_is_not_the_repositorys_is_no_note(attacker: Attacker, tmp_path: Path, glob: str) -> None:
    with_globs(attacker, glob)
    clone = attacker.publish(tmp_path / "victim")
    (clone.path / ".env").write_text(NOTE)
    (clone.path / "deep").mkdir()
    (clone.path / "deep" / ".env").write_text(NOTE)
    (clone.path / ".git" / "config").write_text((clone.path / ".git" / "config").read_text() + f"\n# {SECRET}\n")
    (clone.path / ".patina" / "data").mkdir()
    (clone.path / ".patina" / "data" / "failures.log").write_text(NOTE)
    assert SECRET not in everything(clone)


def test_special_files_are_not_waited_for(attacker: Attacker, tmp_path: Path) -> None:
    clone = attacker.publish(tmp_path / "victim")
    (clone.path / "layer" / "sessions").mkdir(parents=True)
    (clone.path / "docs" / "adr").mkdir(parents=True)
    for place in ("layer/sessions/pipe.md", "docs/adr/pipe.md", "pipe.py"):
        os.mkfifo(clone.path / place)
    told = everything(clone)
    assert told.count("pipe.md: is not a regular file") == 2


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (f"[sessions]\nglobs = {['**/a.md'] * 90_000}", "[sessions] globs: expected a list of at most 100 strings"),
        (f"[sessions]\nglobs = ['{'**/' * 300_000}a.md']", "expected a non-empty string of at most 500 characters"),
        (f"[code]\ninclude = {['vendor'] * 90_000}", "[code] include: expected a list of at most 100 strings"),
        (f"[automation]\ncron = '{'0-59,' * 20_000}1 * * * *'", "cron: expected a non-empty string of at most 500"),
        (f"[automation]\ntimezone = '{'a/' * 300_000}'", "timezone: expected a non-empty string of at most 500"),
    ],
    ids=["globs", "a glob", "include", "cron", "timezone"],
)
def test_settings_that_take_time_for_each_file_are_few(
    attacker: Attacker, tmp_path: Path, settings: str, told: str
) -> None:
    attacker.write(".patina/config.toml", settings)
    sentence = attacker.publish(tmp_path / "victim").patina("materialize").sentence
    assert told in sentence
    assert len(sentence) < 1_000


def test_a_glob_of_many_wildcards_takes_no_time(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(25):
        folder = folder / ("a" * 60)
        folder.mkdir()
        (folder / ("a" * 200 + ".md")).touch()
    begun = time.process_time()
    assert len(matching_files(tmp_path, "**/*.md")) == 25
    for pattern in (
        "**/" * 60 + "*.txt",
        "**/*a*/" * 12 + "b",
        "a*" * 100 + "b",
        "*?" * 100 + "b",
        "[a-z]*" * 50 + "b",
    ):
        assert matching_files(tmp_path, pattern) == set()
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("notes/*.md", {"notes/a.md", "notes/.e.md"}),
        ("notes/**/*.md", {"notes/a.md", "notes/in/b.md", "notes/.e.md"}),
        ("**/*.md", {"notes/a.md", "notes/in/b.md", "notes/.e.md", "top.md", ".hidden/c.md"}),
        ("./notes/a.md", {"notes/a.md"}),
        ("notes/[ab].md", {"notes/a.md"}),
        (".hidden/*.md", {".hidden/c.md"}),
        ("*", {"top.md"}),
        ("notes/**", set()),
        ("missing/*.md", set()),
    ],
)
def test_globs_name_what_they_say(tmp_path: Path, pattern: str, expected: set[str]) -> None:
    for file in ("top.md", "notes/a.md", "notes/in/b.md", ".hidden/c.md", ".git/d.md", "notes/.e.md"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert {os.fsdecode(path) for path in matching_files(tmp_path, pattern)} == expected


# Git


def bait(repository: Path, marker: Path) -> None:
    """Have every setting of a git folder that names a command name one that leaves a mark."""
    script = repository / "evil"
    script.write_text(f"#!/bin/sh\ntouch {marker}\n")
    script.chmod(0o755)
    lines = [
        f"[core]\n\tfsmonitor = {script}\n\tpager = {script}\n\tsshCommand = {script}\n\teditor = {script}",
        f"\taskPass = {script}\n\tgitProxy = {script}\n\talternateRefsCommand = {script}\n\thooksPath = {repository}",
        f'[diff]\n\texternal = {script}\n[diff "evil"]\n\tcommand = {script}\n\ttextconv = {script}',
        f'[filter "evil"]\n\tclean = {script}\n\tsmudge = {script}\n\tprocess = {script}\n\trequired = true',
        f"[gpg]\n\tprogram = {script}\n[log]\n\tshowSignature = true\n[uploadpack]\n\tpackObjectsHook = {script}",
        f"[credential]\n\thelper = {script}\n[pager]\n\tlog = {script}\n\tls-files = {script}",
        f"[alias]\n\tlog = !{script}\n\tls-files = !{script}\n\trev-parse = !{script}",
    ]
    with (repository / "config").open("a") as config:
        config.write("\n".join(lines) + "\n")


def embedded_repository(attacker: Attacker, place: str, marker: Path) -> Path:
    """Commit a bare repository as ordinary files of another one, with a project in it."""
    inner = GitFolder(attacker.path.parent / "inner")
    inner.write("x.py", "def g():\n    pass\n")
    inner.commit("inner")
    bare = attacker.path / place
    inner.git("clone", "-q", "--bare", str(inner.path), str(bare))
    for empty in ("refs/heads", "refs/tags", "objects/info"):
        (bare / empty).mkdir(parents=True, exist_ok=True)
        (bare / empty / ".keep").touch()
    bait(bare, marker)
    return bare


@pytest.mark.parametrize("place", ["vendor/evil", "evil.git", "layer"])
@pytest.mark.parametrize("where", ["top", "inside"])
def test_an_embedded_bare_repository_runs_nothing(attacker: Attacker, tmp_path: Path, place: str, where: str) -> None:
    marker = tmp_path / "executed"
    embedded_repository(attacker, place, marker)
    attacker.write(f"{place}/.patina/config.toml", "")
    clone = attacker.publish(tmp_path / "victim")
    inside = clone.path / place
    said = (Clone(inside, clone.home) if where == "inside" else clone).patina("materialize")
    assert not marker.exists()
    if where == "inside":
        assert "is a bare repository in the files of another one" in said.sentence
    else:
        assert said.code == 0


def test_an_embedded_repository_whose_settings_include_an_endless_file(attacker: Attacker, tmp_path: Path) -> None:
    bare = embedded_repository(attacker, "evil", tmp_path / "executed")
    with (bare / "config").open("a") as config:
        config.write("[include]\n\tpath = /dev/zero\n")
    (bare / ".patina").mkdir()
    (bare / ".patina" / "config.toml").touch()
    clone = attacker.publish(tmp_path / "victim")
    said = Clone(clone.path / "evil", clone.home).patina("materialize", seconds=60)
    assert "is a bare repository in the files of another one" in said.sentence


def test_a_bare_repository_of_its_own_is_read(attacker: Attacker, tmp_path: Path) -> None:
    attacker.commit("one")
    attacker.git("clone", "-q", "--bare", str(attacker.path), str(tmp_path / "bare.git"))
    assert find_repository(tmp_path / "bare.git").worktree is None
    materialize(tmp_path / "bare.git", tmp_path / "bare.db", only=["git"])
    assert len(rows(tmp_path / "bare.db", "git")) == 1


@pytest.mark.parametrize(
    "attributes",
    [
        "* filter=evil diff=evil\n",
        "*.py diff=evil -text eol=crlf\n",
        "* ident merge=evil\n",
    ],
)
def test_attributes_run_nothing(attacker: Attacker, tmp_path: Path, attributes: str) -> None:
    attacker.write(".gitattributes", attributes)
    attacker.write("src/.gitattributes", attributes)
    attacker.write("src/b.py", "def h():\n    pass\n")
    clone = attacker.publish(tmp_path / "victim")
    marker = tmp_path / "executed"
    # The victim has drivers of these names, as `git lfs install` leaves them.
    bait(clone.path / ".git", marker)
    (clone.path / ".git" / "info").mkdir(exist_ok=True)
    (clone.path / ".git" / "info" / "attributes").write_text(attributes)
    (clone.path / "src" / "b.py").write_text("def h():\n    pass\nCHANGED = True\n")
    assert clone.patina("materialize").code == 0
    told = clone.patina("why", "src/b.py:1")
    assert "the commits that changed lines 1 to 2 at HEAD" in told.out.decode()
    assert not marker.exists()


def test_settings_of_the_user_run_nothing(attacker: Attacker, tmp_path: Path) -> None:
    clone = attacker.publish(tmp_path / "victim")
    marker = tmp_path / "executed"
    home = tmp_path / "home"
    (home / "git").mkdir(parents=True)
    bait(home / "git", marker)
    (home / ".gitconfig").write_text((home / "git" / "config").read_text())
    said = clone.patina("materialize", HOME=str(home), GIT_EXTERNAL_DIFF=str(home / "git" / "evil"))
    assert said.code == 0
    assert not marker.exists()


@pytest.mark.parametrize(
    "settings",
    [
        "[i18n]\n\tlogOutputEncoding = UTF-16\n\tcommitEncoding = ISO-8859-1",
        "[i18n]\n\tlogOutputEncoding = ISO-8859-1",
        "[core]\n\tbigFileThreshold = 1",
        "[core]\n\tquotePath = true\n\tabbrev = 4\n\tcommentChar = auto\n\tignoreCase = true\n\tsplitIndex = true",
        "[diff]\n\torderFile = {pipe}",
        "[diff]\n\trenames = copies\n\tnoprefix = true\n\trelative = true\n\tsubmodule = log\n\talgorithm = patience",
        "[color]\n\tui = always\n\tdiff = always\n[column]\n\tui = always",
        "[log]\n\tdate = relative\n\tfollow = true\n\tdecorate = full\n\tmailmap = false\n[format]\n\tpretty = fuller",
        "[extensions]\n\tpartialClone = origin\n[remote 'origin']\n\tpromisor = true\n\tuploadpack = touch {marker}",
        "[submodule]\n\trecurse = true\n[core]\n\tsharedRepository = 0666",
        "[mailmap]\n\tfile = {pipe}\n[blame]\n\tignoreRevsFile = {pipe}\n[fsck]\n\tskipList = {pipe}",
        "[trace2]\n\teventTarget = {marker}\n\tnormalTarget = {marker}",
    ],
)
def test_settings_of_a_repository_change_nothing_of_what_is_read(
    attacker: Attacker, tmp_path: Path, settings: str
) -> None:
    attacker.write("caf\u00e9.py", "def h():\n    pass\n")
    attacker.commit("Add a caf\u00e9")
    attacker.git("mv", "caf\u00e9.py", "b.py")
    clone = attacker.publish(tmp_path / "victim")
    marker, pipe = tmp_path / "executed", tmp_path / "pipe"
    os.mkfifo(pipe)
    materialize(clone.path, tmp_path / "before.db")
    with (clone.path / ".git" / "config").open("a") as config:
        config.write(settings.format(marker=marker, pipe=pipe).replace("'", '"') + "\n")
    assert clone.patina("materialize", seconds=60).code == 0
    assert rows(clone.path / ".patina" / "data" / "patina.db") == rows(tmp_path / "before.db")
    assert not marker.exists()


def folders_in_folders(attacker: Attacker, deep: int) -> str:
    """Return the name of a tree of 10 ** deep files, in as many objects as it is deep, and one more."""

    def tree(*entries: str) -> str:
        return attacker.git("mktree", stdin="".join(f"{entry}\n" for entry in entries).encode()).decode().strip()

    blob = attacker.git("hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    bomb = tree(*(f"100644 blob {blob}\tf{number}" for number in range(10)))
    for _ in range(deep - 1):
        bomb = tree(*(f"040000 tree {bomb}\td{number}" for number in range(10)))
    return bomb


def commit_tree(attacker: Attacker, tree: str) -> None:
    sha = attacker.git("commit-tree", tree, "-p", attacker.head(), "-m", "more").decode().strip()
    attacker.git("update-ref", "refs/heads/main", sha)


def test_a_commit_of_folders_in_folders_takes_no_room(attacker: Attacker, tmp_path: Path) -> None:
    attacker.commit("one")
    # At HEAD they are gone again, so that a clone does not check them out.
    small = attacker.git("rev-parse", "HEAD^{tree}").decode().strip()
    for content in (folders_in_folders(attacker, 5), small):
        commit_tree(attacker, content)
    clone = attacker.publish(tmp_path / "victim")
    said = clone.patina("materialize", seconds=100)
    assert said.code == 0
    assert b"2 commit(s) change more than 50,000 files, and are without files" in said.out + said.err
    eventlog = clone.path / ".patina" / "data" / "patina.db"
    assert [bool(row["data"]["files"]) for row in rows(eventlog, "git.commit")] == [True, False, False, True]
    assert eventlog.stat().st_size < 1 << 20


def test_folders_in_folders_at_head_of_a_bare_repository_are_refused(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacker.commit("one")
    commit_tree(attacker, folders_in_folders(attacker, 5))
    attacker.git("clone", "--quiet", "--bare", str(attacker.path), str(tmp_path / "bare.git"))
    monkeypatch.setattr(untold, "MOST_PATHS", 50_000)
    with pytest.raises(PatinaError, match="HEAD has more than 50,000 files"):
        materialize(tmp_path / "bare.git", tmp_path / "bare.db", only=["git"])


def test_submodules_and_nested_repositories_are_not_entered(attacker: Attacker, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    nested = GitFolder(tmp_path / "nested")
    nested.write("n.py", "def nested():\n    pass\n")
    nested.commit("nested")
    attacker.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(nested.path), "sub")
    clone = attacker.publish(tmp_path / "victim")
    copy = clone.path / "copy"
    nested.git("clone", "-q", str(nested.path), str(copy))
    bait(copy / ".git", marker)
    bait(nested.path / ".git", marker)
    assert clone.patina("materialize").code == 0
    assert not marker.exists()
    assert "nested" not in str(rows(clone.path / ".patina" / "data" / "patina.db", "code"))


def test_a_git_file_that_points_to_no_repository_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    for target in ("/dev/zero", str(tmp_path / "missing")):
        (tmp_path / "here" / ".git").write_text(f"gitdir: {target}\n")
        with pytest.raises(PatinaError):
            materialize(tmp_path / "here", tmp_path / "x.db")
