"""A repository does not choose who is told of failures; who is told does not learn where files of this machine lie."""

from pathlib import Path

import pytest
from refusals import refusal
from small_project import make_project
from webhook import choose_webhook, running_webhook

from patina_assets.orchestration.automation.decisions import definitions_digest
from patina_assets.orchestration.automation.failures import unused_webhook, without_places
from patina_assets.orchestration.automation.http_post import post_json
from patina_resources.project.project import Project, find_project
from patina_resources.store.mothership import mothership

COMMITTED = '[automation]\nwebhook = "http://169.254.169.254/latest/secret?x"\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a clone whose author would like to be told."""
    made = make_project(tmp_path / "repository")
    made.config_file.write_text(COMMITTED)
    return find_project(made.root)


def test_an_address_in_the_repository_is_named_with_what_to_write_and_is_not_used(project: Project) -> None:
    assert project.places.webhook is None
    sentence = unused_webhook(project)
    assert sentence == (
        f"{project.config_file}: [automation] webhook: http://169.254.169.254 is not used: a repository does not "
        f'choose who is told of failed runs: to allow it, write `[projects."{project.root}"]` and `webhook = "URL"` '
        f"into {mothership().settings}"
    )


def test_the_user_allows_it_for_one_project_or_for_all(project: Project, tmp_path: Path) -> None:
    other = make_project(tmp_path / "other")
    before = definitions_digest(project.root, mothership())
    choose_webhook("https://example.org/one", project.root)
    assert definitions_digest(project.root, mothership()) != before  # a web UI that runs takes it up
    assert find_project(project.root).places.webhook == "https://example.org/one"
    assert find_project(other.root).places.webhook is None
    assert unused_webhook(find_project(project.root)) == ""
    with mothership().settings.open("a") as settings:
        settings.write('[automation]\nwebhook = "https://example.org/all"\n')
    assert find_project(project.root).places.webhook == "https://example.org/one"
    assert find_project(other.root).places.webhook == "https://example.org/all"
    mothership().settings.write_text('[automation]\nwebhook = "file:///etc/passwd"\n')
    assert refusal(lambda: find_project(project.root)) == (
        f"{mothership().settings}:2: [automation] webhook: expected a URL that starts with https:// or http://, "
        "got something else"
    )


@pytest.mark.parametrize("path", ["", "/", "/a?b"])
def test_a_redirection_is_not_followed(path: str) -> None:
    with running_webhook() as victim:
        target = victim.url.removesuffix("/secret-part") + path
        with running_webhook(redirection=target) as hook:
            sentence = refusal(lambda: post_json(hook.url, {"text": "x"}, 5))
    assert (hook.received, victim.received) == ([{"text": "x"}], [])
    assert sentence.endswith("does not answer (HTTP 307)")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{root}/src/a.py: cannot be read", "src/a.py: cannot be read"),
        ("no .patina in {root}", "no .patina in ."),
        ("`{root}`, {root}: x", "`.`, .: x"),
        ("{root}-2/a.py", ".../a.py"),
        ("/mnt{root}/a.py", ".../a.py"),
        ("{home}/.cache/x and {home}", ".../x and ~"),
        ("'/opt/data/file.db', (/srv/x/y) file:///srv/x/z", "'.../file.db', (.../y) .../z"),
        ("git.commits: src/a.py and ../b/c.py, 1/2, and/or", "git.commits: src/a.py and ../b/c.py, 1/2, and/or"),
        ("https://example.org/a/b: HTTP 404", "https://example.org/a/b: HTTP 404"),
    ],
)
def test_places_of_this_machine_are_not_told(
    tmp_path: Path, text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, root = Path("/home/alice"), tmp_path / "work" / "repository"
    root.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(root)
    monkeypatch.setenv("HOME", str(home))
    for named, shown in ((root, root), (link, link), (link, root)):
        assert without_places(text.format(root=shown, home=home), named) == told


def test_a_project_at_the_root_of_the_machine_is_no_trouble() -> None:
    assert without_places("/src/a.py of /", Path("/")) == ".../a.py of /"
