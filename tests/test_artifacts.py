"""Artifacts: a file, and a stage of several files, is replaced wholly or not at all, however the writer ends."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from installations import OTHER_KEY, give_key
from refusals import refusal

from patina_resources.errors import PatinaError
from patina_resources.store.artifacts import damages, publish_stage, read_output, read_outputs, settle, verified_path
from patina_resources.store.files import (
    exclusive,
    file_sha256,
    remove_leftovers,
    sha256,
    write_atomic,
    write_if_changed,
)
from patina_resources.store.manifests import (
    BuiltElsewhereError,
    OutputFile,
    StageInput,
    StageRecord,
    find_manifest,
    read_manifest,
)
from patina_resources.store.mothership import mothership
from patina_resources.store.paths import ProjectionPaths
from patina_resources.store.trust import installation

OLD = {"usearch": b"old index", "search.db": b"old items"}
NEW = {"usearch": b"new index, longer", "search.db": b"new items"}
ROLES = ("usearch", "search.db")


@pytest.fixture
def paths(tmp_path: Path) -> ProjectionPaths:
    return ProjectionPaths(tmp_path / "projections", "temporal")


def publish(paths: ProjectionPaths, contents: dict[str, bytes], stage: str = "index", **changes: Any) -> StageRecord:
    digest = sha256(repr(contents).encode())
    record = StageRecord(f"fingerprint of {digest}", {"git.co_changes": StageInput("5e", 7)}, digest, {}, {"items": 3})
    files = {paths.folder / f"{paths.name}.{role}": content for role, content in contents.items()}
    return publish_stage(paths, stage, replace(record, **changes), files)


def contents_of(paths: ProjectionPaths, stage: str = "index") -> dict[str, bytes]:
    return dict(zip(ROLES, read_outputs(paths, stage, ROLES)[1], strict=True))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a Python script in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])


def test_a_manifest_keeps_what_is_told_of_inputs(paths: ProjectionPaths) -> None:
    inputs = {
        "git.co_changes": StageInput("5e", 7),
        "model": StageInput("both", parts={"a": "5e", "b": "6f"}),
        "seed": StageInput("0"),
    }
    publish(paths, OLD, inputs=inputs)
    assert read_manifest(paths.manifest)["index"].inputs == inputs
    text = paths.manifest.read_text()
    paths.manifest.write_text(text.replace('"b": "6f"', '"b": 6'))
    assert "the manifest is damaged" in refusal(lambda: read_manifest(paths.manifest))


# One file


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "file"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(path.parent) == ["file"]


def test_equal_content_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_if_changed(path, b"one")
    before = path.stat()
    assert not write_if_changed(path, b"one")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert write_if_changed(path, b"two")
    assert path.read_bytes() == b"two"


def test_leftovers_of_killed_writers_go_once_nobody_can_be_writing_them(tmp_path: Path) -> None:
    for name in (".tmp-old", ".tmp-new", "file"):
        (tmp_path / name).touch()
    os.utime(tmp_path / ".tmp-old", (0, 0))
    os.utime(tmp_path / "file", (0, 0))
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".tmp-new", "file"]


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.mkdir()
    assert f"{place}: cannot be written" in refusal(partial(write_atomic, place, b"data"))
    assert names(tmp_path) == ["file"]


def test_a_folder_in_the_place_of_a_derived_file_makes_way(tmp_path: Path) -> None:
    place = tmp_path / "file"
    for content in (b"one", b"two"):
        place.unlink(missing_ok=True)
        place.mkdir()
        (place / "kept").write_bytes(content)
        assert write_if_changed(place, b"data")
    assert names(tmp_path) == ["file", "file.aside", "file.aside1"]
    assert (tmp_path / "file.aside1" / "kept").read_bytes() == b"two"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"kept")
    path = tmp_path / "folder" / "file"
    assert refusal(lambda: write_atomic(path, b"data")).startswith(f"{path}: cannot be written")
    assert (tmp_path / "folder").read_bytes() == b"kept"


LIMITED = """
import resource, sys
from pathlib import Path
from patina_resources.store.files import write_atomic
from patina_resources.errors import PatinaError
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    write_atomic(Path(sys.argv[1]), b"x" * 101)
except PatinaError as error:
    print(error)
