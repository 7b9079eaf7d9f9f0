"""Three repositories in one code location: only what moved is run, and every answer is right."""

from pathlib import Path

import dagster as dg
import pytest
from materialize_helpers import GitFolder
from small_project import patina
from team import SMALL_RECIPE

from patina_assets.fleet.definitions import (
    MOST_REQUESTS,
    PROJECTS,
    fleet_definitions,
    fleet_job,
    heads_sensor,
    moved_heads,
)
from patina_assets.fleet.memory import FleetMemory
from patina_resources.errors import PatinaError
from patina_resources.store.mothership import mothership

SUBJECTS = {"alpha": "Limit the requests of a tenant", "beta": "Recover from a missing bracket", "gamma": "Round cents"}


@pytest.fixture
def repositories(tmp_path: Path) -> dict[str, GitFolder]:
    """Return three repositories that are the fleet."""
    found = {}
    for name, subject in SUBJECTS.items():
        repository = GitFolder(tmp_path / "fleet" / name)
        repository.write(".gitignore", ".patina/data/\n")
        repository.write(".patina/oxidize.yaml", SMALL_RECIPE.partition("projections:")[0] + "projections: {}\n")
        for part in ("reader", "writer", "parser"):
            repository.write(f"src/{part}.py", f"def {part}():\n    return '{name}'\n")
            repository.commit(f"Add the {part} of {name}")
        repository.write("src/last.py", f"def last():\n    return '{subject}'\n")
        repository.commit(subject)
        found[name] = repository
    mothership().settings.write_text(f'[fleet]\nprojects = ["{tmp_path}/fleet/*"]\n')
    return found


def tick(instance: dg.DagsterInstance, seen: set[str]) -> list[str]:
    """Let the sensor look once, do what it asks for, and return the partitions that ran.

    As Dagster's daemon does, a run key that was seen is dropped.
    """
    with dg.build_sensor_context(instance=instance) as context:
        result = heads_sensor(context)
    for request in result.dynamic_partitions_requests:
        instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    job = fleet_definitions().resolve_job_def(fleet_job.name)
    ran = []
    for request in result.run_requests:
        if request.run_key in seen:
            continue
        seen.add(request.run_key)
        done = job.execute_in_process(partition_key=request.partition_key, instance=instance, raise_on_error=False)
        ran.append(f"{request.partition_key} {done.success}")
    return ran


def test_only_what_moved_is_run_and_answers_are_right(repositories: dict[str, GitFolder], tmp_path: Path) -> None:
    seen: set[str] = set()
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(instance, seen) == [f"{name} True" for name in SUBJECTS]
        assert sorted(instance.get_dynamic_partitions(PROJECTS.name or "")) == sorted(SUBJECTS)
        assert tick(instance, seen) == []
        for name, subject in SUBJECTS.items():
            done = patina("scry", subject, "--projects", "all", "-k", "1")
            assert done.out.startswith(f"  1. {name}  ") or done.out.splitlines()[1].startswith(f"  1. {name}  "), done
        repositories["beta"].write("src/new.py", "def brand_new():\n    return 'a comet'\n")
        repositories["beta"].commit("Follow the comet")
        assert tick(instance, seen) == ["beta True"]
        assert "Follow the comet" in patina("scry", "comet", "--projects", "all", "-k", "2").out
        # One that fails says why, and does not hold up the others.
        (tmp_path / "fleet" / "gamma" / ".patina" / "oxidize.yaml").write_text("version: 99\n")
        for name in ("gamma", "alpha"):
            repositories[name].commit("Another commit", "--allow-empty")
        assert tick(instance, seen) == ["alpha True", "gamma False"]


def test_a_large_fleet_is_asked_for_in_parts(repositories: dict[str, GitFolder]) -> None:
    root = repositories["alpha"].path
    projects = {f"p{number:03}": root for number in range(MOST_REQUESTS + 10)}
    first = moved_heads(projects, {})
    assert len(first) == MOST_REQUESTS
    assert len(moved_heads(projects, first)) == 10
    assert moved_heads({"gone": root.parent / "gone"}, {}) == {}


def test_a_damaged_memory_is_one_sentence(tmp_path: Path) -> None:
    memory = FleetMemory(tmp_path / "fleet.db")
    memory.remember({"a": "1"})
    memory.remember({"a": "2", "b": "3"})
    assert memory.heads() == {}  # each is asked for twice
    memory.remember({"b": "3"})
    assert memory.heads() == {"b": "3"}
    (tmp_path / "fleet.db").write_bytes(b"damaged" * 1000)
    with pytest.raises(PatinaError, match="delete it"):
        memory.heads()
