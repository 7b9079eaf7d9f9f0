"""Python."""

from collections.abc import Iterator

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import Import, Text, language


def _imports(node: Node, text: Text) -> Iterator[Import]:
    named = node.children_by_field_name("name")
    if node.type == "import_statement":
        for name in named:
            module = name.child_by_field_name("name") or name
            yield Import(text(module), (text(name),), "external")
    elif node.type in ("import_from_statement", "future_import_statement"):
        path = text(node.child_by_field_name("module_name")) or "__future__"
        names = tuple(text(name) for name in named) or ("*",)
        yield Import(path, names, "relative" if path.startswith(".") else "external")


def _is_visible(name: str, _words: frozenset[str]) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


PYTHON = language(
    "Python",
    ".py .pyi",
    "function_definition",
    {"class": "class_definition", "type": "type_alias_statement"},
    {"direct": "call"},
    imports="import_statement import_from_statement future_import_statement",
    read_imports=_imports,
    holders="decorated_definition assignment expression_list named_expression",
    lambdas="lambda",
    chains="attribute call generic_type subscript",
    docstrings=True,
    is_visible=_is_visible,
    returns_option=((r"\bOptional\b",), (r"\bNone\b", r"\|")),
    reserved="False None True and as assert async await break class continue def del elif else except finally for from "
    "global if import in is lambda nonlocal not or pass raise return try while with yield",
)
