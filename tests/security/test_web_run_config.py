"""What a run may be told is plain: no environment variable, no path, and no file in any run's configuration."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from small_project import make_project
from web_victim import SECRET, SECRET_VARIABLE, Victim, files_with, running_victim

from patina_assets.definitions import broken_recipe, project_definitions

JOBS = ("__ASSET_JOB", "oxidize_job", "materialize_job", "evaluate_job")
ENV = {"env": SECRET_VARIABLE}
CONFIGS = [
    {"resources": {"build": {"config": {"only": [ENV], "full": True}}}},
    {"resources": {"build": {"config": {"full": ENV}}}},
    {"resources": {"build": {"config": ENV}}},
    {"resources": {"eventlog": {"config": {"path": ENV}}}},
    {"resources": {"models": {"config": {"home": ENV}}}},
    {"resources": {"io_manager": {"config": {"base_dir": ENV}}}},
    {"resources": {"eventlog": {"config": {"path": "/etc/passwd"}}}},
    {"ops": {"eventlog": {"config": {"only": [ENV]}}}},
    {"ops": {"eventlog": {"config": {"full": ENV}}}},
    {"ops": {"measure": {"config": ENV}}},
    {"loggers": {"console": {"config": {"name": ENV}}}},
    {"loggers": {"console": {"config": {"log_level": ENV}}}},
    {"execution": {"config": {"marker_to_close": ENV}}},
    {"execution": {"config": {"retries": ENV}}},
]
MESSAGES = """query Messages($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
  __typename ... on MessageEvent { message }
  ... on ExecutionStepFailureEvent { error { message stack causes { message } } }
  ... on RunFailureEvent { error { message stack causes { message } } }
} } } }"""


def types_of(job: dg.JobDefinition) -> dict[str, set[str]]:
    """Return the kinds of types that the run config of a job is made of, and the names of its fields."""
    snapshot = job.get_config_schema_snapshot()
    assert job.run_config_schema.config_type.key in snapshot.all_config_snaps_by_key
    waiting, seen = [job.run_config_schema.config_type.key], set()
    names, kinds = set(), set()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        snap = snapshot.all_config_snaps_by_key[key]
        kinds.add(f"{snap.kind.value} {snap.given_name or ''}".strip())
        names |= {str(field.name) for field in snap.fields or ()}
        waiting += [field.type_key for field in snap.fields or ()] + list(snap.type_param_keys or ())
    return {"kinds": kinds, "names": names}


def jobs_of(definitions: dg.Definitions) -> list[dg.JobDefinition]:
    """Return every job, those that Dagster makes by itself included."""
    return list(definitions.get_repository_def().get_all_jobs())


def assert_plain(definitions: dg.Definitions) -> None:
    """Check that no job can be told to look into the environment or at a path."""
    for job in jobs_of(definitions):
        found = types_of(job)
        assert "STRICT_SHAPE" in found["kinds"]
        assert "ANY Any" not in found["kinds"], job.name
        # A union of a text and `{env: NAME}` is what Dagster's source types are.
        assert {kind for kind in found["kinds"] if kind.startswith("SCALAR_UNION") or "Source" in kind} == set(), (
            job.name
        )
        assert found["names"] & {"env", "path", "home", "base_dir", "file", "pickle", "json", "value"} == set(), (
            job.name
        )


def test_the_walk_finds_what_it_looks_for() -> None:
    class Wrong(dg.ConfigurableResource):  # type: ignore[type-arg]
        path: str

    @dg.asset
    def asset(resource: Wrong) -> int:
        return len(resource.path)

    definitions = dg.Definitions(assets=[asset], resources={"resource": Wrong(path="x")})
    (job,) = jobs_of(definitions)
    assert {"env", "path", "base_dir"} <= types_of(job)["names"]
    with pytest.raises(AssertionError):
        assert_plain(definitions)


def test_run_config_is_plain(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    assert {job.name for job in jobs_of(project_definitions(project.root))} >= set(JOBS)
    assert_plain(project_definitions(project.root))
    assert_plain(project_definitions(project.root, ["prefix"]))


def test_run_config_of_a_broken_recipe_is_plain(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    project.recipe.write_text("version: 9\n")
    assert_plain(project_definitions(project.root))
    assert_plain(project_definitions(tmp_path / "no project"))
    assert_plain(broken_recipe("because"))


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """Return a running web UI with a secret in its environment."""
    with running_victim(tmp_path_factory.mktemp("victim")) as running:
        yield running


@pytest.mark.parametrize("job", JOBS)
def test_the_environment_is_in_no_event_and_no_file(victim: Victim, job: str) -> None:
    launched = []
    for config in CONFIGS:
        answer = victim.launch(job, config)
        assert SECRET not in str(answer)
        if answer["__typename"] == "LaunchRunSuccess":
            launched.append(answer["run"]["runId"])
        else:
            assert answer["__typename"] == "RunConfigValidationInvalid", answer
    for run in launched:
        victim.wait_for_run(run)
        assert SECRET not in str(victim.ui.ask(MESSAGES, run=run))
    assert files_with(victim.project.root.parent, SECRET) == []
    # What names this job's own options or what all jobs have is refused before there is a run.
    assert len(launched) <= (len(CONFIGS) if job == "__ASSET_JOB" else 0)


def test_plain_options_are_taken(victim: Victim) -> None:
    config = {"resources": {"build": {"config": {"full": True, "only": ["temporal"]}}}}
    answer = victim.launch("evaluate_job", config)
    assert answer["__typename"] == "LaunchRunSuccess"
    victim.wait_for_run(answer["run"]["runId"])
