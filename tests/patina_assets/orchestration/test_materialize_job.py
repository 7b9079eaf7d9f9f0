"""`materialize_job` on a real Dagster instance: what it appends, what it tells of the sources, and how it fails."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from materialize_helpers import GitFolder, rows
from root import ROOT
from sensor_helpers import Sensor, badges, copied, quick_instance
from small_project import patina
from story_project import NOTE, make_story

from patina_assets.definitions import project_definitions
from patina_assets.pipeline.plain_text import from_root
from patina_resources.project.project import find_project

SOURCES = {
    *("source/code_call_graph", "source/code_functions", "source/git_co_changes", "source/sessions_observations"),
    # What the corpus model learns from beside them.
    *("source/code_definitions", "source/git_authors", "source/git_commits", "source/git_messages", "source/git_paths"),
    "source/code_types",
    "source/sessions_places",
    # What search reads.
    *(
        "source/code_definitions_with_docs",
        "source/code_files",
        "source/docs_files",
        "source/forge_threads",
        "source/git_log",
    ),
}
MODEL = "model/corpus_static"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a repository that is materialized and built, and a Dagster instance that knows it."""
    folder = tmp_path_factory.mktemp("template")
    made = make_story(folder / "project")
    assert patina("materialize", str(made.path)).code == 0
    with quick_instance(folder / "instance") as instance:
        sensor = Sensor(find_project(made.path), instance)
        assert sensor.run({key.to_user_string() for key in sensor.repository.asset_graph.materializable_asset_keys})
    return folder


