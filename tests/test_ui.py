"""`patina ui` as people have it: real processes, a real browser, and nobody who helps.

Screenshots are kept in build/screenshots.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, browser
from eventlog_builder import commit
from small_project import add_events, delete_events, edit_recipe, make_project
from ui_server import ROOT, Ui, built_by, running_ui, wait_for

from patina_resources.project import Project, find_project

# Minutes of real processes, sensitive to a busy machine: asked for by name.
pytestmark = pytest.mark.skipif(
    os.environ.get("PATINA_TEST_UI") != "1", reason="runs the web UI for minutes: set PATINA_TEST_UI=1"
)
SHORT_TIMES = "[automation]\ninterval_seconds = 2\nsettle_seconds = 1\n"
SCREENSHOTS = ROOT / "build" / "screenshots"
SECOND = "  second:\n    layers: [16, 8]\n    training: {source: git.co_changes, pair_type: co_changed, epochs: 1}\n"
SECONDS = 120
STAGES = ("pairs", "embeddings", "weights", "index")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give all tests of this file one mothership; the UI outlives a single test."""
    folder = tmp_path_factory.mktemp("mothership")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATINA_HOME", str(folder))
        patch.setenv("HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _same_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATINA_HOME", str(home))


@pytest.fixture(scope="module")
def project(home: Path) -> Project:
    """Return a project with short times, not built yet."""
    made = make_project(home / "alone")
    made.config_file.write_text(SHORT_TIMES)
    return made


@pytest.fixture(scope="module")
def ui(project: Project, home: Path) -> Iterator[Ui]:
    """Run the UI of that project, and wait until it has built everything by itself."""
    with running_ui(project.root, log=home / "ui.log") as running:
        wait_for(lambda: finished(running, 1) and all_green(running), SECONDS, "the first build")
        yield running


def finished(ui: Ui, count: int) -> bool:
    """Tell whether there are `count` runs and none is under way."""
    runs = ui.runs()
    return len(runs) >= count and all(run["status"] in ("SUCCESS", "FAILURE") for run in runs)


def all_green(ui: Ui) -> bool:
    """Tell whether every badge is green."""
    return set(ui.badges().values()) == {"FRESH"}


def built_after(ui: Ui, known: int) -> set[str]:
    """Return what the next run builds, sources left out; there must be one run only."""
    wait_for(lambda: finished(ui, known + 1) and all_green(ui), SECONDS, "a rebuild")
    runs = ui.runs()
    assert len(runs) == known + 1, runs
    assert runs[0]["status"] == "SUCCESS"
    return {key for key in built_by(runs[0]) if not key.startswith("source/")}


# Nobody helps


def test_it_builds_everything_alone(ui: Ui, project: Project) -> None:
    assert project.lock.is_file()
    assert len(ui.runs()) == 1


def test_appended_events_rebuild_what_they_touch(ui: Ui, project: Project) -> None:
    known = len(ui.runs())
    add_events(project, [commit("e" * 40, "src/recipe/schema.py", "src/recipe/field.py", hour=900)])
    assert built_after(ui, known) == {
        *(f"temporal/{stage}" for stage in STAGES),
        "base/items",
        "base/embeddings",
        "base/index",
        "oxidize_lock",
    }


def test_an_edited_recipe_is_loaded_and_rebuilt(ui: Ui, project: Project) -> None:
    known = len(ui.runs())
    edit_recipe(project, "same_session, epochs: 2", "same_session, epochs: 3")
    assert built_after(ui, known) == {"semantic/weights", "semantic/index", "oxidize_lock"}


def test_a_new_projection_appears_and_a_removed_one_goes(ui: Ui, project: Project) -> None:
    known, text = len(ui.runs()), project.recipe.read_text()
    project.recipe.write_text(text + SECOND)
    wait_for(lambda: "second/index" in ui.badges(), SECONDS, "the new projection")
    assert built_after(ui, known) == {*(f"second/{stage}" for stage in STAGES), "oxidize_lock"}
    project.recipe.write_text(text)
    wait_for(lambda: "second/index" not in ui.badges(), SECONDS, "it to go")
    assert built_after(ui, known + 1) == {"oxidize_lock"}


def test_a_broken_recipe_says_why_and_a_mended_one_is_back(ui: Ui, project: Project) -> None:
    text = project.recipe.read_text()
    project.recipe.write_text(text.replace("epochs: 3", "epochs: many"))
    wait_for(lambda: set(ui.badges()) == {"recipe"}, SECONDS, "the sentence")
    (node,) = ui.ask("{ assetNodes { description } }")["assetNodes"]
    assert "oxidize.yaml" in node["description"]
    assert "epochs" in node["description"]
    project.recipe.write_text(text)
    wait_for(lambda: "temporal/index" in ui.badges() and all_green(ui), SECONDS, "the recipe")


