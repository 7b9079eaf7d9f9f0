"""What a source file imports: one entry for every imported module, with the names taken from it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from patina_resources.materialize.code.names import Source

MAXIMUM_PATH = 1000
RUBY_LOADERS = {"require": "external", "require_relative": "relative", "load": "load"}
# Each name is tried once, from its beginning.
RUST_NAME = re.compile(r"(?<![\w*])([\w*]++(?: as \w++)?)\s*+(?=[,}]|$)")


@dataclass(frozen=True)
class Import:
    """One imported module. `kind` is `use`, `external`, `relative`, `static`, `using`, `system` or `local`."""

    path: str
    names: tuple[str, ...]
    kind: str


def imports_of(source: Source, node: Node) -> Iterator[Import]:
    """Yield what a node imports; nothing for a call that loads no module."""
    for found in _imports_of(source, node):
        if 0 < len(found.path) <= MAXIMUM_PATH:
            yield found


def _imports_of(source: Source, node: Node) -> Iterator[Import]:
    match source.language.name:
        case "Python":
            yield from _python(source, node)
        case "Rust":
            yield from _rust(source, node)
        case "JavaScript" | "TypeScript" | "TypeScript (JSX)":
            yield from _javascript(source, node)
        case "Go":
            yield from _go(source, node)
        case "Java":
            yield from _java(source, node)
        case "C" | "C++":
            yield from _c(source, node)
        case "C#":
            yield from _c_sharp(source, node)
        case "Ruby":
            yield from _ruby(source, node)


def _python(source: Source, node: Node) -> Iterator[Import]:
    named = node.children_by_field_name("name")
    if node.type == "import_statement":
        for name in named:
            module = name.child_by_field_name("name") or name
            yield Import(source.text(module), (source.text(name),), "external")
    elif node.type in ("import_from_statement", "future_import_statement"):
        path = source.text(node.child_by_field_name("module_name")) or "__future__"
        names = tuple(source.text(name) for name in named) or ("*",)
        yield Import(path, names, "relative" if path.startswith(".") else "external")


def _rust(source: Source, node: Node) -> Iterator[Import]:
    if node.type == "use_declaration":
        path = source.text(node.child_by_field_name("argument"))
        if len(path) <= MAXIMUM_PATH:
            yield Import(path, tuple(RUST_NAME.findall(path)), "use")
    elif node.type == "extern_crate_declaration":
        name = source.text(node.child_by_field_name("name"))
        yield Import(name, (name,), "external")


def _javascript(source: Source, node: Node) -> Iterator[Import]:
    if node.type == "call_expression":
        arguments = node.child_by_field_name("arguments")
        if source.text(node.child_by_field_name("function")) == "require" and arguments is not None:
            first = arguments.named_child(0) if arguments.named_child_count else None
            if first is not None and first.type == "string":
                yield _javascript_import(source, first, ())
        return
    where = node.child_by_field_name("source")
    names: list[str] = []
    pending = [child for child in node.named_children if child.type.endswith("_clause")]
    while pending:
        child = pending.pop()
        where = where or child.child_by_field_name("source")
        if child.type in ("identifier", "import_specifier", "export_specifier", "namespace_import"):
            names.append(source.text(child))
        else:
            pending.extend(reversed(child.named_children))
    if where is not None:
        yield _javascript_import(source, where, tuple(names))


def _javascript_import(source: Source, where: Node, names: tuple[str, ...]) -> Import:
    path = _unquoted(source, where)
    return Import(path, names, "relative" if path.startswith(".") else "external")


def _go(source: Source, node: Node) -> Iterator[Import]:
    if node.type == "import_spec":
        path = _unquoted(source, node.child_by_field_name("path"))
        name = source.text(node.child_by_field_name("name")) or path.rsplit("/", 1)[-1]
        yield Import(path, (name,), "external")


def _java(source: Source, node: Node) -> Iterator[Import]:
    if node.type == "import_declaration":
        words = source.text(node).removeprefix("import").rstrip("; ").split()
        path = words[-1] if words else ""
        yield Import(path, (path.rsplit(".", 1)[-1],), "static" if "static" in words[:-1] else "external")


def _c(source: Source, node: Node) -> Iterator[Import]:
    if node.type == "preproc_include":
        path = source.text(node.child_by_field_name("path"))
        yield Import(path.strip('<>"'), (), "system" if path.startswith("<") else "local")


def _c_sharp(source: Source, node: Node) -> Iterator[Import]:
    if node.type == "using_directive":
        path = source.text(node.named_child(node.named_child_count - 1)) if node.named_child_count else ""
        alias = source.text(node.child_by_field_name("name"))
        yield Import(path, (alias,) if alias else (), "using")


def _ruby(source: Source, node: Node) -> Iterator[Import]:
    loader = source.text(node.child_by_field_name("method"))
    arguments = node.child_by_field_name("arguments")
    if loader in RUBY_LOADERS and arguments is not None and node.child_by_field_name("receiver") is None:
        first = arguments.named_child(0) if arguments.named_child_count else None
        if first is not None and first.type == "string":
            yield Import(_unquoted(source, first), (), RUBY_LOADERS[loader])


def _unquoted(source: Source, node: Node | None) -> str:
    return source.text(node).strip("'\"`")
