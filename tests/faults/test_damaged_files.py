"""Every file that a build leaves, damaged in every way: found, said in a sentence, built again; never a crash."""

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from amounts import SEED, SOAK, amount
from commands import CRASHES, Commands, Ended, write_step
from faulty_projects import QUESTION, Change, check_answer, copy, leftovers, lock_text, states, succeed
from small_project import make_project

from patina_resources.project.project import find_project

# The eventlog is nobody's artifact, and the rest is not a build's.
NOT_ARTIFACTS = ("patina.db", "cache.db-wal", "cache.db-shm")
# What is remembered beside the artifacts.
MEMORIES = {"cache.db", "cache.db.seal", "file-digests.json", "source-digests.json", "unseen.json"}
DRY_RUN = ["oxidize", "--dry-run"]
REMEDIES = ("run `patina oxidize", "`patina oxidize` builds", "then `patina oxidize`")


@dataclass(frozen=True)
class Damage:
    """One way to damage a file: what it is called, and the bytes that are then in its place."""

    name: str
    content: bytes


def artifact_files(folder: Path) -> list[Path]:
    """Return every file of a build, relative to `.patina/data`."""
    data = find_project(folder).data
    files = (path.relative_to(data) for path in sorted(data.rglob("*")) if path.is_file())
    return [path for path in files if path.name not in NOT_ARTIFACTS and path.suffix != ".mutex"]


def damages_of(content: bytes, others: Sequence[bytes], rng: random.Random) -> Iterator[Damage]:
    """Yield the damages of a file with this content, where files of its kind have the contents `others`."""
    yield Damage("nothing", b"")
    for _ in range(amount(1, 20)):
        size = rng.randrange(len(content))
        yield Damage(f"its first {size} bytes", content[:size])
    for _ in range(amount(1, 200)):
        place, bit = rng.randrange(len(content)), rng.randrange(8)
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        yield Damage(f"bit {bit} of byte {place} flipped", bytes(flipped))
    yield Damage("random bytes", rng.randbytes(len(content)))
    for number, other in enumerate(others):
        yield Damage(f"another's ({number})", other)


def readers(folder: Path, number: int) -> list[list[str]]:
    """Return the commands that read artifacts; all but the first two only in the long form."""
    pages = ["map", "temporal", "--out", str(folder / "map.html")]
    exporting = ["export", "temporal", "--to", str(folder / f"exported-{number}")]
    return [["scry", QUESTION], DRY_RUN, *([["evaluate"], pages, exporting] if SOAK else [])]


def check_said(ended: Ended, where: str, remedies: Sequence[str] = REMEDIES) -> None:
    """Assert that a command succeeded, or failed with sentences that say what to do."""
    assert ended.signal not in CRASHES, (where, ended)
    assert ended.code in (0, 1, 2), (where, ended)
    assert "Traceback" not in ended.err, (where, ended)
    if ended.code:
        assert any(remedy in ended.err + ended.out for remedy in remedies), (where, ended)


def found_stale(ended: Ended) -> bool:
    """Tell whether a dry run says that something is to be built."""
    return ended.code != 0 or any(word in ended.out for word in (" stale ", " missing "))


def contents(data: Path, files: Sequence[Path]) -> dict[Path, bytes]:
    return {file: (data / file).read_bytes() for file in files}


def others_of(file: Path, originals: dict[Path, bytes]) -> list[bytes]:
    ending = file.name.partition(".")[2]
    return [data for other, data in originals.items() if other != file and other.name.partition(".")[2] == ending]


@pytest.fixture(scope="module")
def of_other_dimensions(commands: Commands, change: Change, scratch: Path) -> dict[str, bytes]:
    """Return by name the files of the same projection with vectors of other dimensions."""
    recipe = find_project(change.before).recipe.read_text().replace("[32, 16]", "[16, 8]")
    narrow = make_project(scratch / "narrow", recipe).root
    succeed(commands, narrow, "oxidize")
    data = find_project(narrow).data
    return {file.name: (data / file).read_bytes() for file in artifact_files(narrow)}


