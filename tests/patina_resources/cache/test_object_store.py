"""A bucket of an S3 server on loopback: the first writer wins, and a team shares a build by it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import S3Server, require_s3, running_s3
from team import Team, artifacts, member, signing_key

from patina_assets.pipeline.sharing import stage_cache
from patina_resources.cache.object_store import ObjectStoreRemote
from patina_resources.cache.remote import CacheRefusedError, CacheUnavailableError

require_s3()
NAME = "v1/blobs/aa/aa"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with running_s3() as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    stage_cache._opened.cache_clear()
    yield
    stage_cache._opened.cache_clear()


def test_the_first_writer_wins_unless_the_second_replaces() -> None:
    remote = ObjectStoreRemote("s3", "team", "first", 5)
    assert (remote.read(NAME, 10, 10), remote.size(NAME)) == (None, None)
    assert remote.write(NAME, b"first")
    assert not remote.write(NAME, b"second")
    assert (remote.read(NAME, 10, 10), remote.size(NAME)) == (b"first", 5)
    assert remote.write(NAME, b"third", replaces=True)
    assert remote.read(NAME, 10, 10) == b"third"
    assert [(entry.name, entry.bytes) for entry in remote.entries()] == [(NAME, 5)]
    with pytest.raises(CacheRefusedError, match="more than the 2 bytes"):
        remote.read(NAME, 2, 2)
    remote.remove(NAME)
    remote.remove(NAME)
    assert list(remote.entries()) == []


def test_a_server_that_is_gone_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    remote = ObjectStoreRemote("s3", "team", "", 0.5)
    for work in (lambda: remote.read(NAME, 1, 1), lambda: remote.write(NAME, b""), lambda: list(remote.entries())):
        with pytest.raises(CacheUnavailableError, match=r"s3://team: cannot be used") as caught:
            work()
        assert "\n" not in str(caught.value)


def test_a_team_shares_a_build_by_a_bucket(tmp_path: Path) -> None:
    team = Team(tmp_path, url="s3://team/builds")
    clone = team.clone()
    document = json.loads(clone.runs("pull", "--json").out)
    assert document["left"] == []
    assert artifacts(clone) == artifacts(team.builder)
    assert json.loads(clone.runs("cache", "status", "--json").out)["stock"]["records"] == len(team.pushed["new"]) + 1
    stranger = member(tmp_path, "stranger", 9, team.builder.data / "patina.db")
    stranger.uses("s3://team/builds", signing_key(stranger))
    assert "none of your [cache] keys" in stranger.runs("pull").err