class JobFolder:
    """A copy of the template."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor, self.instance = sensor, sensor.instance
        self.folder = GitFolder(sensor.project.root)

    def run(self, **config: object) -> dg.ExecuteInProcessResult:
        """Run the job in this process, with options of the eventlog asset."""
        self.sensor.reload()
        run_config = {
            "ops": {"eventlog": {"config": config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        }
        job = self.sensor.definitions.resolve_job_def("materialize_job")
        return job.execute_in_process(instance=self.instance, run_config=run_config, raise_on_error=False)

    def statuses(self) -> dict[str, str]:
        """Return the badge of every asset."""
        return {key: node["staleStatus"] for key, node in badges(self.sensor).items()}

    def stale(self) -> set[str]:
        """Return the assets with a badge that asks for a rebuild."""
        return {key for key, status in self.statuses().items() if status == "STALE"}


@pytest.fixture
def job(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobFolder]:
    """Return the job in a copy of the template, and stand in it."""
    with copied(template, tmp_path / "copy") as sensor:
        monkeypatch.chdir(sensor.project.root)
        yield JobFolder(sensor)


def appended(result: dg.ExecuteInProcessResult) -> int:
    """Return how many events a run says that it appended, after it looked at all sources."""
    assert result.success
    events = {event.asset_key.to_user_string(): event for event in result.get_asset_materialization_events()}
    prefix = next(key for key in events if key.endswith("eventlog")).removesuffix("eventlog")
    assert set(events) == {f"{prefix}{key}" for key in SOURCES | {"eventlog"}}
    return int(str(events[f"{prefix}eventlog"].materialization.metadata["new_events"].value))


def test_sources_are_observed_and_badges_follow(job: JobFolder) -> None:
    folder = job.folder
    assert set(job.statuses().values()) == {"FRESH"}

    before = len(rows(folder.eventlog))
    assert appended(job.run()) == 0
    assert appended(job.run(full=True)) == 0
    assert set(job.statuses().values()) == {"FRESH"}
    assert len(rows(folder.eventlog)) == before

    folder.write("docs/parser.md", "other words\n")
    folder.write("docs/cache.md", "other words\n")
    folder.commit("docs: two pages")
    assert appended(job.run(only=["sessions", "code"])) == 0
    assert appended(job.run()) == 5  # the commit, and of each page its section and where it stands
    assert job.stale() == {"temporal/pairs", "base/items", MODEL}
    assert appended(job.run()) == 0
    assert job.stale() == {"temporal/pairs", "base/items", MODEL}

    folder.write("layer/sessions/20240109-000000.md", NOTE.format(topic="index", day=9, one="nodes", two="edges"))
    folder.write(
        "src/cache.py", (folder.path / "src/cache.py").read_text() + "\n\ndef more(value):\n    return more(1)\n"
    )
    folder.commit("feat: more")
    assert appended(job.run()) > 3
    assert job.stale() == {"semantic/pairs", "temporal/pairs", "dependency/pairs", "base/items", MODEL}
    assert job.sensor.run(job.sensor.requested())
    assert set(job.statuses().values()) == {"FRESH"}
    assert appended(job.run()) == 0
    assert set(job.statuses().values()) == {"FRESH"}


def test_keys_have_the_prefix_of_their_project(job: JobFolder, tmp_path: Path) -> None:
    definitions = project_definitions(job.folder.path, ["one"])
    with quick_instance(tmp_path / "shared") as instance:
        result = definitions.resolve_job_def("materialize_job").execute_in_process(instance=instance)
        assert appended(result) == 0
        assert all(event.asset_key.path[0] == "one" for event in result.get_asset_materialization_events())


def test_options_are_checked_and_failures_read_as_in_the_command(job: JobFolder) -> None:
    def both(*arguments: str, **config: object) -> str:
        """Return the sentence with which the run fails, which is that of the command, with paths from the root."""
        before = rows(job.folder.eventlog)
        result, ran = job.run(**config), patina("materialize", *arguments)
        assert not result.success
        (failed,) = (event for event in result.all_events if event.is_step_failure)
        sentence = failed.step_failure_data.user_failure_data.description
        assert (ran.code, from_root(ran.err, job.folder.path)) == (2, f"patina: {sentence}\n")
        assert rows(job.folder.eventlog) == before
        assert set(job.statuses().values()) == {"FRESH"}
        return str(sentence)

    assert "unknown scraper 'gti' (did you mean 'git'?)" in both("--only", "gti", only=["gti"])
    folder = job.folder
    lost = folder.commit("docs: lost")
    folder.commit("docs: after it")
    (folder.path / ".git/objects" / lost[:2] / lost[2:]).unlink()
    assert "git fsck" in both("--only", "git", only=["git"])
    shutil.rmtree(folder.path / ".git")
    folder.git("init", "-q", "-b", "main")
    folder.commit("another repository")
    assert "none of them is in" in both()


def test_outside_of_a_repository_the_eventlog_stays_and_a_check_says_so(job: JobFolder) -> None:
    before = rows(job.folder.eventlog)
    shutil.rmtree(job.folder.path / ".git")
    result = job.run()
    assert appended(result) == 0
    (check,) = (check for check in result.get_asset_check_evaluations() if check.check_name == "repository_is_read")
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert "is not in a git repository" in str(check.description)
    assert rows(job.folder.eventlog) == before
    assert set(job.statuses().values()) == {"FRESH"}


def test_from_the_command_line(job: JobFolder) -> None:
    def execute() -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "DAGSTER_HOME": str(Path(job.instance.root_directory)),
            "PATINA_PROJECT": str(job.folder.path),
            "PYTHONPATH": str(ROOT),
        }
        command = ["-m", "dagster", "job", "execute", "-j", "materialize_job", "-m", "patina_assets.definitions"]
        return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)

    job.folder.write("src/more.py", "def one():\n    two()\n\n\ndef two():\n    one()\n")
    job.folder.commit("feat: more")
    done = execute()
    assert done.returncode == 0, done.stderr
    assert "git.commit" in done.stderr
    assert "code.function" in done.stderr
    assert {row["data"]["message"] for row in rows(job.folder.eventlog, "git.commit")} >= {"feat: more"}
    assert job.stale() == {"dependency/pairs", "base/items", MODEL}
    (run,) = job.instance.get_runs(dg.RunsFilter(job_name="materialize_job"))
    assert run.status is dg.DagsterRunStatus.SUCCESS
    (job.folder.path / ".git" / "HEAD").write_text("nonsense\n")
    done = execute()
    assert done.returncode == 1
    ran = patina("materialize")
    assert ran.code == 2
    assert ran.err.removeprefix("patina: ").strip() in " ".join(done.stderr.split())
