"""Parts of arrays at once: the same results on any machine."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from root import ROOT
from small_project import RECIPE, make_project
from threadpoolctl import threadpool_info

from patina_assets.learning.parts import PARTS, at_once, one_by_one, slices_of

LAYERS = "layers: [32, 16]"


def blas_threads() -> set[int]:
    return {entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"}


@pytest.mark.parametrize("size", [0, 1, PARTS - 1, PARTS, PARTS + 1, 1000])
def test_parts_are_the_whole_in_order(size: int) -> None:
    found: list[slice] = []
    one_by_one(size, found.append)
    assert found == slices_of(size)
    assert [number for part in found for number in range(size)[part]] == list(range(size))
    assert len(found) == min(size, PARTS)


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_at_once_does_every_part_once_with_blas_on_one_thread(threads: int | None) -> None:
    before, values, seen = blas_threads(), np.zeros(1000), set()

    def work(part: slice) -> None:
        values[part] += np.arange(1000)[part]
        seen.update(blas_threads())

    with at_once(threads) as each:
        each(1000, work)
        each(0, work)
        assert (values == np.arange(1000)).all()
        each(1000, work)
    assert (values == 2 * np.arange(1000)).all()
    # A BLAS that cannot be asked, such as that of macOS, is not seen at all.
    assert seen == ({1} if before else set())
    assert blas_threads() == before


def test_as_many_parts_at_once_as_there_are_threads() -> None:
    all_here = threading.Barrier(PARTS, timeout=30)
    with at_once(PARTS) as each:
        each(PARTS, lambda _: all_here.wait())


@pytest.mark.parametrize("threads", [1, 2, PARTS])
def test_what_fails_in_a_part_is_raised(threads: int) -> None:
    with at_once(threads) as each:
        for bad in slices_of(1000):
            with pytest.raises(ZeroDivisionError):
                each(1000, lambda part, bad=bad: 1 // (part.start - bad.start))


def test_numpys_settings_hold_in_parts(recwarn: pytest.WarningsRecorder) -> None:
    with at_once() as each:
        with np.errstate(over="ignore"):
            each(PARTS, lambda part: np.exp(np.full(part.stop, 1000.0)))
        assert not recwarn.list
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            each(PARTS, lambda part: np.exp(np.full(part.stop, 1000.0)))


def test_a_build_is_the_same_to_the_last_byte_with_any_number_of_blas_threads(tmp_path: Path) -> None:
    assert RECIPE.count(LAYERS) == 3
    built = []
    for threads in ("1", "3"):
        project = make_project(tmp_path / threads, RECIPE.replace(LAYERS, "layers: [512, 128]"))
        environment = os.environ | {"OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "patina_assets.cli", "oxidize"]
        subprocess.run(command, env=environment, cwd=project.root, check=True, capture_output=True)
        folders = (project.embeddings_folder("corpus-static"), project.corpus_model_folder())
        kinds = (".safetensors", ".onnx", ".usearch", ".jsonl")
        files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.name.endswith(kinds)]
        built.append({str(path.relative_to(project.root)): path.read_bytes() for path in files})
    assert len(built[0]) > 20
    assert built[0].keys() == built[1].keys()
    assert [name for name, content in built[0].items() if content != built[1][name]] == []
