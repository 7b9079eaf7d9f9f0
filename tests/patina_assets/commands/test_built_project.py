"""Commands on a project that is built: what they find, and what they refuse."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from installations import give_key
from refusals import refused
from root import ROOT
from small_project import make_project, patina
from terminals import on_a_terminal


@pytest.fixture(scope="module")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project that the real command has built once for this module."""
    made = make_project(tmp_path_factory.mktemp("built") / "project")
    home = give_key(tmp_path_factory.mktemp("mothership"))
    environment = {"PATH": "/usr/bin:/bin", "PATINA_HOME": str(home), "HOME": str(home)}
    command = [sys.executable, "-m", "patina_assets.cli", "oxidize"]
    repository = str(ROOT)
    done = subprocess.run(
        command,
        cwd=made.root,
        env=environment | {"PYTHONPATH": repository},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "semantic" in done.stdout
    return made.root


def test_what_a_killed_build_left_goes_when_nothing_is_stale(
    built_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built_root, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    folder = tmp_path / "copy" / ".patina" / "data" / "embeddings" / "corpus-static" / "projections"
    left = folder / "temporal.temporal.usearch.0123456789abcdef.pending"
    left.write_bytes(b"of a recipe that was set back")
    assert patina("oxidize").out.startswith("nothing is stale")
    assert not left.exists()


def test_nothing_stale_launches_nothing(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    command = [sys.executable, "-X", "importtime", "-m", "patina_assets.cli", "oxidize"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=built_root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "nothing is stale" in done.stdout
    assert "| dagster\n" not in done.stderr


def test_on_a_terminal_the_summary_is_no_wider(built_root: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(built_root, tmp_path / "copy"))
    wide = {"COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "", "CI": "0"}
    shown = on_a_terminal(copy, ["oxidize", "--full", "--only", "temporal"], "", **wide)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines()
    begin = next(place for place, line in enumerate(lines) if line.startswith("projection "))
    assert lines[begin + 1].startswith("temporal ")
    assert max(len(line.rstrip()) for line in lines[begin - 1 : begin + 2]) <= 80
    assert lines[begin + 2].startswith("the terminal is too narrow for texts, new texts, ")
    assert lines[begin + 2].endswith(": `patina oxidize --json` shows these columns")


def test_a_note_finds_itself_first(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    items = (built_root / ".patina/data/embeddings/corpus-static/projections/semantic.items.jsonl").read_text()
    for line in items.splitlines()[::40]:
        text = json.loads(line)["text"]
        ran = patina("scry", text, "--projection", "semantic", "-k", "1", "--json")
        assert json.loads(ran.out)[0]["text"] == text


def test_results_say_where_they_come_from(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    hits = json.loads(patina("scry", "cache", "-k", "20", "--json").out)
    assert [hit["rank"] for hit in hits] == list(range(1, 21))
    assert all(hit["file"] or hit["session"] or hit["commit"] for hit in hits)
    shown = patina("scry", "cache", "-k", "3").out
    assert "\n  1. " in shown


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("projections/temporal.usearch", ("temporal.usearch", "damaged", "patina oxidize")),
        ("projections/temporal.search.db", ("temporal.search.db", "damaged", "patina oxidize")),
        ("projections/temporal.manifest.json", ("temporal.manifest.json", "damaged", "patina oxidize")),
        ("../../models/corpus-static/model.onnx", ("model.onnx", "damaged", "patina oxidize")),
        ("../../models/corpus-static/tokenizer.json", ("tokenizer.json", "damaged", "patina oxidize")),
    ],
)
def test_search_refuses_damaged_files(
    built_root: Path, monkeypatch: pytest.MonkeyPatch, file: str, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(built_root)
    path = built_root / ".patina/data/embeddings/corpus-static" / file
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    try:
        ran = patina("scry", "cache", "--projection", "temporal")
    finally:
        path.write_bytes(content)
    refused(ran, *words)


def test_wrong_queries(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    refused(patina("scry", "   "), "query is empty")
    refused(patina("scry", "x", "--projection", "temporl"), "temporl", "did you mean 'temporal'")
    assert patina("scry", "x", "-k", "0").code == 2


def test_search_refuses_a_damaged_lock(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    lock = built_root / ".patina/data/oxidize.lock"
    content = lock.read_bytes()
    lock.write_bytes(b"projections: [")
    try:
        ran = patina("scry", "cache")
    finally:
        lock.write_bytes(content)
    refused(ran, "oxidize.lock", "damaged", "patina oxidize")
