"""A repository whose history, notes and code give every projection something to learn, built through the commands."""

import itertools
from pathlib import Path

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


def make_story(path: Path) -> GitFolder:
    """Return a repository with a short history, initialised; run it from within."""
    made = GitFolder(path)
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
    assert patina("init", str(path), "--no-build", "--model", "corpus-static").code == 0
    (path / ".patina/oxidize.yaml").write_text(RECIPE)
    made.commit("chore: patina")
    return made


def update() -> None:
    """Materialize and build the project of the working folder."""
    materialized = patina("materialize", "--oxidize")
    assert materialized.code == 0, materialized.err
