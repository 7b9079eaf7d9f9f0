"""Scala, versions 2 and 3."""

from collections.abc import Iterator

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import (
    DROPPED,
    STRINGS,
    FunctionHead,
    Import,
    Text,
    language,
    returned_by,
)

TYPE_PARAMETERS = "type_parameters"
RENAMED = ("arrow_renamed_identifier", "as_renamed_identifier")


def _imports(node: Node, text: Text) -> Iterator[Import]:
    if node.type != "import_declaration":
        return
    path: list[str] = []
    for child in [*node.children, None]:
        if child is None or child.type == ",":
            if path:
                yield Import(".".join(path), (path[-1],), "external")
            path = []
        elif child.type == "namespace_selectors":
            for selector in child.named_children:
                yield _selected(".".join(path), selector, text)
            path = []
        elif child.type == "as_renamed_identifier":
            yield _selected(".".join(path), child, text)
            path = []
        elif child.is_named:
            path.append(text(child))


def _selected(prefix: str, selector: Node, text: Text) -> Import:
    name, alias = selector.child_by_field_name("name"), selector.child_by_field_name("alias")
    own = text(name) if selector.type in RENAMED else text(selector)
    return Import(f"{prefix}.{own}" if prefix else own, (text(alias) or own,), "external")


def _head(node: Node, _holder: Node | None) -> FunctionHead:
    """Return the nodes of a head: there may be several lists of parameters, and that of the types is one of them."""
    lists = node.children_by_field_name("parameters")
    types = next((held for held in lists if held.type == TYPE_PARAMETERS), None)
    parameters = [parameter for held in lists if held.type != TYPE_PARAMETERS for parameter in held.named_children]
    generics, body = types or node.child_by_field_name(TYPE_PARAMETERS), node.child_by_field_name("body")
    return FunctionHead(parameters, returned_by(node), generics, body)


SCALA = language(
    "Scala",
    ".scala",
    "function_definition function_declaration",
    {
        "class": "class_definition object_definition package_object",
        "trait": "trait_definition",
        "enum": "enum_definition",
        "type": "type_definition",
    },
    {"direct": "call_expression", "constructor": "instance_expression"},
    declarations="function_declaration",
    imports="import_declaration",
    read_imports=_imports,
    read_head=_head,
    holders="val_definition var_definition",
    lambdas="lambda_expression",
    chains="call_expression field_expression generic_function generic_type stable_type_identifier",
    attributes="annotation",
    asides="annotation",
    strings=f"{STRINGS} interpolated_string interpolated_string_expression",
    dropped=f"{DROPPED} colon_argument new template_body",
    operators="any",
    returns_result=((r"\b(?:Try|Either)\b",),),
    returns_option=((r"\bOption\b",),),
    reserved="abstract case catch class def do else enum export extends false final finally for given if implicit "
    "import lazy match new null object override package private protected return sealed super then this throw trait "
    "true try type val var while with yield",
)
