"""The same live events give the same, in whatever order they were appended, taken back and appended again."""

import hashlib
from pathlib import Path

import pytest
from eventlog_builder import note, project_history
from random_history import FILES, History, retold
from small_project import add_events, all_stages, build, make_project, workspace_of
from team import Member, artifacts

from patina_assets.pairs.items import Item
from patina_assets.pairs.relations import relate, unique_texts
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.corpus import COMMIT_MESSAGES, corpus_sources, corpus_texts
from patina_assets.pipeline.formats import encode_items
from patina_assets.pipeline.runner import run_model, run_stage
from patina_assets.pipeline.stages.pairs import build_pairs
from patina_assets.pipeline.stages.passages import SOURCES as PASSAGE_SOURCES
from patina_assets.pipeline.stages.passages import build_passages
from patina_resources.eventlog.reader import Eventlog, Row
from patina_resources.project.project import Project

SOURCES = list(
    {
        source.name: source
        for source in (
            *(source for pair_type in PAIR_TYPES.values() for source in pair_type.sources),
            *PASSAGE_SOURCES,
            COMMIT_MESSAGES,
        )
    }.values()
)
TEXTS = {file: "".join(f"def f{number}(x):\n    return {number}\n" for number in range(5)) for file in FILES}


def read(path: Path) -> tuple[dict[str, str], dict[str, list[Row]]]:
    """Return the digest and the rows of each source."""
    found = Eventlog(path).read(SOURCES)
    return {name: entry.digest for name, entry in found.items()}, {name: entry.rows for name, entry in found.items()}


def derived(rows: dict[str, list[Row]]) -> dict[str, str]:
    """Return a hash of what is made of the rows: by pair type, and for all passages and the texts of the corpus."""
    made: dict[str, str] = {}
    for name, pair_type in PAIR_TYPES.items():
        data = pair_type.derive(rows)
        texts, _ = unique_texts(data.items)
        relations = relate(texts, data.contexts, data.apart)
        items = encode_items(sorted(data.items, key=Item.order))
        arrays = (relations.members, relations.offsets, relations.split, relations.apart)
        made[name] = hashlib.sha256(b"".join([items, *(array.tobytes() for array in arrays)])).hexdigest()
    made["passages"] = build_passages(rows, TEXTS).digest
    made["corpus"] = hashlib.sha256(repr(corpus_texts(rows)).encode()).hexdigest()
    return made


@pytest.mark.parametrize("seed", range(10))
def test_sources_pairs_and_passages_follow_from_the_live_events(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path / "patina.db", seed)
    for _ in range(150):
        history.step()
    digests, rows = read(history.path)
    assert len(rows["git.commits"]) > 5
    made = derived(rows)
    for number in range(4):
        other_digests, other_rows = read(retold(history.path, tmp_path / f"{number}.db", 10 * seed + number))
        assert other_digests == digests
        assert derived(other_rows) == made


def test_every_source_is_read_by_the_test() -> None:
    assert {source.name for source in SOURCES} >= {source.name for source in corpus_sources()}


@pytest.mark.parametrize("name", ["semantic", "temporal", "dependency"])
def test_pairs_are_the_same_to_the_last_byte(tmp_path: Path, name: str) -> None:
    project = make_project(tmp_path / "first")
    projection = next(entry for entry in workspace_of(project).recipe.projections if entry.name == name)
    pair_type = PAIR_TYPES[projection.training.pair_type]
    logs = (project.eventlog(), retold(project.eventlog(), tmp_path / "other.db", 1))
    contents = [build_pairs(projection, pair_type, read(path)[1]).contents for path in logs]
    assert contents[0] == contents[1]


def clean_build(project: Project) -> None:
    """Build everything as `patina oxidize --full` does."""
    workspace = workspace_of(project)
    run_model(workspace, lambda _: None, full=True)
    for name, stage in all_stages(workspace):
        run_stage(workspace, name, stage, lambda _: None, full=True)


def test_clean_builds_of_the_same_events_are_the_same_to_the_last_byte(tmp_path: Path) -> None:
    first = make_project(tmp_path / "first")
    build(first)
    other = make_project(tmp_path / "other", events=project_history()[::-2])
    add_events(other, [note(f"a note that was written before the others, number {number}") for number in range(9)])
    build(other)
    retold(first.eventlog(), tmp_path / "retold.db", 3).replace(other.eventlog())
    clean_build(other)
    built = [artifacts(Member(project.root, tmp_path)) for project in (first, other)]
    kinds = {name.partition(".")[2] for name in built[0]}
    assert {"safetensors", "usearch", "search.db", "items.jsonl", "pairs.jsonl"} <= kinds
    assert built[0] == built[1]
