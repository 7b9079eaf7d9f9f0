"""Indexes that are extended by what changed: what they find, when they are built whole, and what a clean build is."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from eventlog_builder import Event, commit, project_history, removal
from numpy.typing import NDArray
from small_project import add_events, all_stages, make_project, small_recipe, workspace_of

from patina_assets.pipeline.runner import StageOutcome, run_model, run_stage
from patina_assets.pipeline.stages.churn import CAME, CHURN, MOVED, NEIGHBOURS_CHANGED, WENT
from patina_assets.pipeline.stages.index_extension import BUILT_RECALL, LEAST_ITEMS, Extension, extended_index
from patina_assets.pipeline.workspace import survey
from patina_assets.search.index import IndexOptions, build_index, index_vectors, load_index
from patina_assets.search.searcher import Searcher
from patina_resources.project.project import Project, find_project
from patina_resources.store.manifests import EXTENDED, StageRecord, read_manifest

ITEMS = 1_000
DIMENSIONS = 24
Vectors = NDArray[np.float32]


def vector_of(text: str) -> Vectors:
    """Return the unit vector of a text: the same for the same text."""
    vector = np.random.default_rng(int(text)).standard_normal(DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


def vectors_of(texts: Sequence[str]) -> Vectors:
    return np.stack([vector_of(text) for text in texts])


def of_keys(texts: Sequence[str]) -> Callable[[Sequence[int]], Vectors]:
    return lambda keys: vectors_of([texts[key] for key in keys])


def extend(content: bytes, facts: dict[str, float], before: list[str], texts: list[str]) -> Extension | None:
    return extended_index(content, facts, before, texts, of_keys(texts))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Return texts; some are there twice."""
    return sorted(str(number % (ITEMS - 10)) for number in range(ITEMS))


@pytest.fixture(scope="module")
def content(texts: list[str]) -> bytes:
    return build_index(vectors_of(texts), IndexOptions())


def test_each_key_has_the_vector_of_its_text(content: bytes, texts: list[str]) -> None:
    random = np.random.default_rng(0)
    before, facts = texts, {"recall_at_10": 1.0}
    changed = 0
    for round_ in range(8):
        stays = [text for text in before if random.random() > 0.01]
        wanted = sorted([*stays, *(str(10_000 + 100 * round_ + number) for number in range(5))])
        changed += len(before) - len(stays) + 5
        made = extend(content, facts, before, wanted)
        assert made is not None
        index = load_index(made.content, "index")
        assert len(index) == len(wanted)
        assert np.abs(index_vectors(index, len(wanted)) - vectors_of(wanted)).max() < 1e-3
        assert made.facts["recall_at_10"] > 0.98
        assert made.facts[EXTENDED] == changed
        content, before, facts = made.content, wanted, dict(made.facts)


def test_an_index_that_nothing_changed_in_finds_the_same(content: bytes, texts: list[str]) -> None:
    made = extend(content, {"recall_at_10": 1.0}, texts, texts)
    assert made is not None
    assert made.content == content