"""


def test_a_write_that_does_not_fit_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    done = run(LIMITED, path)
    assert done.stderr == ""
    assert done.stdout == f"{path}: cannot be written (File too large): what was there before is untouched\n"
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


READ_ONLY = """
import os, shutil, sys, tempfile
from pathlib import Path
from patina_resources.store.files import write_atomic
from patina_resources.errors import PatinaError
folder = Path(tempfile.mkdtemp())
(folder / "file").write_bytes(b"old")
folder.chmod(0o555)
if os.geteuid() == 0:
    os.seteuid(65534)  # the superuser may write anywhere
try:
    write_atomic(folder / "file", b"new")
except PatinaError as error:
    print(str(error).replace(str(folder), "FOLDER"))
os.seteuid(os.getuid())
folder.chmod(0o755)
print(sorted(os.listdir(folder)), (folder / "file").read_bytes())
shutil.rmtree(folder)
"""


def test_a_read_only_folder_keeps_the_old_file() -> None:
    done = run(READ_ONLY)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "FOLDER/file: cannot be written (Permission denied): give yourself write permission there",
        "['file'] b'old'",
    ]


# A stage


def test_a_stage_is_published_with_its_manifest(paths: ProjectionPaths) -> None:
    record = publish(paths, OLD)
    assert names(paths.folder) == ["temporal.manifest.json", "temporal.search.db", "temporal.usearch"]
    assert read_manifest(paths.manifest) == {"index": record}
    assert record.outputs["usearch"] == OutputFile("temporal.usearch", sha256(b"old index"), 9)
    assert record.built_at.endswith("Z")
    assert contents_of(paths) == OLD
    assert damages(paths, record) == ()
    assert verified_path(paths, record, "usearch") == paths.index


def test_stages_do_not_disturb_each_other(paths: ProjectionPaths) -> None:
    weights = publish(paths, {"safetensors": b"weights"}, "weights")
    publish(paths, OLD)
    index = publish(paths, NEW)
    assert read_manifest(paths.manifest) == {"weights": weights, "index": index}
    assert contents_of(paths) == NEW
    assert read_output(paths, weights, "safetensors") == b"weights"


def test_projections_in_one_folder_do_not_disturb_each_other(paths: ProjectionPaths) -> None:
    other = ProjectionPaths(paths.folder, "temporal-two")
    publish(other, OLD)
    interrupted(other, NEW)
    publish(paths, OLD)
    settle(paths)
    assert contents_of(other) == NEW


def interrupted(paths: ProjectionPaths, contents: dict[str, bytes]) -> None:
    """Leave a build as a kill between the manifest and the files leaves it."""
    publish(paths, contents)
    for output in read_manifest(paths.manifest)["index"].outputs.values():
        final = paths.folder / output.file
        final.rename(paths.folder / f"{paths.name}.{output.file}.{output.sha256[:16]}.pending")
        final.write_bytes(b"from the build before")


def test_files_are_found_before_they_have_moved_to_their_names(paths: ProjectionPaths) -> None:
    interrupted(paths, NEW)
    record = read_manifest(paths.manifest)["index"]
    assert contents_of(paths) == NEW
    assert damages(paths, record) == ()
    assert verified_path(paths, record, "usearch").read_bytes() == NEW["usearch"]
    settle(paths)
    assert names(paths.folder) == ["temporal.manifest.json", "temporal.search.db", "temporal.usearch"]
    assert verified_path(paths, record, "usearch") == paths.index


# Publishes a new build over an old one, in one folder for each step at which the process is killed.
KILLED = """
import os, sys
from pathlib import Path
from patina_resources.store.artifacts import publish_stage
from patina_resources.store.manifests import StageRecord
from patina_resources.store.paths import ProjectionPaths

STEPS = {"open", "os.rename", "os.remove", "os.chmod", "os.mkdir", "tempfile.mkstemp"}

def publish(folder, contents):
    paths = ProjectionPaths(folder, "temporal")
    record = StageRecord(contents["usearch"], {}, contents["usearch"], {})
    files = {folder / f"temporal.{role}": text.encode() for role, text in contents.items()}
    publish_stage(paths, "index", record, files)

def kill_at(step):
    left = step
    def hook(event, arguments):
        nonlocal left
        if event in STEPS:
            left -= 1
            if left < 0:
                os._exit(9)
    sys.addaudithook(hook)

