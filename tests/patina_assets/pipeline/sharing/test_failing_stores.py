"""Stores that stall, cut, lie, vanish or are read-only: one sentence, and the build goes on here."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_project import edit_recipe
from store_server import Fault, StoreServer, running_store
from team import Team, artifacts, built_by, member, signing_key

from patina_assets.pipeline.sharing import stage_cache
from patina_resources.cache import team_cache

pytest.importorskip("nacl", reason="PyNaCl is part of patina-assets[cache]")


def test_without_a_cache_pull_says_how_to_get_one(tmp_path: Path) -> None:
    alone = member(tmp_path, "alone", 9)
    for command in ("pull", "push"):
        done = alone.runs(command)
        assert (done.code, done.err.count("\n")) == (2, 1), done
    assert f"write [cache] with url and keys into {alone.home / 'config.toml'}" in alone.runs("pull").err
    assert json.loads(alone.runs("cache", "status", "--json").out)["url"] is None


LIES = ("wrong", "short", "page", "bomb")


@pytest.fixture
def web(own_team: Team) -> Iterator[StoreServer]:
    with running_store(own_team.store) as running:
        yield running


@pytest.mark.parametrize(
    "fault", ["stall", "endless", "always cut", "wrong", "short", "page", "bomb", "500", "redirect"]
)
def test_a_build_goes_on_without_a_store_that_fails(
    fault: Fault, own_team: Team, web: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = own_team.clone()
    clone.uses(web.url, own_team.key, more="loopback_http = true\ntimeout_seconds = 1\n")
    web.fault, web.only = fault, "blobs" if fault in ("wrong", "short") else ""
    lines = built_by(clone, monkeypatch, "temporal/")
    said = [line for line in lines if "it is built here" in line]
    # Who fails once is not asked again, and who lies three times.
    assert len(said) == (3 if fault in LIES else 1)
    assert not any("taken" in line for line in lines)
    ours, theirs = artifacts(clone), artifacts(own_team.builder)
    assert len(ours) > 5
    assert ours == {name: theirs[name] for name in ours}
    assert [path.name for path in clone.data.rglob("*") if ".pending" in path.name or path.name[:5] == ".tmp-"] == []


def test_a_pull_that_was_cut_goes_on(own_team: Team, web: StoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = own_team.clone()
    clone.uses(web.url, own_team.key, more="loopback_http = true\ntimeout_seconds = 1\n")
    clone.settle(monkeypatch)
    web.fault, web.only = "always cut", sorted(own_team.store.glob("v1/blobs/*/*"))[-1].name
    done = clone.runs("pull")
    assert (done.code, "Traceback" in done.err) == (2, False), done
    assert "does not give what it holds" in done.err.splitlines()[-1]
    first = len(web.asked)
    web.fault = ""
    stage_cache._opened.cache_clear()
    assert json.loads(clone.runs("pull", "--json").out)["left"] == []
    assert len(web.asked) - first < 40
    assert artifacts(clone) == artifacts(own_team.builder)


def test_a_store_that_vanished_is_a_miss(own_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = own_team.clone()
    shutil.rmtree(own_team.store)
    lines = built_by(clone, monkeypatch, "temporal/pairs")
    assert not any("cache" in line for line in lines)
    assert json.loads(own_team.clone().runs("pull", "--json").out)["fetched"] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_to_stops_no_build(own_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = own_team.clone(push=True)
    signing_key(clone)
    for folder in own_team.store.rglob("*"):
        if folder.is_dir():
            folder.chmod(0o555)
    clone.settle(monkeypatch)
    edit_recipe(clone.project, "pairs: 400", "pairs: 300")
    assert any("it was not offered" in line for line in built_by(clone, monkeypatch, "temporal/pairs"))


def test_a_store_that_failed_is_asked_again_after_a_while(
    own_team: Team, web: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = own_team.clone()
    clone.uses(web.url, own_team.key, more="loopback_http = true\ntimeout_seconds = 1\n")
    web.fault = "500"
    built_by(clone, monkeypatch, "temporal/pairs")
    web.fault, asked = "", len(web.asked)
    built_by(clone, monkeypatch, "temporal/embeddings")
    assert len(web.asked) == asked
    monkeypatch.setattr(team_cache, "RETRY_SECONDS", 0.0)
    assert "temporal/weights: taken from the team's cache" in built_by(clone, monkeypatch, "temporal/weights")
