"""A team: somebody who builds and signs, a store in a folder, and clones of users with keys of their own."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import pytest
from installations import give_key
from small_project import Ran, all_stages, build, make_project, patina, small_recipe, workspace_of

from patina_assets.pipeline.progress import Progress
from patina_assets.pipeline.runner import run_model, run_stage
from patina_assets.pipeline.sharing import stage_cache
from patina_resources.cache.signing import make_signing_key
from patina_resources.project.project import Project, find_project
from patina_resources.store.mothership import Mothership


@dataclass(frozen=True)
class Member:
    """One user with one clone.

    Attributes:
        root: The clone.
        home: The user's mothership.
    """

    root: Path
    home: Path

    @property
    def project(self) -> Project:
        """The project, as it is found now."""
        return find_project(self.root)

    @property
    def data(self) -> Path:
        """What is derived."""
        return self.root / ".patina" / "data"

    def settle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be this user from now on."""
        monkeypatch.setenv("PATINA_HOME", str(self.home))
        monkeypatch.setenv("PATINA_PROJECT", str(self.root))

    def runs(self, *arguments: str) -> Ran:
        """Run a command as this user."""
        with pytest.MonkeyPatch.context() as environment:
            self.settle(environment)
            return patina(*arguments)

    def uses(self, url: str, *keys: str, more: str = "", push: bool = False) -> None:
        """Write the user's settings."""
        listed = ", ".join(f'"{key}"' for key in keys)
        pushes = f'[projects."{self.root}"]\npush = true\n' if push else ""
        text = f'[cache]\nurl = "{url}"\nkeys = [{listed}]\n{more}{pushes}'
        (self.home / "config.toml").write_text(text)


# One projection beside `base`: seven stages.
SMALL_RECIPE = small_recipe("temporal")
STAGES = 7


def member(folder: Path, name: str, number: int, events: Path | None = None) -> Member:
    """Return a user with an installation key of their own, and a clone with the synthetic history or these events."""
    home, root = give_key(folder / f"{name}-home", f"{number:02x}" * 32), folder / name
    if events is None:
        make_project(root, SMALL_RECIPE)
    else:
        (root / ".patina" / "data").mkdir(parents=True)
        shutil.copy(events.parent.parent / "oxidize.yaml", root / ".patina" / "oxidize.yaml")
        shutil.copy(events, root / ".patina" / "data" / "patina.db")
    return Member(root, home)


def signing_key(user: Member) -> str:
    """Make a user's signing key and return its public part."""
    return make_signing_key(Mothership(user.home))


def artifacts(user: Member) -> dict[str, bytes]:
    """Return the contents of a project's artifacts by path; manifests carry the key of the installation."""
    kinds = (".jsonl", ".safetensors", ".onnx", ".usearch", ".db")
    found = (path for path in sorted((user.data / "embeddings").rglob("*")) if path.suffix in kinds)
    return {str(path.relative_to(user.data)): path.read_bytes() for path in found if path.name != "cache.db"}


class Team:
    """A builder whose project is built and pushed to a store, and clones of it."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder, self._count = folder, 1
        self.store = folder / "store"
        self.url = url or self.store.as_uri()
        self.builder = member(folder, "builder", 1)
        self.key = signing_key(self.builder)
        self.builder.uses(self.url)
        with pytest.MonkeyPatch.context() as environment:
            self.builder.settle(environment)
            build(self.builder.project)
        pushed = self.builder.runs("push", "--json")
        assert pushed.code == 0, pushed
        self.pushed = json.loads(pushed.out)

    def clone(self, **settings: object) -> Member:
        """Return another user with the same events, who accepts the builder's key."""
        self._count += 1
        new = member(self.folder, f"clone{self._count}", self._count, self.builder.data / "patina.db")
        new.uses(self.url, self.key, **settings)
        return new

    def with_own_store(self, folder: Path) -> "Team":
        """Return the team with a copy of its store, to be changed."""
        copied = copy(self)
        copied.folder, copied.store = folder, folder / "store"
        copied.url = copied.store.as_uri()
        shutil.copytree(self.store, copied.store)
        return copied


def built_by(user: Member, monkeypatch: pytest.MonkeyPatch, only: str = "") -> list[str]:
    """Build everything as a user, or what is called so, and return the lines of progress."""
    user.settle(monkeypatch)
    said: list[Progress] = []
    workspace = workspace_of(user.project)
    run_model(workspace, said.append)
    for name, stage in all_stages(workspace):
        if only in f"{name}/{stage}":
            run_stage(workspace, name, stage, said.append)
    return [f"{line.stage}: {line.note}" for line in said if line.note]


@contextmanager
def new_process() -> Iterator[None]:
    """Forget the caches that were opened, as a new process does, and again at the end."""
    stage_cache._opened.cache_clear()
    stage_cache._TOLD.clear()
    yield
    stage_cache._opened.cache_clear()
