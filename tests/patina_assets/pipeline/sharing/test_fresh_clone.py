"""`git clone`, `patina pull`, a question: also where the eventlogs grew otherwise, or HEAD is newer."""

import json
import subprocess
from pathlib import Path

import pytest
from installations import give_key
from materialize_helpers import GitFolder
from team import SMALL_RECIPE, STAGES, Member, built_by, signing_key

from patina_assets.pipeline.sharing import stage_cache
from patina_resources.eventlog import reader

pytest.importorskip("nacl", reason="PyNaCl is part of patina-assets[cache]")
TWO = (("one", "55"), ("several", "66"))
PARTS = ("reader", "writer", "parser", "ledger", "router", "signer", "packer", "loader")


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Member, str, GitFolder]:
    """Return who builds after each commit, the public key, and the repository; two pushes were made."""
    folder = tmp_path_factory.mktemp("builder")
    repository = GitFolder(folder / "repository")
    user = Member(repository.path, give_key(folder / "home", "33" * 32))
    repository.write(".gitignore", ".patina/data/\n")
    repository.write(".patina/oxidize.yaml", SMALL_RECIPE)
    repository.git("add", "-f", ".patina/oxidize.yaml")
    key = signing_key(user)
    user.uses((folder / "store").as_uri())
    for number in range(40):
        part = PARTS[number % len(PARTS)]
        repository.write(f"src/{part}.py", f"def {part}():\n    return {number}\n")
        for kind in ("tests/test_{}.py", "docs/{}.md", "examples/{}.txt"):
            repository.write(kind.format(part), f"{part} {number}\n")
        repository.commit(f"Let the {part} count to {number}")
    _build_and_push(user)
    repository.write("src/reader.py", "def reader():\n    return 'a new answer'\n")
    repository.commit("Give the reader a new answer")
    _build_and_push(user)
    return user, key, repository


def _build_and_push(user: Member) -> None:
    assert user.runs("materialize").code == 0
    with pytest.MonkeyPatch.context() as environment:
        built_by(user, environment)
    pushed = user.runs("push")
    assert (pushed.code, pushed.err) == (0, ""), pushed
    stage_cache._opened.cache_clear()


def clone(builder: tuple[Member, str, GitFolder], folder: Path) -> Member:
    user, key, repository = builder
    subprocess.run(["git", "clone", "-q", repository.path, folder / "clone"], check=True)
    new = Member(folder / "clone", give_key(folder / "home", "44" * 32))
    new.uses((user.home.parent / "store").as_uri(), key)
    return new


def test_a_fresh_clone_answers_and_trains_nothing(
    builder: tuple[Member, str, GitFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = clone(builder, tmp_path)
    monkeypatch.setattr("patina_assets.pipeline.stages.weights.build_weights", None)
    pulled = new.runs("pull", "--json")
    assert pulled.code == 0, pulled
    document = json.loads(pulled.out)
    assert len(document["fetched"]) == 8
    answer = new.runs("scry", "which commit gave the reader a new answer", "-k", "1")
    assert (answer.code, "Give the reader a new answer" in answer.out) == (0, True), answer
    assert document["left"] == []  # though the builder read the repository in two steps, and this clone in one
    assert built_by(new, monkeypatch) == []
    assert "nothing is stale" in new.runs("oxidize").out


def test_a_clone_that_read_the_repository_in_many_steps_computes_nothing(
    builder: tuple[Member, str, GitFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = clone(builder, tmp_path)
    repository = GitFolder(new.root)
    head = repository.head()
    monkeypatch.setattr(
        reader, "MOST_READ", 1
    )  # as in a large eventlog: what may have changed is not read at each look
    for step in ("HEAD~30", "HEAD~3", "HEAD~12", head):  # also back, as to another branch
        repository.git("checkout", "-q", step if step == head else f"{head}{step[4:]}")
        repository.write("src/reader.py", "def reader():\n    return 'not yet'\n")
        assert new.runs("materialize").code == 0
        repository.git("checkout", "-q", "--", "src/reader.py")
        assert new.runs("materialize").code == 0
        assert new.runs("oxidize", "--dry-run").code == 0
    pulled = new.runs("pull", "--json")
    assert pulled.code == 0, pulled
    document = json.loads(pulled.out)
    assert (len(document["fetched"]), document["of_commit"], document["left"]) == (8, None, [])
    assert built_by(new, monkeypatch) == []


def test_stages_are_found_by_fingerprint_after_other_steps(
    builder: tuple[Member, str, GitFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `pull`: the model is built here, as everybody builds it, and all else is found."""
    _, _, repository = builder
    one, several = (Member(tmp_path / name, give_key(tmp_path / f"{name}-home", two * 32)) for name, two in TWO)
    for member in (one, several):
        subprocess.run(["git", "clone", "-q", repository.path, member.root], check=True)
    signed = signing_key(one)
    one.uses((tmp_path / "store").as_uri())
    several.uses((tmp_path / "store").as_uri(), signed)
    _build_and_push(one)
    GitFolder(several.root).git("checkout", "-q", "HEAD~20")
    assert several.runs("materialize").code == 0
    GitFolder(several.root).git("checkout", "-q", "main")
    assert several.runs("materialize").code == 0
    lines = built_by(several, monkeypatch)
    taken = [line for line in lines if line.endswith("taken from the team's cache")]
    assert len(taken) == STAGES
    assert [line for line in lines if line not in taken and not line.startswith("model/")] == []


def test_pull_says_in_two_lines_what_came(builder: tuple[Member, str, GitFolder], tmp_path: Path) -> None:
    new = clone(builder, tmp_path)
    assert new.runs("materialize").code == 0
    pulled = new.runs("pull")
    assert (pulled.code, len(pulled.out.splitlines()), pulled.err) == (0, 2, ""), pulled
    assert "fetched 8 stages" in pulled.out


def test_a_clone_with_newer_commits_begins_with_the_nearest_build(
    builder: tuple[Member, str, GitFolder], tmp_path: Path
) -> None:
    new = clone(builder, tmp_path)
    pushed = GitFolder(new.root).git("rev-parse", "HEAD").decode().strip()
    for number in range(3):
        GitFolder(new.root).write("src/reader.py", f"def reader():\n    return {number} * 2\n")
        GitFolder(new.root).commit(f"Let the reader double {number}")
    document = json.loads(new.runs("pull", "--json").out)
    assert (document["of_commit"], len(document["fetched"])) == (pushed, 8)
    assert document["left"] == ["base/items", "base/embeddings", "base/index"]
    assert json.loads(new.runs("pull", "--json").out)["fetched"] == []  # what is built is not replaced by what is older
