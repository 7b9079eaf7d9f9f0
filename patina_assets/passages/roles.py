"""What part a file plays in a repository, told by its path alone, as tools and people name such files."""

import re
from enum import StrEnum
from pathlib import PurePosixPath


class Role(StrEnum):
    """What a file is there for."""

    SOURCE = "source"
    TEST = "test"
    EXAMPLE = "example"
    CHANGELOG = "changelog"
    VENDORED = "vendored"
    GENERATED = "generated"
    DOCUMENT = "document"
    BINARY = "binary"


_TEST_FOLDERS = frozenset({"test", "tests", "testing", "testdata", "__tests__", "spec", "specs", "fixtures", "e2e",
                           "__mocks__", "mocks", "testutil", "testutils"})  # fmt: skip
_EXAMPLE_FOLDERS = frozenset({"example", "examples", "sample", "samples", "demo", "demos", "bench", "benches",
                              "benchmark", "benchmarks", "_examples", "fuzz", "fuzzing", "playground"})  # fmt: skip
_VENDORED_FOLDERS = frozenset({"vendor", "third_party", "third-party", "thirdparty", "extern", "external", "deps",
                               "node_modules", "vendored", "single_include"})  # fmt: skip
_TEST_NAME = re.compile(r"(?:^tests?[_.-]|[_.-](?:tests?|spec|specs)\.[^.]+$|^conftest\.py$|Tests?\.\w+$)")
_CHANGELOG = re.compile(r"^(?:change[-_]?log|changes|history|news|releases?|release[-_]notes)\b", re.IGNORECASE)
_GENERATED = re.compile(
    r"(?:\.lock|-lock\.\w+|\.min\.\w+|_pb2(?:_grpc)?\.pyi?|\.pb\.\w+|[._]generated\.\w+|\.snap)$", re.IGNORECASE
)
# Pictures, fonts, archives and programs: of these, the name alone is known.
_BINARY = re.compile(
    r"\.(?:png|jpe?g|gif|svg|ico|webp|bmp|woff2?|ttf|otf|eot|pdf|zip|gz|xz|bz2|jar|exe|dll|so|mp[34]|wav|wasm|bin)$",
    re.IGNORECASE,
)
_DOCUMENTS = frozenset({".md", ".mdx", ".rst", ".txt", ".adoc"})


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
    if folders & _TEST_FOLDERS or _TEST_NAME.search(place.name):
        return Role.TEST
    if folders & _EXAMPLE_FOLDERS:
        return Role.EXAMPLE
    if _CHANGELOG.search(place.name) and place.suffix.lower() in {*_DOCUMENTS, ""}:
        return Role.CHANGELOG
    return Role.DOCUMENT if place.suffix.lower() in _DOCUMENTS else Role.SOURCE
