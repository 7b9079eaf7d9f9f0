"""Entries of a manifest: how they are written, and that they come back."""

import json
import re
from dataclasses import replace

import pytest
from published_stages import OLD, publish
from refusals import refusal

from patina_resources.store.artifacts import (
    damages,
    publish_record,
    publish_stage,
)
from patina_resources.store.files import (
    sha256,
    write_atomic,
)
from patina_resources.store.lineage import Lineage
from patina_resources.store.manifests import (
    OutputFile,
    StageInput,
    StageRecord,
    find_manifest,
    manifest_document,
    read_manifest,
)
from patina_resources.store.paths import ProjectionPaths
from patina_resources.store.trust import installation, keyed_digest


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
    # No digest covers the name of who built it; the key tells who that was.
    paths.manifest.write_text(re.sub(r'("built_by": ").', r"\1x", text))
    assert "names another" in refusal(lambda: read_manifest(paths.manifest))


WRITTEN = """{
 "version": 3,
 "of": "temporal",
 "sha256": "CONTENT",
 "built_by": "INSTALLATION",
 "keyed_sha256": "KEYED",
 "stages": {
  "index": {
   "fingerprint": "f",
   "inputs": {
    "rows": {
     "value": "5e",
     "rows": 0
    },
    "models": {
     "value": "6f",
     "parts": {
      "a": "7a"
     }
    }
   },
   "digest": "d",
   "outputs": {
    "usearch": {
     "file": "temporal.usearch",
     "sha256": "SHA",
     "bytes": 0
    }
   },
   "facts": {},
   "built_at": "2026-01-01T00:00:00Z"
  }
 }
}
"""


def test_manifests_have_one_form_for_all_time(paths: ProjectionPaths) -> None:
    """They stand in projects that are built."""
    sha = "5e" * 32
    record = StageRecord(
        "f",
        {"rows": StageInput("5e", 0), "models": StageInput("6f", parts={"a": "7a"})},
        "d",
        {"usearch": OutputFile("temporal.usearch", sha, 0)},
        built_at="2026-01-01T00:00:00Z",
    )
    written = WRITTEN.replace("SHA", sha)
    plain = json.dumps(["temporal", json.loads(written)["stages"]]).encode()
    for name, value in (
        ("CONTENT", sha256(plain)), ("INSTALLATION", installation()), ("KEYED", keyed_digest("manifest", plain))
    ):  # fmt: skip
        written = written.replace(name, value)
    assert manifest_document("temporal", {"index": record}).decode() == written
    paths.folder.mkdir()
    paths.manifest.write_text(written)
    assert read_manifest(paths.manifest) == {"index": record}
    # Of an older version, a keyed digest says nothing: it knew none.
    paths.manifest.write_text(written.replace('"version": 3', '"version": 2'))
    assert not find_manifest(paths.manifest).ours


@pytest.mark.parametrize(
    ("name", "value"),
    [("drift", -0.1), ("known", float("nan")), ("continued", 1.5), ("basis", 3), ("trained_on", None)],
)
def test_a_lineage_comes_back_and_another_kind_of_value_is_damage(
    paths: ProjectionPaths, name: str, value: object
) -> None:
    lineage = Lineage("basis", "trained", "began", continued=2, drift=0.01, known=0.99, drift_before=0.2)
    written = StageRecord("fingerprint", {}, "digest", {}, lineage=lineage)
    assert read_back(paths, {"weights": written}) == {"weights": written}
    with_other_value = replace(lineage, **{name: value})  # type: ignore[arg-type]
    damaged = {"weights": replace(written, lineage=with_other_value)}
    assert "the manifest is damaged" in refusal(lambda: read_back(paths, damaged))


def test_weights_are_clean_where_they_were_trained_from_the_start_on_their_inputs() -> None:
    clean = Lineage("basis", trained_on="inputs", began_with="inputs")
    found = [None, clean, replace(clean, began_with="older"), replace(clean, continued=1)]
    records = [StageRecord("inputs", {}, "digest", {}, lineage=lineage) for lineage in found]
    assert [record.is_clean for record in records] == [True, True, False, False]
    assert not StageRecord("inputs", {}, "digest", {}, facts={"extended": 7}).is_clean


def read_back(paths: ProjectionPaths, manifest: dict[str, StageRecord]) -> object:
    write_atomic(paths.manifest, manifest_document(paths.name, manifest))
    return read_manifest(paths.manifest)


def test_an_entry_is_published_without_its_files(paths: ProjectionPaths) -> None:
    content = {paths.index: b"index"}
    record = publish_stage(paths, "index", StageRecord("first", {}, "digest", {}), content)
    kept = publish_record(paths, "index", replace(record, fingerprint="second"))
    assert read_manifest(paths.manifest) == {"index": kept}
    assert kept.outputs == record.outputs
    assert damages(paths, kept) == ()
