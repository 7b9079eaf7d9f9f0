"""C and C++."""

import re
from collections.abc import Iterator
from dataclasses import replace

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import (
    FunctionHead,
    Import,
    Text,
    by_node,
    language,
    parameters_of,
    returned_by,
    words,
)

# What a header says only in C++.
CPP_ONLY = re.compile(
    rb"^[ \t]*(class[ \t]+\w|namespace\b|template[ \t]*<|using[ \t]+\w|public:|private:)", re.MULTILINE
)


def _imports(node: Node, text: Text) -> Iterator[Import]:
    if node.type == "preproc_include":
        path = text(node.child_by_field_name("path"))
        yield Import(path.strip('<>"'), (), "system" if path.startswith("<") else "local")


def _head(node: Node, holder: Node | None) -> FunctionHead:
    """Return the nodes of a head: the parameters stand in a declarator, the type parameters around the definition."""
    template = holder if holder is not None and holder.type == "template_declaration" else None
    return FunctionHead(
        parameters_of(_parameters(node)),
        returned_by(node),
        template.child_by_field_name("parameters") if template is not None else None,
        node.child_by_field_name("body"),
    )


def _parameters(node: Node) -> Node | None:
    inner: Node | None = node
    while inner is not None:
        if held := inner.child_by_field_name("parameters"):
            return held
        deeper = inner.child_by_field_name("declarator")
        if deeper is None and inner.type.endswith("declarator"):
            deeper = next((child for child in inner.named_children if child.type.endswith("declarator")), None)
        inner = deeper
    return None


def _is_visible(_name: str, words: frozenset[str]) -> bool:
    return "static" not in words


C = language(
    "C",
    ".c .h",
    "function_definition",
    {"struct": "struct_specifier union_specifier", "enum": "enum_specifier", "type": "type_definition"},
    {"direct": "call_expression"},
    attributes="attribute_specifier",
    imports="preproc_include",
    read_imports=_imports,
    read_head=_head,
    holders="declaration type_definition",
    chains="attribute call_expression field_expression subscript_argument_list subscript_expression",
    declarators=True,
    is_visible=_is_visible,
    reserved="auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static static_assert struct switch typedef union unsigned void "
    "volatile while _Alignas _Alignof _Generic _Static_assert",
)
CPP = replace(
    C,
    name="C++",
    module="tree_sitter_cpp",
    suffixes=(".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".ipp"),
    # A method that a class declares: what else these nodes declare has no parameters, or stands in no class.
    functions=C.functions | {"declaration", "field_declaration", "lambda_expression"},
    lambdas=frozenset({"lambda_expression"}),
    declarations=frozenset({"declaration", "field_declaration"}),
    types={**C.types, "class_specifier": "class", "alias_declaration": "type"},
    calls=by_node({"direct": "call_expression", "constructor": "new_expression"}),
    scopes=frozenset({"namespace_definition"}),
    separator="::",
    holders=C.holders | {"field_declaration", "friend_declaration", "init_declarator", "template_declaration"},
    chains=C.chains
    | {"dependent_name", "qualified_identifier", "template_function", "template_method", "template_type"},
    callee_fields={"new_expression": ("constructor", "type")},
    callee_words=frozenset({"destructor_name", "operator_name"}),
    dropped=C.dropped | {"template"},  # `a.template f<int>()`
    operators="named",
    returns_result=((r"\bexpected\b",),),
    returns_option=((r"\boptional\b",),),
    reserved=C.reserved
    | words(
        "alignas alignof bool catch class concept const_cast consteval constexpr constinit decltype delete "
        "dynamic_cast explicit export false friend mutable namespace new noexcept nullptr private protected "
        "public reinterpret_cast requires static_cast template this throw true try typeid "
        "typename using virtual"
    ),
)
