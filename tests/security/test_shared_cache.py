"""Who may write to a team's cache, but holds no accepted key, decides nothing; nor does a repository that names one."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from small_project import build
from store_server import StoreServer, running_store
from team import STAGES, Member, Team, artifacts, member, new_process, signing_key

from patina_assets.pipeline.sharing import stage_cache
from patina_resources.cache.folder import FolderRemote
from patina_resources.cache.records import (
    RecordKind,
    blob_name,
    record_key,
    record_name,
    signed_record,
    verified_record,
)
from patina_resources.cache.remote import CacheRefusedError
from patina_resources.cache.settings import address_of
from patina_resources.cache.signing import KEY_FILE
from patina_resources.cache.team_cache import TeamCache
from patina_resources.errors import PatinaError
from patina_resources.project.user_settings import CacheSettings
from patina_resources.store.files import sha256
from patina_resources.store.mothership import Mothership

pytest.importorskip("nacl", reason="PyNaCl is part of patina-assets[cache]")
CRASH = b"usearch" + b"\xff" * 4096
QUESTION = ("scry", "recipe validation of a field")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team(tmp_path_factory.mktemp("team"))


@pytest.fixture
def team(built: Team, tmp_path: Path) -> Team:
    return built.with_own_store(tmp_path)


@pytest.fixture(autouse=True)
def _new_process() -> Iterator[None]:
    with new_process():
        yield


def records(team: Team, kind: RecordKind) -> list[Path]:
    return sorted(path for path in (team.store / "v1" / kind).rglob("*") if path.is_file())


def snapshot(team: Team) -> tuple[Path, dict[str, Any]]:
    path = records(team, "snapshots")[0]
    return path, json.loads(path.read_bytes().partition(b"\n")[2])


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def resign(team: Team, change: Callable[[dict[str, Any]], None], signer: Member) -> None:
    """Change the snapshot and sign it as somebody."""
    path, document = snapshot(team)
    change(document)
    put(path, signed_record(Mothership(signer.home), "snapshots", path.name, document))


# Who can write, and has no key

UNSIGNED: Mapping[str, Callable[[bytes], bytes]] = {
    "no signature": lambda data: data.partition(b"\n")[2],
    "nothing": lambda _: b"",
    "other bytes": lambda data: data[:-2] + b" }",
    "cut": lambda data: data[: len(data) // 2],
    "another key's name": lambda data: data.replace(data[23:87], b"ab" * 32, 1),
    "another signature": lambda data: data.replace(data[88:216], b"ab" * 64, 1),
    "a long first line": lambda data: b"x" * 100_000 + data,
}


@pytest.mark.parametrize("attack", UNSIGNED)
def test_a_record_that_no_accepted_key_has_signed_is_not_used(attack: str, team: Team) -> None:
    for kind in ("stages", "snapshots"):
        for path in records(team, kind):
            put(path, UNSIGNED[attack](path.read_bytes()))
    clone = team.clone()
    done = clone.runs("pull")
    assert (done.code, done.err.count("\n"), artifacts(clone)) == (2, 1, {}), done
    assert "it was not used" in done.err or "none of your [cache] keys" in done.err


def test_what_another_key_has_signed_is_not_used(team: Team) -> None:
    stranger = team.clone()
    signing_key(stranger)
    resign(team, lambda _: None, stranger)
    done = team.clone().runs("pull")
    assert (done.code, "none of your [cache] keys" in done.err) == (2, True), done


def test_a_record_that_was_moved_is_not_used(team: Team) -> None:
    first, second = records(team, "stages")[:2]
    with pytest.raises(CacheRefusedError, match="signature is wrong"):
        verified_record(first.read_bytes(), "stages", second.name, [team.key], "store")
    with pytest.raises(CacheRefusedError, match="signature is wrong"):
        verified_record(first.read_bytes(), "snapshots", first.name, [team.key], "store")
    assert verified_record(first.read_bytes(), "stages", first.name, [team.key], "store")


@pytest.mark.parametrize("content", [CRASH, b"", b"\xff" * 3_000_000])
def test_contents_of_other_bytes_reach_no_native_code(content: bytes, team: Team) -> None:
    _, document = snapshot(team)
    for manifest in document["manifests"].values():
        for stage in manifest.values():
            for output in stage["outputs"].values():
                data = content + b"\0" * (output["bytes"] - len(content)) if content == CRASH else content
                put(team.store / blob_name(output["sha256"]), data)
    clone = team.clone()
    done = clone.runs("pull")
    assert (done.code, done.err.count("\n") > 0, artifacts(clone)) == (2, True, {}), done
    assert "Traceback" not in done.err
    assert clone.runs(*QUESTION).code == 2  # nothing is there to be opened


def test_a_poisoned_store_is_mended_by_the_next_push(team: Team) -> None:
    poisoned = next(path for path in (team.store / "v1" / "blobs").rglob("*") if path.is_file())
    poisoned.write_bytes(poisoned.read_bytes()[:-1])
    assert team.clone().runs("pull").code == 2
    builder = team.builder
    builder.uses(team.url)
    try:
        for path in records(team, "snapshots"):
            path.unlink()
        stage_cache._opened.cache_clear()
        assert builder.runs("push").code == 0
    finally:
        builder.uses(team.url)
    stage_cache._opened.cache_clear()
    assert json.loads(team.clone().runs("pull", "--json").out)["left"] == []


def test_a_store_that_lost_contents_is_mended_by_the_next_push(team: Team) -> None:
    cut, lost = [path for path in sorted((team.store / "v1" / "blobs").rglob("*")) if path.is_file()][:2]
    cut.write_bytes(cut.read_bytes()[:-1])
    lost.unlink()
    builder = team.builder
    builder.uses(team.url)
    assert builder.runs("push").code == 0
    stage_cache._opened.cache_clear()
    assert json.loads(team.clone().runs("pull", "--json").out)["left"] == []


# Somebody with a key: what is wrong is refused nevertheless


def rename(role: str, file: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        outputs = document["manifests"]["temporal"]["pairs"]["outputs"]
        outputs[role] = {**outputs.pop("pairs.jsonl"), "file": file}

    return change


def set_bytes(count: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["manifests"]["temporal"]["pairs"]["outputs"]["pairs.jsonl"]["bytes"] = count

    return change


SIGNED: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "the manifest": rename("manifest.json", "temporal.manifest.json"),
    "another folder": rename("pairs.jsonl", "../../patina.db"),
    "another projection's file": rename("pairs.jsonl", "semantic.pairs.jsonl"),
    "a hidden file": rename(".tmp-x", "temporal..tmp-x"),
    "a huge file": set_bytes(1 << 50),
    "a negative size": set_bytes(-1),
    "a size that is none": set_bytes("many"),
    "no table": lambda document: document.update(manifests=[]),
    "no stages": lambda document: document["manifests"].update(temporal="x", base=3),
    "an odd record": lambda document: document["manifests"]["temporal"].update(pairs={"fingerprint": 3}),
}


@pytest.mark.parametrize("attack", SIGNED)
def test_a_signed_record_names_only_files_of_its_stage(attack: str, team: Team) -> None:
    before = (team.builder.data / "patina.db").read_bytes()
    resign(team, SIGNED[attack], team.builder)
    clone = team.clone()
    done = clone.runs("pull")
    assert (done.code, "Traceback" in done.err) == (2, False), done
    assert "it was not used" in done.err or "not fetched" in done.err, done
    assert (clone.data / "patina.db").read_bytes() == before
    assert not list(clone.data.rglob("temporal.pairs.jsonl"))


def test_a_signed_record_of_deep_json_is_refused(team: Team) -> None:
    home = Mothership(team.builder.home)
    deep = {"manifests": json.loads("[" * 150 + "]" * 150)}
    data = signed_record(home, "snapshots", "ab" * 32, deep)
    assert verified_record(data, "snapshots", "ab" * 32, [team.key], "store")["manifests"]
    head, _, payload = data.partition(b"\n")
    with pytest.raises(CacheRefusedError):
        verified_record(head + b"\n" + b"[" * 200_000, "snapshots", "ab" * 32, [team.key], "store")
    assert payload


# A repository that names a cache


@pytest.fixture
def server(team: Team) -> Iterator[StoreServer]:
    with running_store(team.store) as running:
        yield running


def propose(user: Member, url: str, *keys: str) -> None:
    listed = ", ".join(f'"{key}"' for key in keys)
    (user.root / ".patina" / "config.toml").write_text(f'[cache]\nurl = "{url}"\nkeys = [{listed}]\n')


def test_a_repository_makes_nobody_contact_a_host(
    team: Team, server: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = team.clone()
    (victim.home / "config.toml").unlink()
    propose(victim, server.url, team.key)
    for command in (("pull",), ("push",), ("cache", "status"), ("doctor",), ("oxidize", "--dry-run"), QUESTION):
        done = victim.runs(*command)
        assert "Traceback" not in done.err, done
    victim.settle(monkeypatch)
    build(victim.project)
    assert server.asked == []
    assert "not used before `patina cache confirm`" in victim.runs("cache", "status").out


def test_what_a_repository_proposes_is_used_as_it_was_confirmed(team: Team, tmp_path: Path) -> None:
    victim = team.clone()
    (victim.home / "config.toml").unlink()
    propose(victim, team.url, team.key)
    refused = victim.runs("cache", "confirm")
    assert (refused.code, team.url in refused.err, team.key in refused.err) == (2, True, True)
    pulled = victim.runs("pull")
    assert (pulled.code, pulled.out, "`patina cache confirm`" in pulled.err) == (2, "", True)
    assert victim.runs("cache", "confirm", "--yes").code == 0
    assert json.loads(victim.runs("pull", "--json").out)["left"] == []
    other = tmp_path / "elsewhere"
    shutil.copytree(team.store, other)
    for url, key in ((other.as_uri(), team.key), (team.url, f"ed25519:{'ab' * 32}")):
        propose(victim, url, key)
        done = victim.runs("pull")
        assert (done.code, "which you have not confirmed" in done.err) == (2, True), done


def test_a_repository_cannot_say_that_builds_are_offered(team: Team) -> None:
    victim = team.clone()
    (victim.home / "config.toml").unlink()
    (victim.root / ".patina" / "config.toml").write_text(
        f'[cache]\nurl = "{team.url}"\npush = true\nloopback_http = true\ntimeout_seconds = 600\n'
    )
    assert not victim.project.places.push
    assert victim.runs("cache", "confirm", "--yes").code == 0
    assert not victim.project.places.push
    assert json.loads(victim.runs("cache", "status", "--json").out)["accepted_keys"] == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/cache",
        "http://127.0.0.1:80/cache",
        "https://user:word@example.org/cache",
        "https://example.org/cache?token=1",
        "https:///cache",
        "https://example.org:99999/",
        "ftp://example.org/",
        "file://host/folder",
        "file:relative",
        "file:///",
        "file:///a/../b",
        "s3://",
        "s3://Bucket name/x",
        "s3://bucket@evil/x",
        "gs:///x",
        "/srv/cache",
        "https://example.org/\x1b[31m",
        "https://[bad/",
    ],
)
def test_an_address_that_is_none_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(PatinaError, match=r"\[cache\] url: expected") as caught:
        address_of(CacheSettings(url))
    assert "\x1b" not in str(caught.value)


def test_plain_http_is_for_this_machine_alone() -> None:
    assert address_of(CacheSettings("http://127.0.0.1:80/x", loopback_http=True)).host == "127.0.0.1:80"
    with pytest.raises(PatinaError):
        address_of(CacheSettings("http://127.0.0.1.example.org/x", loopback_http=True))


# The key


def test_a_key_that_others_can_read_is_refused_and_never_shown(tmp_path: Path) -> None:
    user = member(tmp_path, "user", 3)
    public = user.runs("cache", "key").out.strip()
    assert user.runs("cache", "key").out.strip() == public
    path = user.home / KEY_FILE
    secret = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    user.uses((tmp_path / "store").as_uri())
    for command in (("cache", "status"), ("cache", "status", "--json"), ("doctor", "--json"), ("push",)):
        done = user.runs(*command)
        assert secret not in done.out + done.err
    path.chmod(0o644)
    done = user.runs("cache", "key")
    assert (done.code, "chmod 600" in done.err, secret in done.err) == (2, True, False), done
    path.chmod(0o600)
    path.write_text("x" * 64)
    done = user.runs("cache", "key")
    assert (done.code, "x" * 64 in done.err) == (2, False), done


def test_a_content_is_looked_at_before_it_is_used(tmp_path: Path, team: Team) -> None:
    cache = TeamCache(FolderRemote(tmp_path / "other"), CacheSettings("file:///x", (team.key,)), Mothership(tmp_path))
    digest = sha256(b"right")
    with pytest.raises(CacheRefusedError, match="missing"):
        cache.content(digest, 5)
    for wrong in (b"wrong", b"righ"):
        cache.remote.write(blob_name(digest), wrong, replaces=True)
        with pytest.raises(CacheRefusedError, match="not those of its name"):
            cache.content(digest, 5)
    cache.remote.write(blob_name(digest), b"right and more", replaces=True)
    with pytest.raises(CacheRefusedError, match="more than the 5 bytes"):
        cache.content(digest, 5)
    cache.remote.write(blob_name(digest), b"right", replaces=True)
    assert cache.content(digest, 5) == b"right"
    assert record_name("stages", record_key("a")) != record_name("stages", record_key("a", ""))
    assert STAGES
