"""Rust."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import MAXIMUM_PATH, Import, Text, language

# Each name is tried once, from its beginning.
NAME = re.compile(r"(?<![\w*])([\w*]++(?: as \w++)?)\s*+(?=[,}]|$)")

# `#[test]`, `#[tokio::test(...)]`, `#[rstest]`, `#[cfg(test)]`, `#[cfg(all(test, unix))]`, `#[cfg_attr(unix, test)]`.
_WITHIN = r"(?:[^()]|\([^()]*+\))*?,"
TESTS = re.compile(
    rf"#!?\[(?:(?:cfg_attr\({_WITHIN})?(?:\w++::)*+(?:bench|fixture|proptest|quickcheck|(?:[a-z_]*_)?(?:g|rs)?test(?:_\w++)?)"
    rf"[](),].*|cfg\((?:all\((?:{_WITHIN})?)?test[,)].*)"
)


def _imports(node: Node, text: Text) -> Iterator[Import]:
    if node.type == "use_declaration":
        path = text(node.child_by_field_name("argument"))
        if len(path) <= MAXIMUM_PATH:
            yield Import(path, tuple(NAME.findall(path)), "use")
    elif node.type == "extern_crate_declaration":
        name = text(node.child_by_field_name("name"))
        yield Import(name, (name,), "external")


def _is_visible(_name: str, words: frozenset[str]) -> bool:
    return "pub" in words


RUST = language(
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
    declarations="function_signature_item",
    imports="use_declaration extern_crate_declaration",
    read_imports=_imports,
    scopes="impl_item mod_item",
    holders="const_item static_item",
    lambdas="closure_expression",
    separator="::",
    attributes="inner_attribute_item",
    chains="attribute call_expression field_expression generic_function generic_type index_expression "
    "scoped_identifier scoped_type_identifier try_expression",
    callee_fields={"macro_invocation": "macro"},
    prefix="r#",
    borrows=True,
    tests=TESTS,
    item_macros=True,
    is_visible=_is_visible,
    returns_result=((r"\bResult\b",),),
    returns_option=((r"\bOption\b",),),
    # `_` is no name: nothing can be called by it.
    reserved="_ as async await break const continue crate dyn else enum extern false fn for if impl in let loop match "
    "mod move mut pub ref return self static struct super trait true type unsafe use where while",
)
