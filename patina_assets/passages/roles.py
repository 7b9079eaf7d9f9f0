"""What part a file plays in a repository, told by its path alone, and how much a commit says and does."""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from pathlib import PurePosixPath

from patina_resources.materialize.code.plain_text import is_plain_text


class Role(StrEnum):
    """What a file is there for; for a commit, whether it says little, or is of no source."""

    SOURCE = "source"
    TEST = "test"
    INNER_TEST = "inner test"
    EXAMPLE = "example"
    CHANGELOG = "changelog"
    VENDORED = "vendored"
    GENERATED = "generated"
    DOCUMENT = "document"
    TRANSLATED = "translated"
    BINARY = "binary"
    TEXT = "text"
    BRIEF = "brief"
    ASIDE = "aside"
    BRIEF_ASIDE = "brief aside"


_TEST_FOLDERS = frozenset({"test", "tests", "testing", "testdata", "__tests__", "spec", "specs", "fixtures", "e2e",
                           "__mocks__", "mocks", "testutil", "testutils"})  # fmt: skip
_EXAMPLE_FOLDERS = frozenset({"example", "examples", "sample", "samples", "demo", "demos", "bench", "benches",
                              "benchmark", "benchmarks", "_examples", "fuzz", "fuzzing", "playground"})  # fmt: skip
_VENDORED_FOLDERS = frozenset({"vendor", "third_party", "third-party", "thirdparty", "extern", "external", "deps",
                               "node_modules", "vendored", "single_include", "bundled"})  # fmt: skip
# Of a folder such as `integration-tests`, `__performance_tests__`, `Shop.Tests` or `androidTest`.
_TEST_FOLDER = re.compile(r"(?:(?:^|[-_.])(?i:test(?:s|ing)?)|(?<=[a-z0-9])Tests?)(?:$|[-_.])")
_TEST_NAME = re.compile(r"(?:^tests?[_.-]|[_.-](?:tests?|spec|specs)\.[^.]+$|^conftest\.py$|Tests?\.\w+$)")
# A module of tests in the file that it tests, as Rust has it.
_INNER_TEST = re.compile(r"(?:^|::)tests?::")
_CHANGELOG = re.compile(r"^(?:change[-_]?log|changes|history|news|releases?|release[-_]notes)\b", re.IGNORECASE)
_GENERATED = re.compile(
    r"(?:\.lock|-lock\.\w+|\.min\.\w+|_pb2(?:_grpc)?\.pyi?|\.pb\.\w+|[._]generated\.\w+|\.snap)$", re.IGNORECASE
)
# Pictures, fonts, archives and programs: of these, the name alone is known.
_BINARY = re.compile(
    r"\.(?:png|jpe?g|gif|svg|ico|webp|bmp|woff2?|ttf|otf|eot|pdf|zip|gz|xz|bz2|jar|exe|dll|so|mp[34]|wav|wasm|bin)$",
    re.IGNORECASE,
)
# A message of fewer characters says little of what was done, and why.
BRIEF_CHARACTERS = 200
_DOCUMENTS = frozenset({".md", ".mdx", ".rst", ".txt", ".adoc"})
# Languages that documents are translated into; a word such as `it` counts only where nothing else can be meant.
_LANGUAGE = r"(?:ar|cn|cs|da|de|el|es|fa|fi|fr|he|hi|hu|id|it|ja|jp|ko|kr|nl|no|pl|pt|ro|ru|sv|th|tr|uk|vi|zh)"
_REGION = r"[_-](?:[a-z]{2}|hans|hant|419)"
_TRANSLATED_NAME = re.compile(
    rf"^readme[._-]{_LANGUAGE}(?:{_REGION})?\.|\.{_LANGUAGE}(?:{_REGION})?\.\w+$|[_-](?:zh|pt|es){_REGION}\.\w+$",
    re.IGNORECASE,
)
_TRANSLATED_PATH = re.compile(
    rf"(?:^|/)(?:(?:docs?|documentation|i18n|langs?|languages?|locales?|readmes?|translations?)/{_LANGUAGE}|"
    rf"(?:zh|pt|es){_REGION})/",
    re.IGNORECASE,
)
# What a change of dependencies touches, beside lock files.
_MANIFESTS = frozenset({
    "build.gradle", "cargo.toml", "composer.json", "gemfile", "go.mod", "go.sum", "package.json", "pom.xml",
    "pyproject.toml", "requirements.txt", "setup.cfg",
})  # fmt: skip


# Commits touch the same files again and again.
@lru_cache(maxsize=65_536)
def role_of(path: str) -> Role:
    """Return what a file is there for."""
    place = PurePosixPath(path)
    folders = {part.lower() for part in place.parts[:-1]}
    if folders & _VENDORED_FOLDERS:
        return Role.VENDORED
    if _BINARY.search(place.name):
        return Role.BINARY
    if _GENERATED.search(place.name):
        return Role.GENERATED
    is_in_tests = folders & _TEST_FOLDERS or any(map(_TEST_FOLDER.search, place.parts[:-1]))
    if is_in_tests or _TEST_NAME.search(place.name):
        return Role.TEST
    if folders & _EXAMPLE_FOLDERS:
        return Role.EXAMPLE
    if _CHANGELOG.search(place.name) and place.suffix.lower() in {*_DOCUMENTS, ""}:
        return Role.CHANGELOG
    if place.suffix.lower() in _DOCUMENTS:
        is_translated = _TRANSLATED_NAME.search(place.name) or _TRANSLATED_PATH.search(path)
        return Role.TRANSLATED if is_translated else Role.DOCUMENT
    return Role.TEXT if is_plain_text(path) else Role.SOURCE


def role_of_definition(path: str, symbol: str, *, is_test: bool) -> Role:
    """Return what a definition is there for: a test beside the source that it tests leads to its file.

    Args:
        path: Its file.
        symbol: Its qualified name.
        is_test: Whether its file says so.
    """
    role = role_of(path)
    return Role.INNER_TEST if role is Role.SOURCE and (is_test or _INNER_TEST.search(symbol)) else role


def role_of_commit(message: str, paths: Iterable[str]) -> Role:
    """Return whether a commit says much, and whether it touches source; what merges others touches nothing itself."""
    is_brief = len(message) < BRIEF_CHARACTERS
    if any(map(_is_worked_on, paths)):
        return Role.BRIEF if is_brief else Role.SOURCE
    return Role.BRIEF_ASIDE if is_brief else Role.ASIDE


@lru_cache(maxsize=65_536)
def _is_worked_on(path: str) -> bool:
    """Return whether a file is source, or a text that is neither hidden nor a list of dependencies."""
    is_written = role_of(path) in {Role.SOURCE, Role.TEXT} and not path.startswith(".")
    return is_written and PurePosixPath(path).name.lower() not in _MANIFESTS
