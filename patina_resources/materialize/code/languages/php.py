"""PHP."""

from collections.abc import Iterator

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import (
    DROPPED,
    MODIFIERS,
    STRINGS,
    Import,
    Text,
    language,
    unquoted,
)


def _imports(node: Node, text: Text) -> Iterator[Import]:
    if node.type == "namespace_use_declaration":
        group = node.child_by_field_name("body")
        prefix = "".join(text(child) + "\\" for child in node.named_children if child.type == "namespace_name")
        for clause in (group or node).named_children:
            if clause.type == "namespace_use_clause":
                yield _use(clause, prefix if group is not None else "", text)
    elif node.type.startswith(("include", "require")):
        loaded = node.named_child(0)
        if loaded is not None and loaded.type == "string":
            yield Import(unquoted(text(loaded)), (), "load")
        elif loaded is not None and loaded.type == "binary_expression":
            right = loaded.child_by_field_name("right")
            if text(loaded.child_by_field_name("left")) == "__DIR__" and right is not None and right.type == "string":
                yield Import("." + unquoted(text(right)), (), "relative")


def _use(clause: Node, prefix: str, text: Text) -> Import:
    alias = clause.child_by_field_name("alias")
    named = [child for child in clause.named_children if child.type in ("name", "qualified_name")]
    path = prefix + text(named[0] if named else None).lstrip("\\")
    return Import(path, (text(alias) or path.rsplit("\\", 1)[-1],), "use")


PHP = language(
    "PHP",
    ".php",
    "function_definition method_declaration",
    {
        "class": "class_declaration",
        "trait": "trait_declaration",
        "interface": "interface_declaration",
        "enum": "enum_declaration",
    },
    {
        "direct": "function_call_expression member_call_expression nullsafe_member_call_expression "
        "scoped_call_expression",
        "constructor": "object_creation_expression",
    },
    declarations="method_declaration",
    constructs="array die empty eval exit isset list unset",
    imports="namespace_use_declaration include_expression include_once_expression require_expression "
    "require_once_expression",
    read_imports=_imports,
    separator="::",
    holders="assignment_expression",
    lambdas="anonymous_function arrow_function",
    chains="class_constant_access_expression function_call_expression member_access_expression member_call_expression "
    "namespace_name nullsafe_member_access_expression nullsafe_member_call_expression qualified_name "
    "scoped_call_expression scoped_property_access_expression subscript_expression",
    callee_words="relative_scope variable_name",
    strings=f"{STRINGS} encapsed_string heredoc nowdoc",
    # The class after `new` has no field of its own; one that is written there has no name.
    dropped=f"{DROPPED} new anonymous_class",
    modifiers=f"{MODIFIERS} abstract_modifier final_modifier readonly_modifier static_modifier var_modifier",
    returns_option=((r"^\?",), (r"\bnull\b", r"\|")),
    loader="language_php",
    # A method may be called by any word.
    reserved="",
)
