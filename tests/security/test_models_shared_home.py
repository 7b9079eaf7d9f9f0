"""A mothership that is read-only, or that belongs to somebody else: used, and never written."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_clones import REGISTRY, SHAPE, SHIPPED, clone, enter, kept, listed, project_files, refused
from hub_server import Hub
from small_project import patina
from tiny_models import write_sentence_folder

from patina_resources.models.lock import read_lock, record_model
from patina_resources.store.mothership import mothership

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away and mount")
SOMEBODY = 54_321
pytestmark = AS_ROOT


@pytest.fixture(params=["of somebody else", "read-only"])
def shared(request: pytest.FixtureRequest, user: Hub) -> Iterator[Path]:
    """Turn the user's mothership into one that is not theirs to write; return it. Their own is then `~/.patina`."""
    home = mothership().home
    (home / "projects.txt").unlink(missing_ok=True)
    assert user.requests == []
    if request.param == "of somebody else":
        for path in (home, *home.rglob("*")):
            os.chown(path, SOMEBODY, SOMEBODY)
        yield home
        return
    mounted = subprocess.run(["mount", "--bind", str(home), str(home)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.decode().strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(home)], check=True)
        yield home
    finally:
        subprocess.run(["umount", str(home)], check=True)


def everything(home: Path) -> list[tuple[str, int, int]]:
    """Return every file and folder of a mothership, with what changes when it is written."""
    return sorted((str(path), path.stat().st_mtime_ns, path.stat().st_ino) for path in (home, *home.rglob("*")))


def test_models_in_it_are_listed_verified_and_used(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(shared)
    root = clone(tmp_path, project_files("", "mine"))
    enter(root, monkeypatch)
    states = {row["name"]: row["state"] for row in listed()}
    assert states["mine"] == states["named"] == "ready"
    assert patina("model", "verify", "mine").code == 0
    assert "is in the cache already" in patina("model", "add", "mine").out
    ran = patina("oxidize", "--dry-run")
    assert ran.code == 0, ran
    assert "base/embeddings" in ran.out
    assert patina("model", "status").code == 0
    assert everything(shared) == before


def test_what_is_added_goes_to_the_users_own_and_comes_first(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(shared)
    own = Path("~/.patina").expanduser()
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "fresh"):
        added = patina("model", "add", name, "--from", str(write_sentence_folder(tmp_path / f"new-{name}", seed=5)))
        assert added.code == 0, added
        assert f"{shared} is not yours or cannot be written to: what you add goes to {own}" in added.err
    assert set(read_lock(own / "models.lock")) == {"mine", "fresh"}
    folders = {row["name"]: str(row["folder"]) for row in listed()}
    assert folders["mine"].startswith(str(own))
    assert folders["named"].startswith(str(shared))
    root = clone(tmp_path, project_files(f"[models.tiny]\n{SHAPE}", "tiny"))
    enter(root, monkeypatch)
    assert patina("model", "add", "tiny", "--from", str(tmp_path / "new-mine")).code == 0
    assert list(own.glob("cache/models/.projects/*/tiny/model*.onnx"))
    assert patina("model", "remove", "mine", "--yes").code == 0
    folders = {row["name"]: str(row["folder"]) for row in listed()}
    assert folders["mine"].startswith(str(shared))
    refused(patina("model", "remove", "mine", "--yes"), str(shared), "PATINA_HOME")
    assert everything(shared) == before


def test_a_registry_of_somebody_else_only_adds_names(shared: Path) -> None:
    if os.access(shared, os.W_OK) and not os.statvfs(shared).f_flag & os.ST_RDONLY:
        assert {row["name"] for row in listed()} >= {"mine", SHIPPED}
        for name in (SHIPPED, "MiniLM", "hf:Xenova/gte-base", "aII-minilm-l6-v2"):
            (shared / "registry.toml").write_text(f'{REGISTRY}[models."{name}"]\n{SHAPE}')
            os.chown(shared / "registry.toml", SOMEBODY, SOMEBODY)
            refused(
                patina("model", "list"), str(shared / "registry.toml"), "somebody else's mothership cannot redefine"
            )
        (shared / "registry.toml").write_text(REGISTRY)
        os.chown(shared / "registry.toml", SOMEBODY, SOMEBODY)
    own = Path("~/.patina").expanduser()
    own.mkdir()
    (own / "registry.toml").write_text(f"[models.{SHIPPED}]\nmax_tokens = 7\n[models.mine]\nmax_tokens = 9\n")
    tokens = {row["name"]: row["max_tokens"] for row in listed()}
    assert (tokens[SHIPPED], tokens["mine"]) == (7, 9)


def test_a_writer_of_a_shared_cache_is_found_out(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.statvfs(shared).f_flag & os.ST_RDONLY:
        pytest.skip("nobody can write here")
    monkeypatch.chdir(tmp_path)
    record = read_lock(shared / "models.lock")[SHIPPED]
    [row] = [row for row in listed() if row["name"] == SHIPPED]
    assert (row["state"], row["pin"]) == ("not the pinned bytes", "differs")  # the tiny one is not the shipped one
    for key in ("../../etc", "/etc/passwd", "a/../b", "x" * 300):
        record_model(shared / "models.lock", "kept", record)
        text = (shared / "models.lock").read_text()
        (shared / "models.lock").write_text(text.replace("[kept]", f'["{key}"]'))
        for command in ("list", "verify", "status"):
            refused(patina("model", command), "models.lock", "damaged")
        (shared / "models.lock").write_text(text)


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("mask", [0o077, 0o027])
def test_the_cache_respects_the_umask(tmp_path: Path, mask: int) -> None:
    shutil.rmtree(mothership().home)
    mothership().home.mkdir()
    before = os.umask(mask)
    try:
        assert patina("model", "add", "fresh", "--from", str(write_sentence_folder(tmp_path / "new"))).code == 0
        assert patina("model", "list").code == 0
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in (mothership().home / "cache").rglob("*")}
    assert {path: mode for path, mode in modes.items() if mode & mask} == {}
    assert kept()
