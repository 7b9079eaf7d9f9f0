"""What `deploy/` says stands in the code: no Docker and no cluster is at hand to try it."""

import re
import tomllib
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from root import ROOT

from patina_resources.cache.settings import address_of
from patina_resources.project.user_settings import CacheSettings

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
HELM: dict[str, Any] = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text())
SETTINGS: dict[str, Any] = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "patina-fleet"}
# Read by obstore, which takes what Amazon's own tools take.
OF_AWS = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"}
OF_DAGSTER = {"DAGSTER_HOME", "DAGSTER_DISABLE_TELEMETRY"}
PACKAGES = {"patina_assets", "patina_resources"}
NAME = re.compile(r"\b(?:PATINA|AWS|DAGSTER)_[A-Z_]+[A-Z]\b")


def read_by_the_code() -> set[str]:
    """Return the names of the environment that our code reads, or Dagster by our dagster.yaml."""
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    quoted = re.compile(r'"((?:PATINA|AWS)_[A-Z_]+)"')
    in_code = {name for path in sources for name in quoted.findall(path.read_text())}
    return in_code | set(re.findall(r"env: (\w+)", (DEPLOY / "dagster.yaml").read_text()))


def camel_case(name: str) -> str:
    """Return a setting of Dagster as its Helm chart calls it."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


@pytest.mark.parametrize("file", ["compose.yaml", "helm-values.yaml", "dagster.yaml", "Dockerfile"])
def test_each_name_of_the_environment_is_read_by_somebody(file: str) -> None:
    named = set(NAME.findall((DEPLOY / file).read_text()))
    assert named
    assert named <= read_by_the_code() | OF_AWS | OF_DAGSTER


def test_what_is_started_exists() -> None:
    commands = {entry.name for entry in entry_points(group="console_scripts")}
    assert set(OURS) == {"web", "daemon", "worker"}
    for service in OURS.values():
        program, *words = service["command"]
        module = words[words.index("-A" if program == "celery" else "-m") + 1]
        assert program in commands
        assert find_spec(module) is not None
    [location] = HELM["dagster-user-deployments"]["deployments"]
    assert location["codeServerArgs"][0] == "-m"
    assert find_spec(location["codeServerArgs"][1]) is not None


def test_the_cache_of_the_containers_can_be_reached() -> None:
    given = OURS["worker"]["environment"]
    address = address_of(CacheSettings(given["PATINA_CACHE"]))
    store = given["AWS_ENDPOINT_URL"].removeprefix("http://").partition(":")[0]
    # obstore refuses http:// unless it is told otherwise, and makes no bucket.
    assert (address.scheme, given["AWS_ALLOW_HTTP"], store in COMPOSE["services"]) == ("s3", "true", True)
    assert COMPOSE["services"]["bucket"]["command"][-1] == f"store/{address.host}"
    assert f"@{store}:" in COMPOSE["services"]["bucket"]["environment"]["MC_HOST_store"]


def test_what_a_service_needs_is_declared() -> None:
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
        named = [volume.partition(":")[0] for volume in service.get("volumes", ())]
        assert {volume for volume in named if not volume.startswith(".")} <= set(COMPOSE["volumes"])
        if "build" in service:
            folder = (DEPLOY / service["build"]["context"]).resolve()
            assert (folder / service["build"]["dockerfile"]).is_file()


def test_the_image_holds_what_is_run_in_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [extras] = re.findall(r"'\.\[([a-z,-]+)\]'", DOCKERFILE)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()}
    needed = {project["readme"], *project["license-files"], "pyproject.toml", "constraints.txt"}
    assert copied == needed | PACKAGES | {"deploy/dagster.yaml"}
    assert all((ROOT / source).exists() for source in copied)
    # One release of Dagster has one number for its libraries.
    [chosen] = re.findall(r"dagster-k8s==(\S+)", DOCKERFILE)
    assert f"dagster-postgres=={chosen}" in project["optional-dependencies"]["fleet"]
    mounted = {volume["name"] for volume in HELM["dagster-user-deployments"]["deployments"][0]["volumes"]}
    assert mounted == {mount["name"] for mount in HELM["dagster-user-deployments"]["deployments"][0]["volumeMounts"]}


def test_kubernetes_has_the_same_settings() -> None:
    daemon = HELM["dagsterDaemon"]
    assert set(daemon["runMonitoring"]) == {*map(camel_case, SETTINGS["run_monitoring"])}
    assert daemon["runMonitoring"]["maxResumeRunAttempts"] == SETTINGS["run_monitoring"]["max_resume_run_attempts"]
    assert daemon["runRetries"] == {camel_case(name): value for name, value in SETTINGS["run_retries"].items()}
    for kind in ("schedule", "sensor"):
        assert HELM["retention"][kind]["purgeAfterDays"] == SETTINGS["retention"][kind]["purge_after_days"]
    # A secret that exists is not made once more, and a volume belongs to the user of the image.
    assert HELM["global"]["postgresqlSecretName"]
    assert not HELM["generatePostgresqlPasswordSecret"]
    [user] = re.findall(r"useradd .*--uid (\d+)", DOCKERFILE)
    [location] = HELM["dagster-user-deployments"]["deployments"]
    run = HELM["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["podSpecConfig"]
    assert location["podSecurityContext"] == run["securityContext"] == {"fsGroup": int(user)}


def test_dagster_takes_its_settings(tmp_path: Path) -> None:
    pytest.importorskip("dagster_celery", reason="pip install 'patina-assets[fleet]'")
    (tmp_path / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    reference = InstanceRef.from_dir(str(tmp_path))
    assert reference.settings["run_monitoring"] == SETTINGS["run_monitoring"]
    launcher = reference.run_launcher_data
    assert launcher is not None
    assert find_spec(launcher.module_name) is not None
    limits = HELM["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]["tagConcurrencyLimits"]
    assert limits == SETTINGS["concurrency"]["runs"]["tag_concurrency_limits"]
    assert version("dagster-postgres") == re.findall(r"dagster-k8s==(\S+)", DOCKERFILE)[0]
