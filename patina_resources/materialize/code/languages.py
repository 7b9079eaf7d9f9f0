"""Which languages are read, and which nodes of their tree-sitter grammars say what. A new language is one more entry.

Node names are those of the official grammars (`node-types.json` in each), at the versions that pyproject.toml pins.
"""

import functools
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from tree_sitter import Language as Grammar
from tree_sitter import Query


@dataclass(frozen=True)
class Language:
    """How to read one language.

    Attributes:
        name: As people write it.
        module: The package with the compiled grammar.
        suffixes: File name endings, lower case.
        functions: Nodes that define a function; those without a name of their own are named by what holds them.
        types: Nodes that define a type, with the event (`code.<value>`) that they become.
        scopes: Further nodes whose name qualifies what is in them.
        calls: Nodes that call something, with their `call_type`.
        imports: Nodes that import something.
        separator: What stands between a class and its method.
        loader: The function of the package that returns the grammar.
    """

    name: str
    module: str
    suffixes: tuple[str, ...]
    functions: frozenset[str]
    types: Mapping[str, str]
    calls: Mapping[str, str]
    imports: frozenset[str]
    scopes: frozenset[str]
    separator: str
    loader: str = "language"


def _language(
    name: str,
    suffixes: str,
    functions: str,
    types: Mapping[str, str],
    calls: Mapping[str, str],
    *,
    imports: str = "",
    scopes: str = "",
    separator: str = ".",
    module: str = "",
) -> Language:
    """Return an entry; nodes and suffixes are words of one text, and `types` and `calls` are {value: nodes}."""
    return Language(
        name=name,
        module=f"tree_sitter_{module or name.lower()}",
        suffixes=tuple(suffixes.split()),
        functions=frozenset(functions.split()),
        types=_by_node(types),
        calls=_by_node(calls),
        imports=frozenset(imports.split()),
        scopes=frozenset(scopes.split()),
        separator=separator,
    )


def _by_node(nodes_of: Mapping[str, str]) -> Mapping[str, str]:
    """Return {node: value} of {value: nodes}."""
    return {node: value for value, nodes in nodes_of.items() for node in nodes.split()}


PYTHON = _language(
    "Python",
    ".py .pyi",
    "function_definition",
    {"class": "class_definition", "type": "type_alias_statement"},
    {"direct": "call"},
    imports="import_statement import_from_statement future_import_statement",
)
RUST = _language(
    "Rust",
    ".rs",
    "function_item function_signature_item",
    {
        "struct": "struct_item union_item",
        "enum": "enum_item",
        "trait": "trait_item",
        "type": "type_item const_item static_item",
    },
    {"direct": "call_expression", "macro": "macro_invocation"},
    imports="use_declaration extern_crate_declaration",
    scopes="impl_item mod_item",
    separator="::",
)
JAVASCRIPT = _language(
    "JavaScript",
    ".js .jsx .mjs .cjs",
    "arrow_function function_declaration function_expression generator_function generator_function_declaration "
    "method_definition",
    {"class": "class_declaration"},
    {"direct": "call_expression", "constructor": "new_expression"},
    imports="import_statement export_statement",
)
TYPESCRIPT = replace(
    JAVASCRIPT,
    name="TypeScript",
    module="tree_sitter_typescript",
    suffixes=(".ts", ".mts", ".cts"),
    types=_by_node(
        {
            "class": "class_declaration abstract_class_declaration",
            "interface": "interface_declaration",
            "enum": "enum_declaration",
            "type": "type_alias_declaration",
        }
    ),
    scopes=frozenset({"internal_module"}),
    loader="language_typescript",
)
TYPESCRIPT_JSX = replace(TYPESCRIPT, name="TypeScript (JSX)", suffixes=(".tsx",), loader="language_tsx")
GO = _language(
    "Go",
    ".go",
    "function_declaration method_declaration",
    {"type": "type_spec type_alias"},
    {"direct": "call_expression"},
    imports="import_spec",
)
JAVA = _language(
    "Java",
    ".java",
    "method_declaration constructor_declaration compact_constructor_declaration",
    {
        "class": "class_declaration record_declaration",
        "interface": "interface_declaration annotation_type_declaration",
        "enum": "enum_declaration",
    },
    {"direct": "method_invocation", "constructor": "object_creation_expression explicit_constructor_invocation"},
    imports="import_declaration",
)
C = _language(
    "C",
    ".c .h",
    "function_definition",
    {"struct": "struct_specifier union_specifier", "enum": "enum_specifier", "type": "type_definition"},
    {"direct": "call_expression"},
    imports="preproc_include",
)
CPP = replace(
    C,
    name="C++",
    module="tree_sitter_cpp",
    suffixes=(".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".ipp"),
    types={**C.types, "class_specifier": "class", "alias_declaration": "type"},
    calls=_by_node({"direct": "call_expression", "constructor": "new_expression"}),
    scopes=frozenset({"namespace_definition"}),
    separator="::",
)
RUBY = _language(
    "Ruby",
    ".rb .rake",
    "method singleton_method",
    {"class": "class", "trait": "module"},
    {"direct": "call"},
)
C_SHARP = _language(
    "C#",
    ".cs",
    "method_declaration constructor_declaration local_function_statement",
    {
        "class": "class_declaration record_declaration",
        "struct": "struct_declaration",
        "interface": "interface_declaration",
        "enum": "enum_declaration",
        "type": "delegate_declaration",
    },
    {"direct": "invocation_expression", "constructor": "object_creation_expression"},
    imports="using_directive",
    module="c_sharp",
)
LANGUAGES = (PYTHON, RUST, JAVASCRIPT, TYPESCRIPT, TYPESCRIPT_JSX, GO, JAVA, C, CPP, RUBY, C_SHARP)
BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}
BY_NAME = {language.name: language for language in LANGUAGES}


# What a header says only in C++.
CPP_ONLY = re.compile(
    rb"^[ \t]*(class[ \t]+\w|namespace\b|template[ \t]*<|using[ \t]+\w|public:|private:)", re.MULTILINE
)


def is_source(path: str) -> bool:
    """Return whether the file is one of a language that is read, by the ending of its name."""
    return PurePosixPath(path).suffix.lower() in BY_SUFFIX


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
def relevant_nodes(name: str) -> Query:
    """Return the query that finds every node that the language's entry names."""
    language = BY_NAME[name]
    kinds = {*language.functions, *language.types, *language.calls, *language.imports, *language.scopes}
    return Query(grammar(name), "\n".join(f"({kind}) @node" for kind in sorted(kinds)))
