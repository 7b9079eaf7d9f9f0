"""Links to an editor: only to files of the project, and nothing in a name becomes a part of the link."""

from pathlib import Path

import pytest
from refusals import refusal

from patina_assets.serving.answers.editor import EditorLinks
from patina_resources.project.user_settings import EDITORS, editor_link


def test_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a b&line=9%.py").write_text("")
    links = EditorLinks(tmp_path, EDITORS["idea"])
    assert links.link("a b&line=9%.py", 3) == f"idea://open?file={tmp_path}/a%20b%26line%3D9%25.py&line=3"
    assert EditorLinks(tmp_path, EDITORS["vscode"]).added([{"file": "a b&line=9%.py"}, {"x": 1}, "y"]) == [
        {"file": "a b&line=9%.py", "editor": f"vscode://file{tmp_path}/a%20b%26line%3D9%25.py:1"},
        {"x": 1},
        "y",
    ]


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "link", "nothing", "a\0b", "x" * 5000, "", "."])
def test_what_is_no_file_of_the_project_has_no_link(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("")
    root = tmp_path / "project"
    root.mkdir()
    (root / ".git").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    assert EditorLinks(root, EDITORS["vscode"]).link(name, 1) is None


def test_the_user_chooses_the_editor(tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    assert editor_link(settings) == EDITORS["vscode"]
    settings.write_text('[editor]\nlink = "zed"\n')
    assert editor_link(settings) == EDITORS["zed"]
    settings.write_text('[editor]\nlink = "myide://open?f={path}&l={line}"\n')
    assert editor_link(settings) == "myide://open?f={path}&l={line}"


@pytest.mark.parametrize(
    "link",
    ["javascript:alert('{path}')", "JavaScript:{path}", "data:text/html,{path}", "https://x/{path}", "emacs", "x:"],
)
def test_a_link_that_a_browser_runs_is_refused(tmp_path: Path, link: str) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text(f'[editor]\nlink = "{link}"\n')
    assert "expected one of vscode" in refusal(lambda: editor_link(settings))
