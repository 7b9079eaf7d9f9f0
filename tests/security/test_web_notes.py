"""Notes that are written over HTTP: off unless the user says so, by nobody else, and nowhere else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from doors import served_pages
from materialize_helpers import GitFolder, live
from small_project import patina

from patina_assets.serving.checks import Site
from patina_assets.serving.doors import doors_of
from patina_resources.project.project import find_project

NOTE = "/patina/api/v1/note"
JSON = {"Content-Type": "application/json"}
HOSTILE = "<script>hurt()</script> `../../etc`"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    monkeypatch.setenv("PATINA_HOME", str(tmp_path / "home"))
    made = GitFolder(tmp_path / "repository")
    made.write("src/queue.py", "def queue():\n    return 1\n")
    made.write(".patina/config.toml", "")
    made.commit("Begin")
    return made


@pytest.fixture
def site(repository: GitFolder, tmp_path: Path) -> Iterator[Site]:
    """Serve the project of a user who has switched notes on."""
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "config.toml").write_text("[notes]\nfrom_page = true\n")
    with served_pages(find_project(repository.path)) as found:
        yield found


def notes_in(repository: GitFolder) -> list[str]:
    return sorted(path.read_text() for path in (repository.path / "layer").rglob("*.md"))


def posted(site: Site, headers: dict[str, str], content: Any, target: str = NOTE) -> httpx2.Response:
    with httpx2.Client(base_url=site.url) as http:
        return http.post(target, headers=headers, content=content)


def test_its_user_writes_a_note_that_is_read(
    site: Site, repository: GitFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {**JSON, "Origin": site.url, "Cookie": f"{site.cookie}={site.token}"}
    asked = {"text": f"One queue per tenant {HOSTILE}", "kind": "decision", "about": ["src/queue.py"]}
    answer = posted(site, own, json.dumps(asked))
    assert answer.status_code == 200, answer.text
    (text,) = notes_in(repository)
    assert (repository.path / answer.json()["file"]).read_text() == text
    monkeypatch.chdir(repository.path)
    assert patina("materialize").code == 0
    (note,) = live(repository.eventlog, "session.decision")
    assert note["data"]["content"].startswith("One queue per tenant")


def test_nobody_else_writes_one(site: Site, repository: GitFolder) -> None:
    content = json.dumps({"text": "mine"})
    cookie, bearer = {"Cookie": f"{site.cookie}={site.token}"}, {"Authorization": f"Bearer {site.token}"}
    own = {"Origin": site.url}
    for headers, status in (
        ({**JSON, **own}, 401),
        ({**JSON, **own, "Authorization": "Bearer guess"}, 401),
        ({**JSON, **own, "Cookie": f"{site.cookie}=guess"}, 401),
        ({**JSON, **cookie}, 403),  # no origin
        ({**JSON, **cookie, "Origin": "http://evil.example"}, 403),
        ({**JSON, **cookie, "Origin": "null"}, 403),
        ({**JSON, **bearer, **own, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({**JSON, **bearer, "Host": "evil.example"}, 421),
        ({**cookie, **own, "Content-Type": "text/plain"}, 415),
        ({**cookie, **own, "Content-Type": "text/plain;application/json"}, 415),
        ({**cookie, **own, "Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({**cookie, **own}, 415),
    ):
        answer = posted(site, headers, content)
        assert answer.status_code == status, headers
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert site.token not in answer.text
    assert posted(site, {**JSON, **own}, content, f"{NOTE}?token={site.token}").status_code == 401
    with httpx2.Client(base_url=site.url, headers=bearer) as http:
        assert http.get(NOTE, params={"text": "mine"}).status_code == 404
    assert notes_in(repository) == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "text"),
        ({"text": "  "}, "empty"),
        ({"text": 1}, "text"),
        ({"text": "x" * 70_000}, "characters"),
        ({"text": "x", "kind": "order"}, "decision"),
        ({"text": "x", "about": ["../../etc/passwd"]}, "no such file"),
        ({"text": "x", "about": ["/etc/passwd"]}, "no such file"),
        ({"text": "x", "about": ["src/queue.py"] * 21}, "at most 20"),
        ({"text": "x", "file": "/tmp/x.md"}, "file"),
        ({"text": "x", "project": "other"}, "project"),
        ([], "text"),
        ("{", "JSON"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_what_is_no_note_is_refused_in_one_sentence(
    site: Site, repository: GitFolder, asked: object, words: str
) -> None:
    content = asked if isinstance(asked, str) else json.dumps(asked)
    answer = posted(site, {**JSON, "Authorization": f"Bearer {site.token}"}, content)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert words in answer.json()["detail"]
    assert answer.json()["error"] == answer.json()["detail"]
    assert notes_in(repository) == []


def test_a_note_leaves_the_project_by_no_link(site: Site, repository: GitFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (repository.path / "layer").symlink_to(tmp_path / "elsewhere")
    answer = posted(site, {**JSON, "Authorization": f"Bearer {site.token}"}, json.dumps({"text": "x"}))
    assert answer.status_code == 400
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_repository_cannot_switch_it_on(repository: GitFolder) -> None:
    with served_pages(find_project(repository.path)) as off:
        own = {**JSON, "Authorization": f"Bearer {off.token}"}
        answer = posted(off, own, json.dumps({"text": "x"}))
        assert (answer.status_code, "from_page = true" in answer.json()["detail"]) == (403, True)
    assert notes_in(repository) == []
    repository.write(".patina/config.toml", "[notes]\nfrom_page = true\n")
    assert doors_of([find_project(repository.path)]).takes_notes is False
