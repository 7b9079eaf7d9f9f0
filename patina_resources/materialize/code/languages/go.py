"""Go."""

from collections.abc import Iterator

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import DROPPED, Import, Text, language, unquoted


def _imports(node: Node, text: Text) -> Iterator[Import]:
    if node.type == "import_spec":
        path = unquoted(text(node.child_by_field_name("path")))
        name = text(node.child_by_field_name("name")) or path.rsplit("/", 1)[-1]
        yield Import(path, (name,), "external")


def _is_visible(name: str, _words: frozenset[str]) -> bool:
    return name[:1].isupper()


GO = language(
    "Go",
    ".go",
    "function_declaration method_declaration method_elem",
    {"type": "type_spec type_alias"},
    # The grammar takes `f[T](x)` for a conversion.
    {"direct": "call_expression type_conversion_expression"},
    declarations="method_declaration method_elem",
    imports="import_spec",
    read_imports=_imports,
    holders="type_declaration expression_list var_spec",
    lambdas="func_literal",
    refined_types={"struct_type": "struct", "interface_type": "interface"},
    chains="call_expression generic_type index_expression qualified_type selector_expression "
    "type_instantiation_expression",
    callee_fields={"type_conversion_expression": "type"},
    # What is converted to such a type calls nothing.
    dropped=f"{DROPPED} array_type channel_type function_type interface_type map_type parenthesized_type pointer_type "
    "slice_type struct_type",
    shared_types=True,
    is_visible=_is_visible,
    returns_result=((r"\berror\b",),),
    # `_` is no name: nothing can be called by it.
    reserved="_ break case chan const continue default defer else fallthrough for func go goto if import interface map "
    "package range return select struct switch type var",
)