step, status = 0, None
while status != 0:
    folder = Path(sys.argv[1]) / f"killed-at-{step:03}"
    publish(folder, {"usearch": "old index", "search.db": "old items"})
    process = os.fork()
    if process == 0:
        kill_at(step)
        publish(folder, {"usearch": "new index, longer", "search.db": "new items"})
        os._exit(0)
    status = os.waitpid(process, 0)[1]
    step += 1
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> list[ProjectionPaths]:
    """A new build published over an old one, killed before its 1st, 2nd, ... step at the operating system."""
    folder = tmp_path_factory.mktemp("killed")
    done = run(KILLED, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return [ProjectionPaths(folder / name, "temporal") for name in names(folder)]


def test_a_killed_writer_leaves_the_old_or_the_new_build(killed: list[ProjectionPaths]) -> None:
    found = [contents_of(paths) for paths in killed]
    assert len(found) > 15
    assert all(contents in (OLD, NEW) for contents in found)
    change = found.index(NEW)
    assert found == [OLD] * change + [NEW] * (len(found) - change)
    # The new build counts while its files still wait under their pending names.
    assert len(found) - change > 2
    assert all(damages(paths, read_manifest(paths.manifest)["index"]) == () for paths in killed)


def test_what_a_killed_writer_leaves_is_settled(killed: list[ProjectionPaths]) -> None:
    for paths in killed:
        before = contents_of(paths)
        (paths.folder / ".tmp-half").write_bytes(b"half")
        settle(paths)
        assert names(paths.folder) == ["temporal.manifest.json", "temporal.search.db", "temporal.usearch"]
        assert contents_of(paths) == before
        assert {role: (paths.folder / f"temporal.{role}").read_bytes() for role in ROLES} == before
        publish(paths, {"usearch": b"next", "search.db": b"build"})
        assert contents_of(paths) == {"usearch": b"next", "search.db": b"build"}


@pytest.mark.parametrize("step", range(5))
def test_a_failing_rename_leaves_the_old_or_the_new_build(
    paths: ProjectionPaths, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    publish(paths, OLD)
    rename, calls = Path.replace, iter(range(100))

    def failing(self: Path, target: Path) -> Path:
        if next(calls) == step:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        sentence = refusal(lambda: publish(paths, NEW))
    assert "cannot be written (No space left on device)" in sentence
    assert contents_of(paths) == (OLD if step < 3 else NEW)
    settle(paths)
    assert names(paths.folder) == ["temporal.manifest.json", "temporal.search.db", "temporal.usearch"]


def test_a_folder_in_the_place_of_an_artifact_makes_way(paths: ProjectionPaths) -> None:
    for place in (paths.index, paths.manifest):
        place.mkdir(parents=True)
        (place / "kept").touch()
    record = publish(paths, OLD)
    assert damages(paths, record) == ()
    assert (paths.index.with_name(f"{paths.index.name}.aside") / "kept").exists()
    assert read_manifest(paths.manifest) == {"index": record}


FULL = """
import resource, sys
from pathlib import Path
from patina_resources.store.artifacts import publish_stage
from patina_resources.store.manifests import StageRecord
from patina_resources.errors import PatinaError
from patina_resources.store.paths import ProjectionPaths
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    contents = {folder / "temporal.search.db": b"small", folder / "temporal.usearch": b"x" * 2000}
    publish_stage(ProjectionPaths(folder, "temporal"), "index", StageRecord("f", {}, "d", {}), contents)
except PatinaError as error:
    print(error)
"""


def test_a_full_disk_keeps_the_old_build(paths: ProjectionPaths) -> None:
    publish(paths, OLD)
    done = run(FULL, paths.folder)
    assert done.stderr == ""
    assert "cannot be written (File too large)" in done.stdout
    assert contents_of(paths) == OLD
    settle(paths)
    assert names(paths.folder) == ["temporal.manifest.json", "temporal.search.db", "temporal.usearch"]


REPUBLISH = """
import sys
sys.path.insert(0, "tests")
from pathlib import Path
from test_artifacts import ProjectionPaths, publish
for turn in range(40):
    contents = dict.fromkeys(["usearch", "search.db"], b"build %d" % turn)
    publish(ProjectionPaths(Path(sys.argv[1]), "temporal"), contents)
"""


def test_a_reader_gets_files_of_one_build_while_others_are_published(paths: ProjectionPaths) -> None:
    publish(paths, {"usearch": b"build first", "search.db": b"build first"})
    writer = subprocess.Popen([sys.executable, "-c", REPUBLISH, str(paths.folder)], cwd=Path(__file__).parents[1])
    while writer.poll() is None:
        contents = contents_of(paths)
        assert contents["usearch"] == contents["search.db"]
    assert writer.returncode == 0
    assert contents_of(paths)["usearch"] == b"build 39"


# Damage


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _swap_letter(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"o", b"0"))


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "state"),
    [(Path.unlink, "missing"), (_cut, "damaged"), (_swap_letter, "damaged"), (_make_folder, "damaged")],
)
def test_a_damaged_file_is_named_and_never_handed_out(
    paths: ProjectionPaths, damage: Callable[[Path], None], state: str
) -> None:
    record = publish(paths, OLD)
    damage(paths.index)
    assert damages(paths, record) == (f"temporal.usearch is {state}",)
    for read in (read_output, verified_path):
        sentence = refusal(partial(read, paths, record, "usearch"))
        assert sentence.startswith(f"{paths.index}: {state}")
    refusal(lambda: read_outputs(paths, "index", ROLES))
    assert read_output(paths, record, "search.db") == OLD["search.db"]


