"""Three repositories in one code location: only what moved is run, and every answer is right."""

import time
from pathlib import Path

import dagster as dg
import pytest
from fleets import SUBJECTS, make_fleet
from materialize_helpers import GitFolder
from small_project import patina

from patina_assets.fleet.definitions import (
    ASSETS,
    KEY,
    MOST_REQUESTS,
    PROJECTS,
    due_sensor,
    fleet_definitions,
    fleet_job,
    heads_job,
)
from patina_assets.fleet.dues import FIRST_PATIENCE, TIMES_ASKED, requests
from patina_assets.fleet.memory import FleetMemory, Standing, fleet_memory
from patina_resources.errors import PatinaError
from patina_resources.fleet.model import Fleet, FleetProject
from patina_resources.fleet.reader import read_fleet
from patina_resources.store.mothership import mothership

Asked = dict[str, tuple[str, int]]


@pytest.fixture
def repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, GitFolder]:
    """Return three repositories that are the fleet."""
    file, found = make_fleet(tmp_path)
    monkeypatch.setenv("PATINA_FLEET", str(file))
    return found


def test_each_asset_says_what_it_is() -> None:
    specs = {spec.key: spec.description or "" for spec in fleet_definitions().resolve_all_asset_specs()}
    assert len(specs) == len(ASSETS) + 1
    assert len(set(specs.values())) == len(specs)
    named = [key.path[-1] for key, text in specs.items() if "names no projections" in text]
    assert sorted(named) == ["embeddings", "index", "pairs", "weights"]


def tick(instance: dg.DagsterInstance, seen: set[str]) -> list[str]:
    """Look at the heads, let the sensor look once, do what it asks for, and return the partitions that ran.

    As Dagster's daemon does, a run key that was seen is dropped.
    """
    definitions = fleet_definitions()
    assert definitions.resolve_job_def(heads_job.name).execute_in_process(instance=instance).success
    with dg.build_sensor_context(instance=instance) as context:
        result = due_sensor()(context)
    for request in result.dynamic_partitions_requests:
        keys = list(request.partition_keys)
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(request.partitions_def_name, keys)
        else:
            for key in keys:
                instance.delete_dynamic_partition(request.partitions_def_name, key)
    job = definitions.resolve_job_def(fleet_job.name)
    ran = []
    for request in result.run_requests:
        if request.run_key in seen:
            continue
        seen.add(request.run_key)
        done = job.execute_in_process(partition_key=request.partition_key, instance=instance, raise_on_error=False)
        ran.append(f"{request.partition_key} {done.success}")
    return ran


def partitions(instance: dg.DagsterInstance, asset: str) -> set[str]:
    """Return the repositories of which an asset was materialized."""
    return instance.get_materialized_partitions(dg.AssetKey([KEY, asset]))


