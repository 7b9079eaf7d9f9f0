"""C#."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import UNCLOSED_ARGUMENTS, Import, Text, if_public, language

# Of xUnit, NUnit and MSTest.
TESTS = re.compile(
    r"^(?:\w++\.)*+(?:\w*(?:Fact|Theory)|Test|TestCase|TestCaseSource|TestFixture|(?:Data)?TestMethod|TestClass)"
    r"(?:Attribute)?"
)


def _imports(node: Node, text: Text) -> Iterator[Import]:
    if node.type == "using_directive":
        path = text(node.named_child(node.named_child_count - 1)) if node.named_child_count else ""
        alias = text(node.child_by_field_name("name"))
        yield Import(path, (alias,) if alias else (), "using")


C_SHARP = language(
    "C#",
    ".cs",
    "method_declaration constructor_declaration conversion_operator_declaration destructor_declaration "
    "local_function_statement operator_declaration",
    {
        "class": "class_declaration record_declaration",
        "struct": "struct_declaration",
        "interface": "interface_declaration",
        "enum": "enum_declaration",
        "type": "delegate_declaration",
    },
    {"direct": "invocation_expression", "constructor": "object_creation_expression"},
    declarations="method_declaration",
    constructs="nameof",
    imports="using_directive",
    read_imports=_imports,
    holders="property_declaration variable_declarator",
    lambdas="lambda_expression anonymous_method_expression",
    chains="argument attribute bracketed_argument_list conditional_access_expression element_access_expression "
    "element_binding_expression generic_name invocation_expression member_access_expression member_binding_expression "
    "qualified_name",
    callee_fields={"object_creation_expression": "type"},
    directives=True,
    prefix="@",
    operators="named",
    tests=TESTS,
    unfinished=UNCLOSED_ARGUMENTS,
    is_visible=if_public,
    returns_option=((r"\?$",),),
    reserved="abstract as base bool break byte case catch char checked class const continue decimal default delegate "
    "do double else enum event explicit extern false finally fixed float for foreach goto if implicit in int "
    "interface internal is lock long namespace new null object operator out override params private protected "
    "public readonly ref return sbyte sealed short sizeof stackalloc static string struct switch this throw "
    "true try typeof uint ulong unchecked unsafe ushort using virtual void volatile while",
    module="c_sharp",
)