def test_much_churn_and_small_or_worse_indexes_are_built_as_a_whole(content: bytes, texts: list[str]) -> None:
    facts = {"recall_at_10": 1.0}
    assert extend(content, facts, texts, texts[: ITEMS * 3 // 4]) is None
    assert extend(content, {**facts, EXTENDED: 195}, texts, [*texts[10:]]) is None
    assert extend(content, {**facts, EXTENDED: 185}, texts, [*texts[10:]]) is not None
    assert extend(content, facts, texts, texts[: LEAST_ITEMS - 1]) is None
    assert extend(content, {**facts, BUILT_RECALL: 1.02}, texts, texts[1:]) is None


RECIPE = small_recipe("temporal")
# Enough for indexes that are extended.
HISTORY = [
    *project_history(),
    *(commit(f"{number:040d}", f"src/parser/f{number}.py", "src/parser/grammar.py") for number in range(LEAST_ITEMS)),
]
NEW: list[Event] = [commit("a" * 40, "src/parser/alone.py", "src/parser/grammar.py", hour=600)]


def run_all(project: Project, *, renew: bool = False, full: bool = False) -> dict[str, StageOutcome]:
    workspace = workspace_of(project)
    run_model(workspace, lambda _: None, full=full, renew=renew)
    return {
        f"{name}/{stage}": run_stage(workspace, name, stage, lambda _: None, full=full, renew=renew)
        for name, stage in all_stages(workspace)
    }


def index_record(project: Project, name: str) -> StageRecord:
    return read_manifest(workspace_of(project).paths(name).manifest)["index"]


def indexes(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in project.data.rglob("*.usearch")}


def is_stale(project: Project, stage: str, *, renew: bool) -> bool:
    return any(
        not verdict.stays and f"{verdict.projection}/{verdict.stage}" == stage
        for verdict in survey(workspace_of(project), renew=renew).verdicts
    )


@pytest.fixture(scope="module")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_project(tmp_path_factory.mktemp("built") / "project", RECIPE, HISTORY)
    run_all(made)
    return made.root


@pytest.fixture
def project(built_root: Path, tmp_path: Path) -> Project:
    return find_project(Path(shutil.copytree(built_root, tmp_path / "project")))


def found_files(project: Project, name: str) -> list[str | None]:
    return [hit.item.file for hit in Searcher(project).search("alone", name, 5)]


def test_a_commit_extends_indexes_and_a_clean_build_gives_equal_bytes(project: Project, tmp_path: Path) -> None:
    assert not any(EXTENDED in index_record(project, name).facts for name in ("temporal", "base"))
    add_events(project, NEW)
    outcomes = run_all(project)
    assert outcomes["temporal/weights"].reused
    for name in ("temporal", "base"):
        record = index_record(project, name)
        assert 0 < record.facts[EXTENDED] < 10
        (churn,) = record.facts[CHURN]
        assert churn[CAME] + churn[WENT] == record.facts[EXTENDED]
        assert (churn["items"], churn[MOVED], churn[NEIGHBOURS_CHANGED] < 0.1) == (record.facts["items"], 0.0, True)
        assert not record.is_clean
        assert all(check.passed for stage in [outcomes[f"{name}/index"]] for check in stage.stage.checks(stage.built))
    assert "src/parser/alone.py" in found_files(project, "temporal")
    assert not is_stale(project, "base/index", renew=False)
    assert is_stale(project, "base/index", renew=True)
    run_all(project, renew=True)
    assert all(index_record(project, name).is_clean for name in ("temporal", "base"))
    # It holds the same items, built as a whole over weights that were trained anew.
    assert [len(index_record(project, name).facts[CHURN]) for name in ("temporal", "base")] == [2, 2]
    assert (index_record(project, "temporal").facts[CAME], index_record(project, "temporal").facts[WENT]) == (0, 0)
    assert not is_stale(project, "base/index", renew=True)
    fresh = make_project(tmp_path / "fresh", RECIPE, [*HISTORY, *NEW])
    run_all(fresh)
    assert indexes(fresh) == indexes(project)


def test_what_is_taken_back_leaves_an_extended_index(project: Project) -> None:
    add_events(project, NEW)
    run_all(project)
    last = workspace_of(project).eventlog.last_seq()
    add_events(project, [removal("git", last)])
    run_all(project)
    assert "src/parser/alone.py" not in found_files(project, "temporal")
    assert index_record(project, "temporal").facts[EXTENDED] > 0


def test_a_damaged_index_is_built_as_a_whole(project: Project) -> None:
    add_events(project, NEW)
    path = workspace_of(project).paths("temporal").index
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    run_all(project)
    assert EXTENDED not in index_record(project, "temporal").facts
    assert "src/parser/alone.py" in found_files(project, "temporal")


def test_full_builds_indexes_as_a_whole(project: Project) -> None:
    add_events(project, NEW)
    run_all(project)
    run_all(project, full=True)
    assert all(index_record(project, name).is_clean for name in ("temporal", "base"))
