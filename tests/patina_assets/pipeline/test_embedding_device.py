"""Where texts are embedded: the processor unless config.toml says otherwise, and refused where it is not there."""

from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest
from small_project import build, make_project, patina, workspace_of

from patina_assets.pipeline.lock import compose_lock
from patina_assets.pipeline.stages.embeddings import DEVICE
from patina_resources.errors import PatinaError
from patina_resources.onnx.session import refuse_missing
from patina_resources.project.project import Project, find_project
from patina_resources.store.manifests import read_manifest

RECIPE = """version: 2
embedding_model: {model}
projections:
  temporal:
    layers: [32, 16]
    training: {{source: git.co_changes, pair_type: co_changed, epochs: 2, pairs: 400, batch_size: 64}}
"""
HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def project_on(root: Path, device: str, model: str) -> Project:
    project = make_project(root, RECIPE.format(model=model))
    project.config_file.write_text(f'[embeddings]\ndevice = "{device}"\n')
    return find_project(root)


@pytest.mark.skipif(HAS_CUDA, reason="this onnxruntime has CUDA")
def test_a_device_that_is_not_there_is_refused_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_on(tmp_path / "project", "cuda", "english-static")
    monkeypatch.chdir(project.root)
    for arguments in (["oxidize"], ["oxidize", "--dry-run"]):
        ran = patina(*arguments)
        assert ran.code == 2, ran
        assert ran.err == (
            'patina: this onnxruntime finds no cuda device: set [embeddings] device = "cpu" in .patina/config.toml, or '
            "install patina-assets[gpu] on a machine with an NVIDIA GPU and its driver (docs/models.md)\n"
        )
    assert not project.lock.exists()


def test_the_processor_is_always_there() -> None:
    refuse_missing("cpu")
    with pytest.raises(PatinaError, match="finds no cuda device"):
        refuse_missing("cuda")


def test_vectors_of_another_device_are_other_vectors(tmp_path: Path) -> None:
    """A stage is stale where its texts were embedded elsewhere; the model that is built here computes nothing."""
    spoken = "english-static"
    on_cpu = workspace_of(project_on(tmp_path / "cpu", "cpu", spoken))
    on_gpu = workspace_of(project_on(tmp_path / "gpu", "cuda", spoken))
    own = workspace_of(project_on(tmp_path / "own", "cuda", "corpus-static"))
    assert on_gpu.model_settings == f"{on_cpu.model_settings}, on cuda"
    assert "cuda" not in own.model_settings


def test_the_lock_says_where_texts_were_embedded(tmp_path: Path) -> None:
    project = project_on(tmp_path / "project", "cpu", "corpus-static")
    build(project)
    assert "embedding_device" not in project.lock.read_text()
    workspace = workspace_of(project)
    manifests = {name: dict(read_manifest(workspace.paths(name).manifest)) for name in workspace.names()}
    embedded = manifests["temporal"]["embeddings"]
    manifests["temporal"]["embeddings"] = replace(embedded, facts={**embedded.facts, DEVICE: "cuda"})
    lock = compose_lock(workspace.recipe, workspace.spec.name, manifests).decode()
    assert lock.splitlines()[2] == "embedding_device: cuda"


@pytest.mark.skipif(not HAS_CUDA, reason="this onnxruntime has no CUDA")
def test_a_gpu_gives_the_vectors_of_the_processor(tmp_path: Path) -> None:
    texts = {}
    for device in ("cpu", "cuda"):
        project = project_on(tmp_path / device, device, "english-static")
        build(project)
        workspace = workspace_of(project)
        stage = workspace.projection("temporal").stage("embeddings")
        from patina_resources.store.artifacts import BuiltProjection

        paths = workspace.paths("temporal")
        texts[device] = stage.vectors(BuiltProjection(paths, read_manifest(paths.manifest)))
    assert ((texts["cpu"] * texts["cuda"]).sum(axis=1) > 1 - 1e-3).all()


def test_a_driver_that_is_missing_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """An onnxruntime that was built for CUDA goes on with the processor alone where there is no driver."""
    from patina_resources.onnx.session import PRODUCT_MODEL, load_session

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    if not HAS_CUDA:
        with pytest.raises(PatinaError, match="finds no cuda device"):
            load_session(PRODUCT_MODEL, int8=False, device="cuda")  # type: ignore[arg-type]
