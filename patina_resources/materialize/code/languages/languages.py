"""Which languages are read. A new language is a file beside this one, and a place in `OWN_LANGUAGES`.

Installed packages may add others: entry points of the group `patina.languages` (docs/plugins.md).

Node names are those of the official grammars (`node-types.json` in each), at the versions that pyproject.toml pins.
"""

import functools
import importlib
from pathlib import PurePosixPath

from tree_sitter import Language as Grammar
from tree_sitter import Query

from patina_resources.materialize.code.languages.c import CPP, CPP_ONLY, C
from patina_resources.materialize.code.languages.c_sharp import C_SHARP
from patina_resources.materialize.code.languages.go import GO
from patina_resources.materialize.code.languages.java import JAVA
from patina_resources.materialize.code.languages.javascript import JAVASCRIPT, TYPESCRIPT, TYPESCRIPT_JSX
from patina_resources.materialize.code.languages.language import Language
from patina_resources.materialize.code.languages.php import PHP
from patina_resources.materialize.code.languages.python import PYTHON
from patina_resources.materialize.code.languages.ruby import RUBY
from patina_resources.materialize.code.languages.rust import RUST
from patina_resources.materialize.code.languages.scala import SCALA
from patina_resources.plugins import broken, plugins

GROUP = "patina.languages"
# What a query calls a node that it looks for.
NODE = "node"
OWN_LANGUAGES = (PYTHON, RUST, JAVASCRIPT, TYPESCRIPT, TYPESCRIPT_JSX, GO, JAVA, C, CPP, RUBY, C_SHARP, PHP, SCALA)


def _languages() -> tuple[tuple[Language, ...], tuple[str, ...], dict[str, str]]:
    """Return our languages and those of plugins, a sentence for each plugin that is left out, and origins by name."""
    installed = plugins(GROUP)
    languages, problems, origins = list(OWN_LANGUAGES), list(installed.problems), dict[str, str]()
    for plugin in installed.found:
        value = plugin.value
        if not isinstance(value, Language):
            problems.append(broken(plugin.name, plugin.origin, f"expected a Language, got {type(value).__name__}"))
            continue
        taken = {suffix for language in languages for suffix in language.suffixes} & set(value.suffixes)
        if taken or any(language.name == value.name for language in languages):
            already = ", ".join(sorted(taken)) or value.name
            problems.append(broken(plugin.name, plugin.origin, f"{already} is read already"))
        else:
            languages.append(value)
            origins[value.name] = plugin.origin
    return tuple(languages), tuple(problems), origins


LANGUAGES, PROBLEMS, ORIGINS = _languages()
BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}
BY_NAME = {language.name: language for language in LANGUAGES}


def is_source(path: str) -> bool:
    """Return whether the file is one of a language that is read, by the ending of its name."""
    return PurePosixPath(path).suffix.lower() in BY_SUFFIX


def origin_of(path: str) -> str:
    """Return the distribution and version of the plugin that reads a file; "" where we do."""
    language = BY_SUFFIX.get(PurePosixPath(path).suffix.lower())
    return ORIGINS.get(language.name, "") if language is not None else ""


def language_of(path: str, source: bytes) -> Language:
    """Return the language of a source file by the ending of its name; a `.h` file may be C or C++."""
    suffix = PurePosixPath(path).suffix.lower()
    return BY_NAME["C++"] if suffix == ".h" and CPP_ONLY.search(source) else BY_SUFFIX[suffix]


@functools.cache
def grammar(name: str) -> Grammar:
    """Return the compiled grammar of a language."""
    language = BY_NAME[name]
    return Grammar(getattr(importlib.import_module(language.module), language.loader)())


@functools.cache
def surroundings(name: str) -> Query:
    """Return the query that finds every comment and aside, and every `held` node with its `holder`."""
    known, language = grammar(name), BY_NAME[name]
    before = sorted(language.comments | language.asides)
    asides = [f"({kind}) @aside" for kind in before if known.id_for_node_kind(kind, True)]
    holders = [f"({kind} (_) @held) @holder" for kind in sorted(language.holders)]
    return Query(known, "\n".join([*asides, *holders]))


@functools.cache
def relevant_nodes(name: str) -> Query:
    """Return the query that finds every node that the language's entry names, as NODE."""
    return Query(grammar(name), "\n".join(f"({kind}) @{NODE}" for kind in sorted(relevant_kinds(name))))


@functools.cache
def relevant_kinds(name: str) -> frozenset[str]:
    """Return the types of these nodes."""
    language = BY_NAME[name]
    held = (language.functions, language.types, language.calls, language.imports, language.scopes, language.attributes)
    return frozenset().union(*held)
