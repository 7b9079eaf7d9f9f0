"""Which languages are read, and which nodes of their tree-sitter grammars say what. A new language is one more entry.

Node names are those of the official grammars (`node-types.json` in each), at the versions that pyproject.toml pins.
"""

import functools
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    imports: frozenset[str] = frozenset()
    scopes: frozenset[str] = field(default_factory=frozenset)
    separator: str = "."
    loader: str = "language"


def _nodes(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _by_node(nodes_of: Mapping[str, str]) -> Mapping[str, str]:
    """Return {node: value} of {value: nodes}."""
    return {node: value for value, nodes in nodes_of.items() for node in nodes.split()}


JAVASCRIPT = Language(
    name="JavaScript",
    module="tree_sitter_javascript",
    suffixes=(".js", ".jsx", ".mjs", ".cjs"),
    functions=_nodes(
        "arrow_function function_declaration function_expression generator_function generator_function_declaration "
        "method_definition"
    ),
    types=_by_node({"class": "class_declaration"}),
    calls=_by_node({"direct": "call_expression", "constructor": "new_expression"}),
    imports=_nodes("import_statement export_statement"),
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
    scopes=_nodes("internal_module"),
    loader="language_typescript",
)
C = Language(
    name="C",
    module="tree_sitter_c",
    suffixes=(".c", ".h"),
    functions=_nodes("function_definition"),
    types=_by_node({"struct": "struct_specifier union_specifier", "enum": "enum_specifier", "type": "type_definition"}),
    calls=_by_node({"direct": "call_expression"}),
    imports=_nodes("preproc_include"),
)
LANGUAGES = (
    Language(
        name="Python",
        module="tree_sitter_python",
        suffixes=(".py", ".pyi"),
        functions=_nodes("function_definition"),
        types=_by_node({"class": "class_definition", "type": "type_alias_statement"}),
        calls=_by_node({"direct": "call"}),
        imports=_nodes("import_statement import_from_statement future_import_statement"),
    ),
    Language(
        name="Rust",
        module="tree_sitter_rust",
        suffixes=(".rs",),
        functions=_nodes("function_item function_signature_item"),
        types=_by_node(
            {
                "struct": "struct_item union_item",
                "enum": "enum_item",
                "trait": "trait_item",
                "type": "type_item const_item static_item",
            }
        ),
        calls=_by_node({"direct": "call_expression", "macro": "macro_invocation"}),
        imports=_nodes("use_declaration extern_crate_declaration"),
        scopes=_nodes("impl_item mod_item"),
        separator="::",
    ),
    JAVASCRIPT,
    TYPESCRIPT,
    replace(TYPESCRIPT, name="TypeScript (JSX)", suffixes=(".tsx",), loader="language_tsx"),
    Language(
        name="Go",
        module="tree_sitter_go",
        suffixes=(".go",),
        functions=_nodes("function_declaration method_declaration"),
        types=_by_node({"type": "type_spec type_alias"}),
        calls=_by_node({"direct": "call_expression"}),
        imports=_nodes("import_spec"),
    ),
    Language(
        name="Java",
        module="tree_sitter_java",
        suffixes=(".java",),
        functions=_nodes("method_declaration constructor_declaration compact_constructor_declaration"),
        types=_by_node(
            {
                "class": "class_declaration record_declaration",
                "interface": "interface_declaration annotation_type_declaration",
                "enum": "enum_declaration",
            }
        ),
        calls=_by_node(
            {
                "direct": "method_invocation",
                "constructor": "object_creation_expression explicit_constructor_invocation",
            }
        ),
        imports=_nodes("import_declaration"),
    ),
    C,
    replace(
        C,
        name="C++",
        module="tree_sitter_cpp",
        suffixes=(".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".ipp"),
        types={**C.types, "class_specifier": "class", "alias_declaration": "type"},
        calls=_by_node({"direct": "call_expression", "constructor": "new_expression"}),
        scopes=_nodes("namespace_definition"),
        separator="::",
    ),
    Language(
        name="Ruby",
        module="tree_sitter_ruby",
        suffixes=(".rb", ".rake"),
        functions=_nodes("method singleton_method"),
        types=_by_node({"class": "class", "trait": "module"}),
        calls=_by_node({"direct": "call"}),
    ),
    Language(
        name="C#",
        module="tree_sitter_c_sharp",
        suffixes=(".cs",),
        functions=_nodes("method_declaration constructor_declaration local_function_statement"),
        types=_by_node(
            {
                "class": "class_declaration record_declaration",
                "struct": "struct_declaration",
                "interface": "interface_declaration",
                "enum": "enum_declaration",
                "type": "delegate_declaration",
            }
        ),
        calls=_by_node({"direct": "invocation_expression", "constructor": "object_creation_expression"}),
        imports=_nodes("using_directive"),
    ),
)
BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}
BY_NAME = {language.name: language for language in LANGUAGES}


# What a header says only in C++.
CPP_ONLY = re.compile(rb"^\s*(class\s+\w|namespace\b|template\s*<|using\s+\w|public:|private:)", re.MULTILINE)


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
