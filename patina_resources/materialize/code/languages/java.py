"""Java."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import UNCLOSED_ARGUMENTS, Import, Text, if_public, language

# Of JUnit and TestNG.
TESTS = re.compile(r"^(?:\w++\.)*+(?:(?:Parameterized|Repeated)?Test|TestFactory|TestTemplate|Theory)")


def _imports(node: Node, text: Text) -> Iterator[Import]:
    if node.type == "import_declaration":
        words = text(node).removeprefix("import").rstrip("; ").split()
        path = words[-1] if words else ""
        yield Import(path, (path.rsplit(".", 1)[-1],), "static" if "static" in words[:-1] else "external")


JAVA = language(
    "Java",
    ".java",
    "annotation_type_element_declaration compact_constructor_declaration constructor_declaration method_declaration",
    {
        "class": "class_declaration record_declaration",
        "interface": "interface_declaration annotation_type_declaration",
        "enum": "enum_declaration",
    },
    {"direct": "method_invocation", "constructor": "object_creation_expression explicit_constructor_invocation"},
    declarations="annotation_type_element_declaration method_declaration",
    without_new="explicit_constructor_invocation",
    imports="import_declaration",
    read_imports=_imports,
    holders="variable_declarator",
    lambdas="lambda_expression",
    chains="array_access field_access generic_type method_invocation scoped_identifier scoped_type_identifier",
    callee_fields={"object_creation_expression": "type", "explicit_constructor_invocation": "constructor"},
    tests=TESTS,
    unfinished=UNCLOSED_ARGUMENTS,
    is_visible=if_public,
    returns_option=((r"\bOptional\b",),),
    reserved="abstract assert boolean break byte case catch char class const continue default do double else enum "
    "extends false final finally float for goto if implements import instanceof int interface long native new "
    "null package private protected public return short static super switch synchronized this throw throws "
    "transient true try void volatile while",
)
