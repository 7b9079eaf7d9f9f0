"""Manifests: what is damaged, what was built elsewhere, and whose they are."""

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from installations import OTHER_KEY, give_key
from published_stages import NEW, OLD, contents_of, publish
from refusals import refusal
from scripts import names

from patina_resources.store.artifacts import (
    settle,
)
from patina_resources.store.files import (
    sha256,
)
from patina_resources.store.manifests import (
    BuiltElsewhereError,
    find_manifest,
    read_manifest,
)
from patina_resources.store.mothership import mothership
from patina_resources.store.paths import ProjectionPaths
from patina_resources.store.trust import installation


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
        _output(file="."),
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


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"metrics": {"mrr": "high"}}, "stages.index.facts.metrics.mrr: expected a number, got 'high'"),
        ({"evaluation": [{"vectors": "base", "mrr": [0.5]}]}, "expected a number, got a list"),
        ({"history": [{"epoch": 0, "loss": {}}]}, "expected a number, got an empty mapping"),
        ({"recall_at_10": "0.9"}, "expected a number, got '0.9'"),
        ({"continuations": [{"epochs": "2"}]}, "facts.continuations[0].epochs: expected a number, got '2'"),
        ({"built_recall_at_10": "0.9"}, "facts.built_recall_at_10: expected a number, got '0.9'"),
        ({"extended": "7"}, "facts.extended: expected a number, got '7'"),
        ({"evaluation": [{"vectors": 3}]}, "evaluation[0]: expected a table with the kind of vectors, got a mapping"),
        ({"evaluation": [[1]]}, "evaluation[0]: expected a table with the kind of vectors, got a list"),
        ({"metrics": [1]}, "facts.metrics: expected a table of figures, got a list"),
    ],
)
def test_a_figure_that_is_no_number_is_damage(paths: ProjectionPaths, facts: dict[str, Any], reason: str) -> None:
    publish(paths, OLD, facts={"metrics": {"mrr": None, "base_mrr": 0.5}, "recall_at_10": 1})
    assert read_manifest(paths.manifest)["index"].facts["recall_at_10"] == 1
    publish(paths, OLD, facts=facts)
    assert reason in refusal(lambda: read_manifest(paths.manifest))


def test_what_a_manifest_was_before_is_not_kept(paths: ProjectionPaths) -> None:
    publish(paths, OLD)
    (record, *_) = read_manifest(paths.manifest).values()
    assert next(iter(read_manifest(paths.manifest).values())) is record
    before = weakref.ref(record)
    publish(paths, NEW)
    assert next(iter(read_manifest(paths.manifest).values())) != record
    del record
    gc.collect()
    assert before() is None


def test_a_manifest_of_another_projection_is_found(paths: ProjectionPaths) -> None:
    other = ProjectionPaths(paths.folder, "semantic")
    publish(other, OLD)
    other.manifest.rename(paths.manifest)
    assert "it is that of 'semantic'" in refusal(lambda: read_manifest(paths.manifest))


def test_a_manifest_with_a_second_name_is_not_that_of_another_projection(paths: ProjectionPaths) -> None:
    other = ProjectionPaths(paths.folder, "semantic")
    publish(other, OLD)
    paths.manifest.hardlink_to(other.manifest)
    assert "index" in read_manifest(other.manifest)
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


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"sha256": "0" * 64}, "its digest is not that of its content"), ({"of": "semantic"}, "it is that of 'semantic'")],
)
def test_a_digest_in_a_manifest_of_the_oldest_version_counts(
    paths: ProjectionPaths, changes: dict[str, str], reason: str
) -> None:
    publish(paths, OLD)
    document = json.loads(paths.manifest.read_bytes()) | {"version": 1} | changes
    paths.manifest.write_text(json.dumps(document))
    assert reason in refusal(lambda: read_manifest(paths.manifest))


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


def test_a_manifest_is_read_once_for_each_time_that_it_was_written(paths: ProjectionPaths) -> None:
    publish(paths, OLD)
    first = find_manifest(paths.manifest).stages
    assert find_manifest(paths.manifest).stages is first
    publish(paths, NEW)
    assert find_manifest(paths.manifest).stages["index"].digest != first["index"].digest