def test_damages_are_found_and_said(
    commands: Commands, change: Change, of_other_dimensions: dict[str, bytes], folder: Path
) -> None:
    project = copy(change.before, folder / "project")
    data = find_project(project).data
    originals = contents(data, artifact_files(project))
    asked = len(readers(folder, 0))
    assert len(originals) > 16
    for number, (file, original) in enumerate(originals.items()):
        # The model and base are the same in both projects.
        others = others_of(file, originals)[:2] + [of_other_dimensions[file.name]] * file.name.startswith("temporal.")
        damages = list(damages_of(original, others, random.Random(SEED + number)))
        steps = [
            [write_step(data / file, damage.content, damage.name), *readers(folder, place)]
            for place, damage in enumerate(damages)
        ]
        ended = commands.start(project, *(step for some in steps for step in some)).wait_for_all()
        assert len(ended) == asked * len(damages), (file, ended[-1])
        for place, damage in enumerate(damages):
            results = ended[place * asked : (place + 1) * asked]
            shutil.rmtree(folder / f"exported-{place}", ignore_errors=True)
            for result in results:
                check_said(result, f"{file}: {damage.name}")
            # The cache is looked into only when something is embedded; the others are taken again at once.
            if file.name not in MEMORIES and damage.content != original:
                assert found_stale(results[1]), (file, damage.name, results[1])
        (data / file).write_bytes(original)


@pytest.mark.parametrize(
    "name", ["temporal.usearch", "base.usearch", "temporal.search.db", "temporal.trained-on.safetensors"]
)
def test_what_is_continued_or_extended_is_whole_before(
    commands: Commands, drift: Change, folder: Path, name: str
) -> None:
    project = copy(drift.changed, folder / "project")
    (file,) = find_project(project).data.rglob(name)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    succeed(commands, project, "oxidize")
    states(project)  # each file is what its manifest says
    assert commands.run(project, "oxidize").out.startswith("nothing is stale")
    succeed(commands, project, "oxidize", "--full")
    clean = copy(drift.changed, folder / "clean")
    succeed(commands, clean, "oxidize", "--full")
    assert states(clean) == states(project)


@pytest.mark.skipif(not SOAK, reason="each file of two projects: in the long form only")
def test_each_file_is_whole_before_weights_are_kept_or_continued(
    commands: Commands, drift: Change, folder: Path
) -> None:
    files = artifact_files(drift.changed)
    assert len(files) > 20
    for number, file in enumerate(files):
        project = copy(drift.changed, folder / "project")
        place = find_project(project).data / file
        content = place.read_bytes()
        damages = list(damages_of(content, (), random.Random(SEED + number)))
        place.write_bytes(damages[number % len(damages)].content)
        built = commands.run(project, "oxidize")
        assert built.code == 0, (file, built)
        states(project)  # each file is what its manifest says
        assert commands.run(project, "oxidize").out.startswith("nothing is stale"), file
        assert check_answer(commands.run(project, "scry", QUESTION)), file
        assert leftovers(project) == [], file
        shutil.rmtree(project)


@pytest.mark.parametrize("seed", range(amount(1, 20)))
def test_damages_everywhere_are_mended(commands: Commands, change: Change, folder: Path, seed: int) -> None:
    project = copy(change.before, folder / "project")
    data = find_project(project).data
    originals = contents(data, artifact_files(project))
    rng = random.Random(SEED + seed)
    lock = lock_text(project)
    for file, original in originals.items():
        # A damaged manifest has every file of its projection built again: so that others are looked at, too, half of
        # the time without.
        if seed % 2 or not file.name.endswith("manifest.json"):
            (data / file).write_bytes(rng.choice(list(damages_of(original, others_of(file, originals), rng))).content)
    mended = commands.run(project, "oxidize")
    assert mended.code == 0, mended
    assert states(project) == change.old
    assert lock_text(project) == lock
    assert leftovers(project) == []
    assert commands.run(project, "oxidize").out.startswith("nothing is stale")
    assert commands.run(project, "scry", QUESTION).code == 0