def test_what_was_never_built_is_said_to_be_so(paths: ProjectionPaths) -> None:
    assert read_manifest(paths.manifest) == {}
    assert settle(paths) == {}
    assert refusal(lambda: read_outputs(paths, "index", ROLES)) == "temporal/index is not built: run `patina oxidize`"
    record = publish(paths, OLD)
    assert "names no onnx file" in refusal(lambda: read_output(paths, record, "onnx"))


def _edited(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda stage: {**stage, **changes}


def _output(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda stage: {**stage, "outputs": {"usearch": {**stage["outputs"]["usearch"], **changes}}}


@pytest.mark.parametrize(
    "edit",
    [
        _output(file="../other/temporal.usearch"),
        _output(file="/etc/passwd"),
        _output(file=".."),
        _output(file=""),
        _output(file="a\0b"),
        _output(file=5),
        _output(sha256=None),
        _output(sha256="../../../escape"),
        _output(sha256="\0" * 64),
        _output(bytes="many"),
        _output(bytes=float("inf")),
        _edited(fingerprint=5),
        _edited(digest=None),
        _edited(outputs=[]),
        _edited(inputs={"git.co_changes": "5e"}),
        _edited(inputs={"git.co_changes": {"value": "5e", "rows": "7"}}),
        _edited(facts=5),
        lambda stage: {key: value for key, value in stage.items() if key != "built_at"},
        lambda _stage: None,
        lambda stage: [stage],
    ],
)
def test_a_manifest_with_something_unusable_is_damaged(
    paths: ProjectionPaths, edit: Callable[[dict[str, Any]], Any]
) -> None:
    publish(paths, OLD)
    stages = json.loads(paths.manifest.read_bytes())["stages"]
    stages["index"] = edit(stages["index"])
    paths.manifest.write_text(json.dumps({"version": 1, "stages": stages}))  # as before manifests had a digest
    sentence = refusal(lambda: read_manifest(paths.manifest))
    assert sentence.startswith(f"{paths.manifest}: the manifest is damaged (")
    assert sentence.endswith("): run `patina oxidize` to build what it described again")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"version": 2, "stages": {}}',
        b'{"version": 1, "stages": []}',
        b"[" * 99_999,
    ],
)
def test_a_manifest_that_is_none_is_damaged(paths: ProjectionPaths, content: bytes) -> None:
    publish(paths, OLD)
    paths.manifest.write_bytes(content)
    assert "the manifest is damaged" in refusal(lambda: read_manifest(paths.manifest))
    assert settle(paths) == {}
    publish(paths, NEW)
    assert contents_of(paths) == NEW


def test_a_changed_figure_in_a_manifest_is_found(paths: ProjectionPaths) -> None:
    publish(paths, OLD)
    text = paths.manifest.read_text()
    assert text.count('"items": 3') == 1
    paths.manifest.write_text(text.replace('"items": 3', '"items": 7'))
    assert "its digest is not that of its content" in refusal(lambda: read_manifest(paths.manifest))


def test_a_manifest_of_another_projection_is_found(paths: ProjectionPaths) -> None:
    other = ProjectionPaths(paths.folder, "semantic")
    publish(other, OLD)
    other.manifest.rename(paths.manifest)
    assert "it is that of 'semantic'" in refusal(lambda: read_manifest(paths.manifest))


