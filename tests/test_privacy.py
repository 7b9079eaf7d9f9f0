"""Nothing that is imported reports usage to anybody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from root import ROOT


@pytest.mark.parametrize(
    "module", ["patina_assets.search.searcher", "patina_assets.definitions", "patina_resources.onnx.write.int8"]
)
def test_onnxruntime_is_imported_with_its_telemetry_off(module: str, tmp_path: Path) -> None:
    kept = {
        name: value for name, value in os.environ.items() if name not in {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    }
    environment = kept | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"import {module}, onnxruntime; onnxruntime.get_available_providers()"]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True)
    # With telemetry it would have left a device id and a queue of events here.
    assert not list(tmp_path.rglob("*onnxruntime*"))
