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
from sensor_helpers import QUIET, Sensor, badges, copied
from small_project import patina
from story_project import NOTE, make_story

from patina_assets.definitions import project_definitions
from patina_resources.project.project import find_project

ROOT = Path(__file__).parents[1]
SOURCES = {"source/code_call_graph", "source/code_functions", "source/git_co_changes", "source/sessions_observations"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a repository that is materialized and built, and a Dagster instance that knows it."""
    folder = tmp_path_factory.mktemp("template")
    made = make_story(folder / "project")
    assert patina("materialize", str(made.path)).code == 0
    (folder / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(folder / "instance"), overrides=QUIET) as instance:
        sensor = Sensor(find_project(made.path), instance)
        assert sensor.run({key.to_user_string() for key in sensor.repository.asset_graph.get_all_asset_keys()})
    return folder


class JobFolder:
    """A copy of the template."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor, self.instance = sensor, sensor.instance
        self.folder = GitFolder(sensor.project.root)

    def run(self, **config: object) -> dg.ExecuteInProcessResult:
        """Run the job in this process, with options of its op."""
        self.sensor.reload()
        run_config = {
            "ops": {"append_events": {"config": config}},
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


def observed(result: dg.ExecuteInProcessResult) -> set[str]:
    """Return the assets that a run told of."""
    assert result.success
    keys = [event.asset_key for event in result.all_events if event.is_step_materialization]
    return {key.to_user_string() for key in keys if key is not None}


def test_sources_are_observed_and_badges_follow(job: JobFolder) -> None:
    folder = job.folder
    assert set(job.statuses().values()) == {"FRESH"}

    before = len(rows(folder.eventlog))
    assert observed(job.run()) == set()
    assert observed(job.run(full=True)) == set()
    assert len(rows(folder.eventlog)) == before

    folder.write("docs/parser.md", "other words\n")
    folder.write("docs/cache.md", "other words\n")
    folder.commit("docs: two pages")
    assert observed(job.run(only=["sessions", "code"])) == set()
    assert observed(job.run()) == {"source/git_co_changes"}
    assert job.stale() == {"temporal/pairs", "base/items"}
    assert observed(job.run()) == set()

    folder.write("layer/sessions/20240109-000000.md", NOTE.format(topic="index", day=9, one="nodes", two="edges"))
    folder.write(
        "src/cache.py", (folder.path / "src/cache.py").read_text() + "\n\ndef more(value):\n    return more(1)\n"
    )
    folder.commit("feat: more")
    assert observed(job.run()) == SOURCES
    assert job.stale() == {"semantic/pairs", "temporal/pairs", "dependency/pairs", "base/items"}
    assert job.sensor.run(job.sensor.requested())
    assert set(job.statuses().values()) == {"FRESH"}
    assert observed(job.run()) == set()


def test_keys_have_the_prefix_of_their_project(job: JobFolder, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    definitions = project_definitions(job.folder.path, ["one"])
    with dg.DagsterInstance.local_temp(str(tmp_path / "shared"), overrides=QUIET) as instance:
        result = definitions.resolve_job_def("materialize_job").execute_in_process(instance=instance)
        assert observed(result) == {f"one/{key}" for key in SOURCES}


def test_options_are_checked_and_failures_read_as_in_the_command(job: JobFolder) -> None:
    def both(*arguments: str, **config: object) -> str:
        """Return the sentence with which the run fails, which is that of the command."""
        before = rows(job.folder.eventlog)
        result, ran = job.run(**config), patina("materialize", *arguments)
        assert not result.success
        (failed,) = (event for event in result.all_events if event.is_step_failure)
        sentence = failed.step_failure_data.user_failure_data.description
        assert (ran.code, ran.err) == (2, f"patina: {sentence}\n")
        assert rows(job.folder.eventlog) == before
        assert set(job.statuses().values()) == {"FRESH"}
        return str(sentence)

    assert "unknown scraper 'gti' (did you mean 'git'?)" in both("--only", "gti", only=["gti"])
    folder = job.folder
    folder.write("docs/cache.md", "lost words\n")
    lost = folder.git("hash-object", "-w", "docs/cache.md").decode().strip()
    folder.commit("docs: lost")
    (folder.path / ".git/objects" / lost[:2] / lost[2:]).unlink()
    assert "git fsck" in both()
    shutil.rmtree(folder.path / ".git")
    assert "is not in a git repository: run `git init` there" in both()
    folder.git("init", "-q", "-b", "main")
    folder.commit("another repository")
    assert "none of them is in" in both()


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
    assert "git: 1 of 1 commits" in done.stderr
    assert "code.function" in done.stderr
    assert {row["data"]["message"] for row in rows(job.folder.eventlog, "git.commit")} >= {"feat: more"}
    assert job.stale() == {"dependency/pairs", "base/items"}
    (run,) = job.instance.get_runs(dg.RunsFilter(job_name="materialize_job"))
    assert run.status is dg.DagsterRunStatus.SUCCESS
    (job.folder.path / ".git" / "HEAD").write_text("nonsense\n")
    done = execute()
    assert done.returncode == 1
    ran = patina("materialize")
    assert ran.code == 2
    assert ran.err.removeprefix("patina: ").strip() in " ".join(done.stderr.split())