@pytest.mark.parametrize("version", [1, 2])
def test_a_manifest_of_an_older_version_is_built_elsewhere(
    version: int, paths: ProjectionPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = publish(paths, OLD)
    document = json.loads(paths.manifest.read_bytes()) | {"version": version}
    del document["keyed_sha256"], document["built_by"]
    if version == 1:
        del document["sha256"], document["of"]
    paths.manifest.write_text(json.dumps(document))
    with pytest.raises(BuiltElsewhereError, match="was built elsewhere"):
        read_manifest(paths.manifest)
    assert find_manifest(paths.manifest).stages == {"index": record}
    monkeypatch.setenv("PATINA_TRUST", "1")
    assert read_manifest(paths.manifest) == {"index": record}
    publish(paths, NEW, "other")
    monkeypatch.delenv("PATINA_TRUST")
    assert read_manifest(paths.manifest)["index"] == record


def test_the_manifest_of_another_installation_is_built_elsewhere(paths: ProjectionPaths) -> None:
    publish(paths, OLD)
    give_key(mothership().own, OTHER_KEY)
    with pytest.raises(BuiltElsewhereError, match="was built elsewhere"):
        read_manifest(paths.manifest)
    assert find_manifest(paths.manifest).built_by != installation()
    publish(paths, NEW, "other")  # nothing of the other installation stays
    assert list(read_manifest(paths.manifest)) == ["other"]


def test_a_recomputed_digest_does_not_make_a_manifest_ours(paths: ProjectionPaths) -> None:
    publish(paths, OLD)
    document = json.loads(paths.manifest.read_bytes())
    document["stages"]["index"]["digest"] = "forged"
    content = json.dumps(["temporal", document["stages"]]).encode()
    paths.manifest.write_text(json.dumps(document | {"sha256": sha256(content)}))
    with pytest.raises(BuiltElsewhereError):
        read_manifest(paths.manifest)
    paths.manifest.write_text(json.dumps(document | {"sha256": sha256(content), "keyed_sha256": ""}))
    with pytest.raises(BuiltElsewhereError):
        read_manifest(paths.manifest)


def test_a_damaged_manifest_cannot_move_files_out_of_their_folder(paths: ProjectionPaths, tmp_path: Path) -> None:
    publish(paths, OLD)
    digest = read_manifest(paths.manifest)["index"].outputs["usearch"].sha256
    stages = json.loads(paths.manifest.read_bytes())["stages"]
    stages["index"]["outputs"]["usearch"]["file"] = "../escaped"
    paths.manifest.write_text(json.dumps({"version": 1, "stages": stages}))
    (paths.folder / f"temporal.escaped.{digest[:16]}.pending").write_bytes(b"data")
    settle(paths)
    assert names(tmp_path) == ["projections"]


# The mutex

HOLDER = """
import sys
from pathlib import Path
from patina_resources.store.files import exclusive
with exclusive(Path(sys.argv[1]), 0, "holding"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds `tmp_path / "mutex"`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "mutex")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.communicate()


def enter(path: Path, wait_seconds: float = 0) -> None:
    with exclusive(path, wait_seconds, "building temporal/index"):
        pass


def test_only_one_process_holds_the_mutex(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    assert refusal(lambda: enter(tmp_path / "mutex", 0.1)) == (
        f"busy: another process (pid {holder.pid}) is writing here, so building temporal/index cannot: "
        "try again when it is done"
    )
    holder.communicate("\n")
    enter(tmp_path / "mutex")


def test_a_waiting_process_goes_on_when_the_other_is_done(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    assert holder.stdin is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
    enter(tmp_path / "mutex", 60)


def test_a_killed_process_holds_nothing(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    holder.kill()
    holder.wait()
    enter(tmp_path / "mutex")


def test_the_mutex_is_let_go_after_a_failure_and_not_entered_twice(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "mutex"

    def fail() -> None:
        with exclusive(path, 0, "failing"):
            assert f"pid {os.getpid()}" in refusal(lambda: enter(path))
            raise PatinaError("failed")

    assert refusal(fail) == "failed"
    enter(path)


def test_a_mutex_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written" in refusal(lambda: enter(tmp_path / "file" / "mutex"))
    assert "cannot be written" in refusal(lambda: enter(tmp_path))


FULL_MUTEX = """
import resource, sys
from pathlib import Path
from patina_resources.store.files import exclusive
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with exclusive(Path(sys.argv[1]), 0, "holding"):
    print("held")
"""


def test_a_full_disk_does_not_keep_the_mutex_from_being_held(tmp_path: Path) -> None:
    done = run(FULL_MUTEX, tmp_path / "mutex")
    assert (done.stdout, done.stderr) == ("held\n", "")


def test_a_files_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(data)
    assert file_sha256(tmp_path / "file") == sha256(data) == sha256(memoryview(data))
