"""`patina ui` as people have it: real processes, a real browser, and nobody who helps.

Screenshots are kept in build/screenshots. Nothing here depends on speed: every step waits for what it needs.
"""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, PATIENCE_SECONDS, Page, browser
from eventlog_builder import commit
from small_project import add_events, delete_events, edit_recipe, make_project, patina
from ui_server import ROOT, Ui, built_by, kill_group, running_ui
from webhook import Webhook, choose_webhook, running_webhook

from patina_resources.project.project import Project, find_project

SHORT_TIMES = "[automation]\ninterval_seconds = 2\nsettle_seconds = 1\n"
SCREENSHOTS = ROOT / "build" / "screenshots"
SECOND = "  second:\n    layers: [16, 8]\n    training: {source: git.co_changes, pair_type: co_changed, epochs: 1}\n"
STAGES = ("pairs", "embeddings", "weights", "index")
NO_SIGNAL = "dependency: the eventlog holds 0 related pairs"
MESSAGES = """query Messages($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
  ... on MessageEvent { message } ... on ExecutionStepFailureEvent { error { message } }
} } } }"""
ORIGINS = """{ runsOrError(limit: 100) { ... on Runs { results {
  runId tags { key value } repositoryOrigin { repositoryName repositoryLocationName }
} } } }"""
KEYS_OF_LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
  ... on RepositoryLocation { repositories { assetNodes { assetKey { path } } } }
} } } } }"""
with_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt-get install chromium")


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
def hook() -> Iterator[Webhook]:
    """Listen for notices of failed runs."""
    with running_webhook() as running:
        yield running


@pytest.fixture(scope="module")
def project(home: Path, hook: Webhook) -> Project:
    """Return a project with short times, not built yet."""
    made = make_project(home / "alone")
    made.config_file.write_text(SHORT_TIMES)
    choose_webhook(hook.url, made.root)
    return find_project(made.root)


@pytest.fixture(scope="module")
def ui(project: Project, home: Path) -> Iterator[Ui]:
    """Run the UI of that project, wait until it has built everything by itself, and copy what is built."""
    with running_ui(project.root, log=home / "ui.log") as running:
        running.wait_for(lambda: running.runs() and running.at_rest(), "the first build")
        for name in ("one", "two"):
            shutil.copytree(project.root, home / name, ignore=shutil.ignore_patterns("dagster_home"))
        yield running


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """Open a browser."""
    with browser(tmp_path / "profile") as opened:
        yield opened


def log_in(page: Page, ui: Ui) -> None:
    """Open the address that was printed, and see the secret leave the address bar."""
    page.open(ui.login_url)
    page.wait_for_texts("Overview")
    assert ui.token not in page.value("location.href")


def is_green(ui: Ui) -> bool:
    """Tell whether every badge is green."""
    return set(ui.badges().values()) == {"FRESH"}


def assert_green(ui: Ui) -> None:
    """Check that every badge is green."""
    assert is_green(ui), ui.badges()


def built_after(ui: Ui, known: int) -> set[str]:
    """Return what the next run builds, sources left out; there must be one run only."""
    ui.wait_for(lambda: len(ui.runs()) > known and ui.at_rest(), "a rebuild")
    runs = ui.runs()
    assert len(runs) == known + 1, runs
    assert runs[0]["status"] == "SUCCESS"
    assert_green(ui)
    return {key for key in built_by(runs[0]) if "source/" not in key}


def events_of(ui: Ui, run: dict[str, Any]) -> list[str]:
    """Return what a run has said so far, the errors of its steps included."""
    events = ui.ask(MESSAGES, run=run["runId"])["logsForRun"]["events"]
    errors = [event["error"]["message"] for event in events if event.get("error")]
    return [*(event.get("message") or "" for event in events), *errors]


def printed(ui: Ui) -> list[str]:
    """Return what it has printed since it was started."""
    return ui.log.read_bytes()[ui.start_of_log :].decode().splitlines()


# Nobody helps


def test_it_builds_everything_alone_and_prints_a_line(ui: Ui, project: Project) -> None:
    assert project.lock.is_file()
    (run,) = ui.runs()
    assert run["status"] == "SUCCESS"
    assert_green(ui)
    address, *lines = ui.wait_for(lambda: printed(ui)[1:] and printed(ui), "the line of the build")
    assert address.startswith(f"Patina for {project.root}: {ui.url}/patina/?token=")
    reason = r"model/corpus-static: never built and \d+ more"
    done = rf"[\d:]{{8}} alone: built {len(built_by(run))} assets in .+ \({reason}\)"
    assert [bool(re.fullmatch(done, line)) for line in lines] == [True], lines


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
    assert built_after(ui, known) == {*(f"second/{stage}" for stage in STAGES), "oxidize_lock"}
    project.recipe.write_text(text)
    assert built_after(ui, known + 1) == {"oxidize_lock"}
    assert "second/index" not in ui.badges()


def test_a_broken_recipe_says_why_and_a_mended_one_is_back(ui: Ui, project: Project) -> None:
    known, text = len(ui.runs()), project.recipe.read_text()
    project.recipe.write_text(text.replace("epochs: 3", "epochs: many"))
    ui.wait_for(lambda: "recipe" in ui.badges(), "the sentence")
    nodes = ui.ask("{ assetNodes { assetKey { path } description isExecutable } }")["assetNodes"]
    (node,) = [node for node in nodes if node["isExecutable"]]
    assert re.search(r"oxidize\.yaml.*epochs", node["description"])
    assert ["temporal", "index"] in [node["assetKey"]["path"] for node in nodes]
    project.recipe.write_text(text)
    ui.wait_for(lambda: "recipe" not in ui.badges() and ui.at_rest(), "the recipe")
    assert_green(ui)
    assert len(ui.runs()) == known


# In a browser


@with_browser
def test_a_person_materializes_by_clicking_and_sees_what_is_built(ui: Ui, page: Page) -> None:
    known = len(ui.runs())
    log_in(page, ui)
    page.open(f"{ui.url}/locations/alone/asset-groups/semantic/lineage")
    page.wait_for_texts(*STAGES)
    page.click("Materialize all")
    ui.wait_for(lambda: len(ui.runs()) > known and ui.at_rest(), "the run that was asked for")
    assert (ui.runs()[0]["status"], built_by(ui.runs()[0])) == ("SUCCESS", {f"semantic/{stage}" for stage in STAGES})
    page.screenshot(SCREENSHOTS / "lineage.png")
    page.open(f"{ui.url}/assets/semantic/weights")
    page.wait_for_texts("base_and_trained", "Latest check results")
    page.show(
        picture := "[...document.images].find(i => i.src.startsWith('data:image/svg+xml') && i.naturalWidth > 99)"
    )
    assert page.value(f"{picture}.alt") == "loss and MRR per epoch"
    page.screenshot(SCREENSHOTS / "weights.png")
    page.open(f"{ui.url}/assets/semantic/index")
    page.wait_for_texts("larger_map", "sample_queries")
    page.show(picture)
    assert page.value(f"{picture}.alt") == "map"
    page.screenshot(SCREENSHOTS / "index.png")
    page.open(f"{ui.url}/automation")
    page.wait_for_texts("failure_notice", "nightly_oxidize", "oxidize_sensor")
    page.screenshot(SCREENSHOTS / "automation.png")


@with_browser
def test_checks_are_run_alone_by_clicking(ui: Ui, page: Page) -> None:
    known = len(ui.runs())
    log_in(page, ui)
    page.open(f"{ui.url}/assets/semantic/weights?view=checks")
    page.wait_for_texts("beats_base", "shapes_match_recipe", "Execute all")
    page.click("Execute all")
    ui.wait_for(lambda: len(ui.runs()) > known and ui.at_rest(), "the run of the checks")
    run = ui.runs()[0]
    assert (run["status"], built_by(run)) == ("SUCCESS", set())
    assert_green(ui)
    ui.wait_for(lambda: [line for line in printed(ui) if " alone: ran 2 checks in " in line], "its line")
    page.screenshot(SCREENSHOTS / "checks.png")


def test_a_build_of_the_command_line_belongs_to_the_location_as_others_do(
    ui: Ui, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATINA_PROJECT", str(project.root))
    assert patina("oxidize", "--only", "semantic", "--full").code == 0
    ui.wait_for(ui.at_rest, "what follows")
    runs = ui.ask(ORIGINS)["runsOrError"]["results"]
    # Only such runs are on the timeline of the overview.
    assert {tuple(sorted(run["repositoryOrigin"].items())) for run in runs} == {
        (("repositoryLocationName", "alone"), ("repositoryName", "__repository__"))
    }
    assert [run for run in runs if {"key": "patina/command", "value": "patina oxidize"} in run["tags"]]


@with_browser
def test_a_failed_projection_leaves_the_others_and_says_everywhere_why(
    ui: Ui, project: Project, hook: Webhook, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, text = len(ui.runs()), project.recipe.read_text()
    delete_events(project, "code.%")
    failed = ui.wait_for(
        lambda: len(ui.runs()) > known and ui.at_rest() and [run for run in ui.runs() if run["status"] == "FAILURE"],
        "the failure",
    )[-1]
    line = ui.wait_for(lambda: project.failures_log.is_file() and project.failures_log.read_text(), "the notice")
    posted = ui.wait_for(lambda: hook.received, "the webhook")[0]
    monkeypatch.setenv("PATINA_PROJECT", str(project.root))
    told = patina("oxidize", "--only", "dependency")
    (sentence,) = {found for found in told.err.splitlines() if NO_SIGNAL in found}
    sentence = sentence[sentence.index(NO_SIGNAL) :]
    assert told.code == 1
    assert line.splitlines()[0].endswith(sentence)
    assert posted == {"project": "alone", "run": failed["runId"], "text": f"alone: {sentence}"}
    assert any(sentence in message for message in events_of(ui, failed))
    ui.wait_for(lambda: [said for said in printed(ui) if said.endswith(sentence)], "the line of the failure")
    assert [said for said in printed(ui)[1:] if " alone: " not in said] == []
    log_in(page, ui)
    page.open(f"{ui.url}/runs/{failed['runId']}")
    page.wait_for_texts(NO_SIGNAL)
    page.screenshot(SCREENSHOTS / "failure.png")
    project.recipe.write_text(text.split("  dependency:")[0])
    ui.wait_for(lambda: "dependency/pairs" not in ui.badges() and ui.at_rest(), "the recipe without it")
    assert_green(ui)


# Several projects


@with_browser
@pytest.mark.usefixtures("ui")
def test_several_projects_are_served_side_by_side(home: Path, page: Page) -> None:
    one, two = (find_project(home / name) for name in ("one", "two"))
    lock = one.lock.read_bytes()
    with running_ui(one.root, two.root, log=home / "several.log") as both:
        both.wait_for(both.at_rest, "a first look")
        assert both.runs() == []
        assert_green(both)
        assert {key.split("/")[0] for key in both.badges()} == {"one", "two"}
        edit_recipe(two, "same_session, epochs: 2", "same_session, epochs: 3")
        assert built_after(both, 0) == {"two/semantic/weights", "two/semantic/index", "two/oxidize_lock"}
        for entry in both.ask(KEYS_OF_LOCATIONS)["workspaceOrError"]["locationEntries"]:
            (repository,) = entry["locationOrLoadError"]["repositories"]
            assert {node["assetKey"]["path"][0] for node in repository["assetNodes"]} == {entry["name"]}
        log_in(page, both)
        page.open(f"{both.url}/locations/two/asset-groups/semantic/lineage")
        page.wait_for_texts("two", *STAGES)
        page.screenshot(SCREENSHOTS / "one-of-several.png")
        page.open(f"{both.url}/locations")
        page.wait_for_texts("one", "two")
        page.screenshot(SCREENSHOTS / "several.png")
    assert one.lock.read_bytes() == lock
    assert two.lock.read_bytes() != lock


# Crashes


def train_for(project: Project, epochs: int) -> None:
    """Let the recipe ask for so many epochs, whatever it asked for before."""
    (before,) = re.findall(r"same_session, epochs: \d+", project.recipe.read_text())
    edit_recipe(project, before, f"same_session, epochs: {epochs}")


@pytest.mark.parametrize(("killed", "epochs"), [("server", 1500), ("everything", 90_000)])
def test_what_is_killed_finishes_its_work_when_it_is_started_again(
    killed: str, epochs: int, ui: Ui, project: Project, home: Path
) -> None:
    with ExitStack() as stack:
        first = ui if ui.process.poll() is None else stack.enter_context(running_ui(project.root, log=home / "ui.log"))
        train_for(project, epochs)
        (run,) = first.wait_for(lambda: [run for run in first.runs() if run["status"] == "STARTED"], "a run")
        first.wait_for(lambda: any(f"of {epochs} epochs, loss" in said for said in events_of(first, run)), "its middle")
        if killed == "everything":
            kill_group(first.process.pid)
        else:
            os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait(PATIENCE_SECONDS)
        train_for(project, 3)
        with running_ui(project.root, log=home / "ui.log") as second:
            # The last tick may still be one of the first server.
            second.wait_for(lambda: second.at_rest() and is_green(second), "the rest, with every badge green")
            (status,) = (found["status"] for found in second.runs() if found["runId"] == run["runId"])
            # Where only the server is gone, the run goes on and is waited for.
            assert status == ("FAILURE" if killed == "everything" else "SUCCESS")
            if killed == "everything":
                second.wait_for(lambda: run["runId"][:8] in project.failures_log.read_text(), "the notice")
    told = project.failures_log.read_text() if project.failures_log.exists() else ""
    assert ("the process of this run ended" in told) == (killed == "everything")
