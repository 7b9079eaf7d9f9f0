"""fleet.toml: what it may say, and one sentence with file, line and key for what it may not."""

import json
from pathlib import Path

import pytest

from patina_resources.errors import PatinaError
from patina_resources.fleet.address import checked_address, host_of, last_part
from patina_resources.fleet.model import Fleet, settings_key
from patina_resources.fleet.reader import fleet_file, read_fleet
from patina_resources.postgres.address import checked_groups
from patina_resources.store.mothership import mothership


def read(folder: Path, text: str) -> Fleet:
    """Return the fleet that a text describes."""
    (folder / "fleet.toml").write_text(text)
    return read_fleet(folder / "fleet.toml", mothership())


def bare(folder: Path) -> Path:
    """Return a folder that looks like a bare repository."""
    (folder / "objects").mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    return folder


def test_repositories_with_defaults_and_overrides(tmp_path: Path) -> None:
    fleet = read(
        tmp_path,
        """
[fleet]
folder = "kept"
workers = 3

[defaults]
model = "english-static"
groups = ["everyone"]

[[repositories]]
url = "https://git.example/team/billing.git"

[[repositories]]
url = "git@git.example:team/web.git"
name = "shop/web"
model = "corpus-static"
recipe = "recipes/web.yaml"
groups = ["shop", "web"]
priority = 5

[[repositories]]
path = "here/tools"
""",
    )
    assert (fleet.folder, fleet.workers, fleet.fetches) == (tmp_path / "kept", 3, 8)
    assert list(fleet.by_name) == ["billing", "shop/web", "tools"]
    billing, web, tools = fleet.projects
    assert (billing.address, billing.model, billing.groups, billing.recipe, billing.priority) == (
        "https://git.example/team/billing.git", "english-static", ("everyone",), None, 0,
    )  # fmt: skip
    assert (web.model, web.groups, web.priority) == ("corpus-static", ("shop", "web"), 5)
    assert web.recipe == tmp_path / "recipes" / "web.yaml"
    assert web.root == tmp_path / "kept" / "projects" / "shop+web"
    assert tools.address == str(tmp_path / "here" / "tools")


def test_a_repository_borrows_only_where_the_file_says_so(tmp_path: Path) -> None:
    bare(tmp_path / "git" / "pool.git")
    text = '[[repositories]]\npath = "/a"\n[[repositories]]\npath = "/b"\nborrows = {}\n'
    text += '[[folders]]\npath = "git"\nborrows = true\n'
    fleet = read(tmp_path, text.format("true"))
    assert {name: project.borrows for name, project in fleet.by_name.items()} == {"a": False, "b": True, "pool": True}
    assert read(tmp_path, text.format("false") + "[defaults]\nborrows = true\n").project("b").borrows is False
    with pytest.raises(PatinaError, match="borrows: expected true or false"):
        read(tmp_path, text.format('"yes"'))


def test_groups_have_the_names_that_a_question_may_have(tmp_path: Path) -> None:
    groups = ("Domain Users", "team+a@corp.example", "/dev/team:a")
    fleet = read(tmp_path, f'[[repositories]]\npath = "/a"\ngroups = {json.dumps(groups)}\n')
    assert fleet.projects[0].groups == checked_groups(groups, "") == groups