def test_a_projection_without_signal_fails_alone_and_is_noticed(ui: Ui, project: Project) -> None:
    text = project.recipe.read_text()
    delete_events(project, "code.%")
    line = wait_for(lambda: project.failures_log.is_file() and project.failures_log.read_text(), SECONDS, "the notice")
    assert "dependency: the eventlog holds 0 related pairs" in line
    assert line.count("\n") == 1
    project.recipe.write_text(text.split("  dependency:")[0])
    wait_for(lambda: "dependency/pairs" not in ui.badges() and finished(ui, 1) and all_green(ui), SECONDS, "green")


# In a browser


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; .ci/run installs it")
def test_a_person_materializes_by_clicking_and_sees_the_chart(ui: Ui, tmp_path: Path) -> None:
    known = len(ui.runs())
    with browser(tmp_path / "profile") as page:
        page.open(f"{ui.url}/locations/alone/asset-groups/semantic/lineage")
        page.wait_for_text("embeddings")
        page.wait_for_text("weights")
        page.screenshot(SCREENSHOTS / "lineage.png")
        page.click("Materialize all")
        wait_for(lambda: finished(ui, known + 1), SECONDS, "the run that was asked for")
        assert ui.runs()[0]["status"] == "SUCCESS"
        assert built_by(ui.runs()[0]) == {f"semantic/{stage}" for stage in STAGES}
        page.open(f"{ui.url}/assets/semantic/weights")
        page.wait_for_text("base_and_trained")
        page.wait_for_text("Latest check results")
        chart = "[...document.images].some(i => i.src.startsWith('data:image/svg+xml') && i.naturalWidth > 100)"
        wait_for(lambda: page.value(chart), 30, "the chart")
        page.value("[...document.images].find(i => i.src.startsWith('data:image/svg')).scrollIntoView()")
        page.screenshot(SCREENSHOTS / "weights.png")
        page.open(f"{ui.url}/assets/semantic/index")
        page.wait_for_text("sample_queries")
        page.screenshot(SCREENSHOTS / "index.png")
        page.open(f"{ui.url}/automation")
        page.wait_for_text("oxidize_sensor")
        page.screenshot(SCREENSHOTS / "automation.png")


# With Dagster's own commands


def dagster(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Dagster on a project's own instance."""
    environment = os.environ | {
        "DAGSTER_HOME": str(project.dagster_home),
        "PATINA_PROJECT": str(project.root),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "dagster", *arguments]
    return subprocess.run(command, env=environment, cwd=project.root, capture_output=True, text=True, check=False)


def test_the_same_from_the_command_line(ui: Ui, project: Project) -> None:
    module = ("-m", "patina_assets.definitions")
    done = dagster(project, "asset", "materialize", "--select", "group:temporal", *module)
    assert done.returncode == 0, done.stderr
    done = dagster(project, "job", "execute", "-j", "evaluate_job", *module)
    assert done.returncode == 0, done.stderr
    assert "triplet accuracy" in done.stderr + done.stdout
    done = dagster(project, "sensor", "preview", "oxidize_sensor", *module)
    assert done.returncode == 0, done.stderr
    done = dagster(project, "schedule", "preview", *module)
    assert done.returncode == 0, done.stderr
    assert "nightly_oxidize" in done.stdout
    assert wait_for(lambda: all_green(ui), SECONDS, "green")


# Crashes


def test_a_killed_ui_finishes_its_work_when_it_is_started_again(home: Path) -> None:
    project = make_project(home / "killed")
    project.config_file.write_text(SHORT_TIMES)
    edit_recipe(project, "same_session, epochs: 2, pairs: 400", "same_session, epochs: 4000, pairs: 400")
    with running_ui(project.root, log=home / "killed.log") as first:
        wait_for(lambda: any(run["status"] == "STARTED" for run in first.runs()), SECONDS, "a run")
        weights = project.projection_paths("corpus-static", "semantic").embeddings
        wait_for(weights.exists, SECONDS, "the middle of the run")
        first.kill()
    edit_recipe(project, "epochs: 4000", "epochs: 2")
    with running_ui(project.root, log=home / "killed.log") as second:
        wait_for(lambda: all_green(second), SECONDS, "green")
        assert {run["status"] for run in second.runs()} == {"SUCCESS", "FAILURE"}
        line = wait_for(lambda: project.failures_log.is_file() and project.failures_log.read_text(), 60, "the notice")
        assert "the process of this run ended" in line


# Several projects


def test_several_projects_are_served_side_by_side(home: Path) -> None:
    projects = [make_project(home / name) for name in ("one", "two")]
    for made in projects:
        made.config_file.write_text(SHORT_TIMES)
    with running_ui(*(made.root for made in projects), log=home / "several.log") as both:
        wait_for(lambda: finished(both, 2) and all_green(both), 2 * SECONDS, "both builds")
        badges = both.badges()
        assert {key.split("/")[0] for key in badges} == {"one", "two"}
        assert len(badges) % 2 == 0
        known = len(both.runs())
        edit_recipe(projects[1], "same_session, epochs: 2", "same_session, epochs: 3")
        assert built_after(both, known) == {"two/semantic/weights", "two/semantic/index", "two/oxidize_lock"}
    assert all(find_project(made.root).lock.is_file() for made in projects)