def test_only_what_moved_is_run_and_answers_are_right(repositories: dict[str, GitFolder], tmp_path: Path) -> None:
    seen: set[str] = set()
    everywhere = ("--projects", f"{tmp_path}/kept/projects/*")
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(instance, seen) == [f"{name} True" for name in SUBJECTS]
        assert sorted(instance.get_dynamic_partitions(PROJECTS.name or "")) == sorted(SUBJECTS)
        assert tick(instance, seen) == []
        assert [asset for asset in ASSETS if partitions(instance, asset)] == ["eventlog", "base", "published"]
        for name, subject in SUBJECTS.items():
            done = patina("scry", subject, *everywhere, "-k", "1")
            assert done.out.startswith(f"  1. {name}  ") or done.out.splitlines()[1].startswith(f"  1. {name}  "), done
        repositories["beta"].write("src/new.py", "def brand_new():\n    return 'a comet'\n")
        repositories["beta"].commit("Follow the comet")
        assert tick(instance, seen) == ["beta True"]
        assert "Follow the comet" in patina("scry", "comet", *everywhere, "-k", "2").out
        # One that fails says why, and does not hold up the others.
        repositories["gamma"].write(".patina/oxidize.yaml", "version: 99\n")
        repositories["gamma"].git("add", "-f", ".patina/oxidize.yaml")
        for name in ("gamma", "alpha"):
            repositories[name].git("commit", "-q", "--allow-empty", "-m", "Another commit")
        assert tick(instance, seen) == ["alpha True", "gamma False"]
        (failed,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert failed.tags["dagster/partition"] == "gamma"
        # A repository that leaves the fleet leaves the partitions.
        (tmp_path / "origins" / "gamma").rename(tmp_path / "elsewhere")
        assert tick(instance, seen) == []
        assert sorted(instance.get_dynamic_partitions(PROJECTS.name or "")) == ["alpha", "beta"]


def test_projections_are_assets_too(
    repositories: dict[str, GitFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "version: 2\nprojections:\n  temporal:\n    layers: [16, 8]\n"
        "    training: {source: git.co_changes, pair_type: co_changed, epochs: 1, pairs: 50, batch_size: 16}\n"
    )
    for commit in range(12):
        for part in range(6):
            repositories["alpha"].write(f"src/part{(commit + part) % 12}.py", f"value = {commit}\n")
        repositories["alpha"].commit(f"Change {commit}")
    file = tmp_path / "two.toml"
    file.write_text(
        f'[fleet]\nfolder = "{tmp_path}/kept"\n[defaults]\nrecipe = "recipe.yaml"\nmodel = "english-static"\n'
        f'[[repositories]]\npath = "{tmp_path}/origins/alpha"\n[[repositories]]\npath = "{tmp_path}/origins/beta"\n'
    )
    monkeypatch.setenv("PATINA_FLEET", str(file))
    with dg.DagsterInstance.ephemeral() as instance:
        # What the fleet's recipe asks for, and a repository has no signal for, is left out.
        assert tick(instance, set()) == ["alpha True", "beta True"]
        assert [asset for asset in ASSETS if "alpha" in partitions(instance, asset)] == list(ASSETS)
        assert [asset for asset in ASSETS if "beta" in partitions(instance, asset)] == ["eventlog", "base", "published"]


def fleet_of(folder: Path, count: int) -> Fleet:
    """Return a fleet of so many repositories; the last has the highest priority."""
    projects = [
        FleetProject(f"p{number:03}", "/gone", (), None, None, int(number == count - 1), folder / f"p{number:03}")
        for number in range(count)
    ]
    return Fleet(folder / "fleet.toml", folder, tuple(projects))


def test_a_large_fleet_is_asked_for_in_parts_and_by_priority(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, MOST_REQUESTS + 10)
    memory = fleet_memory(fleet)
    for project in fleet.projects:
        memory.note_fetched(project.name, "1" * 40)
    first = asked_now(fleet, memory)
    assert len(first) == MOST_REQUESTS
    assert next(iter(first)) == f"p{MOST_REQUESTS + 9:03}"
    memory.note_asked(first)
    # A tick may be killed: each is asked for twice, the second time beside the others.
    second = asked_now(fleet, memory)
    assert len(second) == len(fleet.projects)
    assert second.items() >= first.items()
    memory.note_asked(first)
    assert len(asked_now(fleet, memory)) == 10
    # New commits go before what is due for another reason, such as an upgrade.
    for name, (build, _) in first.items():
        memory.note_built(name, f"{build.partition(':')[0]}:before the upgrade", 1.0)
    memory.note_asked(dict.fromkeys(first, ("something older", 0)))
    waiting = [project.name for project in fleet.projects if project.name not in first]
    assert list(asked_now(fleet, memory))[: len(waiting)] == waiting


def asked_now(fleet: Fleet, memory: FleetMemory, later: float = 0.0, *, goes_on: bool = False) -> Asked:
    """Return what the sensor would ask for, some seconds from now."""
    return requests(fleet, memory.standings(), MOST_REQUESTS, time.time() + later, lambda _: goes_on)


def test_what_came_to_nothing_is_asked_for_ever_less_often(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, 1)
    memory = fleet_memory(fleet)
    memory.note_fetched("p000", "1" * 40)
    (build, attempt) = asked_now(fleet, memory)["p000"]
    for _ in range(TIMES_ASKED):
        memory.note_asked({"p000": (build, attempt)})
    assert asked_now(fleet, memory, FIRST_PATIENCE - 60) == {}
    assert asked_now(fleet, memory, FIRST_PATIENCE + 60, goes_on=True) == {}
    again = asked_now(fleet, memory, FIRST_PATIENCE + 60)
    assert again == {"p000": (build, 1)}
    for _ in range(TIMES_ASKED):
        memory.note_asked(again)
    assert asked_now(fleet, memory, FIRST_PATIENCE + 60) == {}
    assert asked_now(fleet, memory, 2 * FIRST_PATIENCE + 60) == {"p000": (build, 2)}
    memory.note_built("p000", build, 1.0)
    assert asked_now(fleet, memory, 2 * FIRST_PATIENCE + 60) == {}


def test_what_is_remembered(tmp_path: Path) -> None:
    memory = fleet_memory(fleet_of(tmp_path, 1))
    assert memory.standings() == {}
    memory.note_not_fetched("p000", "no such host")
    assert memory.standing("p000").fetch_failure == "no such host"
    memory.note_fetched("p000", "a")
    memory.note_failed("p000", "a:k", "it broke", 2.0)
    told = memory.standing("p000")
    assert (told.head, told.fetch_failure, told.failed, told.failure, told.seconds) == ("a", "", "a:k", "it broke", 2.0)
    memory.note_built("p000", "a:k", 3.0)
    told = memory.standing("p000")
    assert (told.built, told.failed, told.failure) == ("a:k", "", "")
    memory.forget(["p000"])
    assert memory.standing("p000") == Standing()


def test_a_damaged_memory_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet.db").write_bytes(b"damaged" * 1000)
    with pytest.raises(PatinaError, match="delete it"):
        fleet_memory(fleet_of(tmp_path, 1))
    for url, expected in (("mysql://h/d", "got mysql://"), ("no url", "got something else")):
        monkeypatch.setenv("PATINA_FLEET_DATABASE", url)
        with pytest.raises(PatinaError, match=expected):
            fleet_memory(fleet_of(tmp_path, 1))


def test_the_definitions_read_what_the_commands_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, _ = make_fleet(tmp_path, is_built=True)
    monkeypatch.setenv("PATINA_FLEET", str(file))
    assert isinstance(fleet_memory(read_fleet(file, mothership())), FleetMemory)
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(instance, set()) == []
