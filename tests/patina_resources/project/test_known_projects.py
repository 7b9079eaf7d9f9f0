import multiprocessing
import os
from pathlib import Path

import pytest
from refusals import refusal

from patina_resources.project.known_projects import known_projects, register_project
from patina_resources.store.mothership import Mothership


@pytest.fixture
def home(tmp_path: Path) -> Mothership:
    return Mothership(tmp_path / "mothership")


def project(root: Path) -> Path:
    (root / ".patina").mkdir(parents=True)
    return root


def test_projects_are_remembered_once_and_in_order(home: Mothership, tmp_path: Path) -> None:
    assert known_projects(home) == []
    second, first = project(tmp_path / "b"), project(tmp_path / "a é")
    for root in (second, first, second):
        register_project(home, root)
    assert known_projects(home) == [first, second]
    assert home.projects.read_text() == f"{first}\n{second}\n"


def test_a_project_that_is_gone_is_not_listed_and_then_forgotten(home: Mothership, tmp_path: Path) -> None:
    gone, here = project(tmp_path / "gone"), project(tmp_path / "here")
    register_project(home, gone)
    (gone / ".patina").rmdir()
    assert known_projects(home) == []
    register_project(home, here)
    assert home.projects.read_text() == f"{here}\n"


def test_a_path_that_is_not_unicode_is_kept(home: Mothership, tmp_path: Path) -> None:
    root = project(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    register_project(home, root)
    assert known_projects(home) == [root]


def test_a_path_with_a_line_break_is_refused(home: Mothership, tmp_path: Path) -> None:
    assert "line break" in refusal(lambda: register_project(home, tmp_path / "a\nb"))


@pytest.mark.parametrize("data", [b"", b"relative\n../x\n", b"\x00\n\xff\n", b"/nonexistent\n" * 3])
def test_a_damaged_list_is_harmless(home: Mothership, tmp_path: Path, data: bytes) -> None:
    home.home.mkdir()
    home.projects.write_bytes(data)
    assert known_projects(home) == []
    root = project(tmp_path / "a")
    register_project(home, root)
    assert known_projects(home) == [root]


def _register(home: Mothership, roots: list[Path]) -> None:
    for root in roots:
        register_project(home, root)


def test_parallel_writers_lose_nothing(home: Mothership, tmp_path: Path) -> None:
    roots = [project(tmp_path / f"p{number:02}") for number in range(20)]
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_register, args=(home, roots[part::4])) for part in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert known_projects(home) == roots
