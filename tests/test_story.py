"""From a git repository to search through the commands alone, and what a later change of the repository makes stale."""

import itertools
from pathlib import Path

import pytest
from materialize_helpers import GitFolder
from small_project import patina

RECIPE = """version: 2
projections:
  semantic:
    layers: [16, 8]
    training: {source: sessions.observations, pair_type: same_session, epochs: 1, pairs: 200}
  temporal:
    layers: [16, 8]
    training: {source: git.co_changes, pair_type: co_changed, epochs: 1, pairs: 200}
  dependency:
    layers: [16, 8]
    training: {source: code.call_graph, pair_type: caller_callee, epochs: 1, pairs: 200}
"""
TOPICS = ("cache", "parser", "search", "report", "index", "export")
NOTE = """# Session: {topic} work
**Started**: 2024-01-0{day}T03:04:05Z

**Key Decisions:**
- the {topic} keeps its {one} apart from every {two}
- each {topic} answers with {one} and never with {two}
- a broken {topic} is rebuilt from its {one} at once
"""


def module(topic: str, neighbour: str) -> str:
    """Return source code whose functions call each other and one of another module."""
    names = [f"{verb}_{topic}" for verb in ("open", "read", "check", "write", "close")]
    bodies = [f"def {name}(value):\n    return {following}(value)\n" for name, following in itertools.pairwise(names)]
    return "\n\n".join([*bodies, f"def {names[-1]}(value):\n    return open_{neighbour}(value)\n"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    """Return a repository with a short history, materialized and built, and stand in it."""
    made = GitFolder(tmp_path / "project")
    for turn in range(3):
        for topic, neighbour in zip(TOPICS, TOPICS[1:] + TOPICS[:1], strict=True):
            made.write(f"src/{topic}.py", module(topic, neighbour) + f"\n\nTURN = {turn}\n")
            made.write(f"tests/test_{topic}.py", f"# turn {turn}\n")
            made.write(f"docs/{topic}.md", f"turn {turn}\n")
            made.commit(f"feat({topic}): turn {turn}")
    words = itertools.permutations(("keys", "rows", "words", "lines"), 2)
    for day, topic in enumerate(TOPICS + TOPICS[:2], 1):
        one, two = next(words)
        made.write(f"layer/sessions/2024010{day}-000000.md", NOTE.format(topic=topic, day=day, one=one, two=two))
    made.commit("docs: sessions")
    monkeypatch.chdir(made.path)
    assert patina("init").code == 0
    Path(".patina/oxidize.yaml").write_text(RECIPE)
    made.commit("chore: patina")
    update()
    return made


def update() -> None:
    """Materialize and build."""
    materialized = patina("materialize", "--oxidize")
    assert materialized.code == 0, materialized.err


def affected() -> set[str]:
    """Return the projections that materializing makes stale, without building them."""
    assert patina("materialize").code == 0
    lines = [line.split() for line in patina("oxidize", "--dry-run").out.splitlines()]
    return {name.split("/")[0] for name, status, *_ in lines if status != "fresh"} - {"base", "oxidize_lock"}


def test_each_change_of_the_repository_concerns_its_projections_only(folder: GitFolder) -> None:
    assert affected() == set()

    folder.write("src/cache.py", (folder.path / "src/cache.py").read_text() + "# one\n")
    folder.write("docs/parser.md", "other words\n")
    folder.commit("fix: a comment and a page")
    assert affected() == {"temporal"}
    update()

    folder.write("layer/sessions/20240109-000000.md", NOTE.format(topic="index", day=9, one="nodes", two="edges"))
    folder.commit("docs: a note")
    assert affected() == {"semantic"}
    update()

    source = (folder.path / "src/cache.py").read_text()
    folder.write("src/cache.py", source.replace("return read_cache(value)", "return open_parser(value)"))
    folder.commit("fix: another call")
    assert affected() == {"dependency"}
    update()

    (folder.path / "src/report.py").unlink()
    folder.commit("refactor: no reports")
    assert affected() == {"dependency"}
    update()

    folder.commit("refactor: no reports any more", "--amend")
    assert affected() == set()

    found = patina("scry", "open the cache", "-k", "3")
    assert found.code == 0
    assert "src/report.py" not in found.out
