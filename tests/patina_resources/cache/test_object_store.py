"""A bucket of an S3 server on loopback: the first writer wins, and a team shares a build by it."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from team import Team, artifacts, member, signing_key

from patina_assets.pipeline.sharing import stage_cache
from patina_resources.cache.object_store import ObjectStoreRemote
from patina_resources.cache.remote import CacheRefusedError, CacheUnavailableError

REASON = "an S3 server for tests: pip install 'patina-assets[cache,cache-test]'"
for library in ("nacl", "obstore", "moto", "flask"):
    pytest.importorskip(library, reason=REASON)
NAME = "v1/blobs/aa/aa"
SERVER = """
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
input()
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    for _ in range(200):
        with suppress(OSError):
            urllib.request.urlopen(urllib.request.Request(f"{url}/team", method="PUT"), timeout=5).close()
            break
        time.sleep(0.05)
    yield url
    server.communicate("\n", timeout=10)


@pytest.fixture(autouse=True)
def _environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    given = {"ENDPOINT_URL": endpoint, "ALLOW_HTTP": "true", "REGION": "us-east-1"}
    for name, value in {**given, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
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