def test_a_folder_and_lists_of_code_hosts(tmp_path: Path) -> None:
    bare(tmp_path / "git" / "one.git")
    bare(tmp_path / "git" / "two" / ".git")
    (tmp_path / "git" / "no-repository").mkdir()
    github = [{"full_name": "o/a", "clone_url": "https://h.example/o/a.git", "ssh_url": "git@h.example:o/a.git"}]
    gitlab = [{"path_with_namespace": "g/sub group/b", "ssh_url_to_repo": "ssh://git@h.example/g/b.git"}]
    (tmp_path / "github.json").write_text(json.dumps(github) + "\n" + json.dumps([{**github[0], "full_name": "x/c"}]))
    (tmp_path / "gitlab.json").write_text(json.dumps(gitlab))
    (tmp_path / "plain.txt").write_text("# ours\n\nhttps://h.example/p/d.git\n")
    fleet = read(
        tmp_path,
        """
[[folders]]
path = "git"
[[lists]]
file = "github.json"
match = ["o/*"]
groups = ["o"]
[[lists]]
file = "gitlab.json"
transport = "ssh"
[[lists]]
file = "plain.txt"
""",
    )
    assert {project.name: project.address for project in fleet.projects} == {
        "one": f"{tmp_path}/git/one.git",
        "two": f"{tmp_path}/git/two",
        "o/a": "https://h.example/o/a.git",
        "g/sub-group/b": "ssh://git@h.example/g/b.git",
        "d": "https://h.example/p/d.git",
    }
    assert fleet.project("o/a").groups == ("o",)
    with pytest.raises(PatinaError, match=r"no repository 'tow' \(did you mean 'two'\?\)"):
        fleet.project("tow")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[fleet]\nworker = 2\n", "2: [fleet] unknown key 'worker' (did you mean 'workers'?)"),
        ("[fleet]\nworkers = 0\n", "2: [fleet] workers: expected a whole number >= 1 and <= 256, got 0"),
        ("[[repository]]\n", "1: unknown section [repository] (did you mean 'repositories'?)"),
        ("[[repositories]]\n", "1: [repositories] expected either url or path"),
        (
            '[[repositories]]\nurl = "https://h/a"\n\n[[repositories]]\nurl = "https://h/b"\npriority = "high"\n',
            "6: [repositories] priority: expected a whole number from -100 to 100, got 'high'",
        ),
        (
            '[[repositories]]\nurl = "https://h/x/a"\n\n[[repositories]]\nurl = "https://h/y/A"\n',
            "4: [repositories] 'A' is the name of the one of line 1, too: add name",
        ),
        ('[[repositories]]\npath = "/a"\nname = "../a"\n', "3: [repositories] name: expected a name of letters"),
        ('[[repositories]]\npath = "/a"\nname = "a//b"\n', "3: [repositories] name: expected a name of letters"),
        ('[[repositories]]\npath = "/a"\ngroups = ["a,b"]\n', "3: [repositories] groups: expected names of groups"),
        ('[[repositories]]\npath = "/a"\ngroups = ["_a"]\n', "3: [repositories] groups: expected names of groups"),
        (
            '[[repositories]]\nurl = "https://me:hunter2@h/a"\n',
            "2: [repositories.url] holds a name or a password for the host: leave it out",
        ),
        ("[[lists]]\n", "1: [lists] missing key 'file'"),
        ("[[lists]]\nfile = 'gone.json'\n", "gone.json: no such file"),
        ('[fleet]\nfolder = "fleet.toml"\n', "2: [fleet.folder] what has this name is a file: expected a folder"),
    ],
)
def test_a_fault_is_one_sentence_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(PatinaError) as raised:
        read(tmp_path, text)
    assert expected in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "ext::sh -c true", "fd::17", "git://h/a", "http://h.example/a", "ftp://h/a", "ssh://-oProxyCommand=x/a",
        "-oProxyCommand=x:a", "user@-host:a", "host:-path", "https://token@h/a", "ssh://u:p@h/a", "relative/path",
        "https://", "https://h", "https:///a", "a\nb", "", "file://elsewhere/a", "https://h:port/a", "x" * 501,
    ],
)  # fmt: skip
def test_what_is_no_address_to_fetch_from(address: str) -> None:
    with pytest.raises(PatinaError):
        checked_address(address)


def test_addresses(tmp_path: Path) -> None:
    for address in ("https://h/a.git", "ssh://git@h:22/a", "git@h.example:team/a.git", "http://127.0.0.1:8000/a"):
        assert checked_address(address) == address
    assert checked_address(f"file://{tmp_path}/a") == f"{tmp_path}/a"
    hosts = [host_of(address) for address in ("https://H:8/a", "git@h.example:t/a.git", "ssh://git@h:22/a", "/srv/a")]
    assert hosts == ["h", "h.example", "h", "localhost"]
    names = ["https://h/t/a.git/", "git@h:b.git", "/srv/c/.git", "/srv/d e"]
    assert [last_part(name) for name in names] == ["a", "b", "c", "d-e"]


def test_which_file_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.toml").write_text("")
    assert fleet_file(None, mothership()) == mothership().own / "fleet.toml"
    monkeypatch.setenv("PATINA_FLEET", str(tmp_path / "fleet.toml"))
    assert fleet_file(None, mothership()) == tmp_path / "fleet.toml"
    assert fleet_file(Path("other.toml"), mothership()) == tmp_path / "other.toml"
    with pytest.raises(PatinaError, match="no such file: run `patina fleet init`"):
        read_fleet(tmp_path / "gone.toml", mothership())


def test_another_recipe_model_version_or_group_is_another_build(tmp_path: Path) -> None:
    text = '[[repositories]]\npath = "/a"\nrecipe = "r.yaml"\n'
    (tmp_path / "r.yaml").write_text("version: 2\n")
    project = read(tmp_path, text).projects[0]
    keys = [settings_key(project, "1"), settings_key(project, "2")]
    (tmp_path / "r.yaml").write_text("version: 3\n")
    keys += [settings_key(project, "1"), settings_key(read(tmp_path, f'{text}model = "m"\n').projects[0], "1")]
    keys += [
        settings_key(read(tmp_path, f"{text}groups = {groups}\n").projects[0], "1") for groups in ('["a"]', '["b"]')
    ]
    assert len(set(keys)) == 6
    (tmp_path / "r.yaml").unlink()
    with pytest.raises(PatinaError, match=r"r\.yaml: cannot be read"):
        settings_key(project, "1")
