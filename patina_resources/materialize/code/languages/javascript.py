"""JavaScript and TypeScript, with and without JSX."""

from collections.abc import Iterator
from dataclasses import replace

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import DROPPED, Import, Text, by_node, language, unquoted


def _imports(node: Node, text: Text) -> Iterator[Import]:
    if node.type == "call_expression":
        arguments = node.child_by_field_name("arguments")
        if text(node.child_by_field_name("function")) == "require" and arguments is not None:
            first = arguments.named_child(0) if arguments.named_child_count else None
            if first is not None and first.type == "string":
                yield _import(text(first), ())
        return
    where = node.child_by_field_name("source")
    names: list[str] = []
    pending = [child for child in node.named_children if child.type.endswith("_clause")]
    while pending:
        child = pending.pop()
        where = where or child.child_by_field_name("source")
        if child.type in ("identifier", "import_specifier", "export_specifier", "namespace_import"):
            names.append(text(child))
        else:
            pending.extend(reversed(child.named_children))
    if where is not None:
        yield _import(text(where), tuple(names))


def _import(written: str, names: tuple[str, ...]) -> Import:
    path = unquoted(written)
    return Import(path, names, "relative" if path.startswith(".") else "external")


JAVASCRIPT = language(
    "JavaScript",
    ".js .jsx .mjs .cjs",
    "arrow_function function_declaration function_expression generator_function generator_function_declaration "
    "method_definition",
    {"class": "class_declaration class"},
    {
        "direct": "call_expression",
        "constructor": "new_expression",
        "jsx": "jsx_opening_element jsx_self_closing_element",
    },
    imports="import_statement export_statement",
    read_imports=_imports,
    scopes="object",
    holders="export_statement lexical_declaration variable_declaration variable_declarator pair field_definition "
    "assignment_expression augmented_assignment_expression binary_expression expression_statement "
    "parenthesized_expression",
    # The grammar takes `await f<T>()` for a call of `await f`; `await` and `!` belong to no name.
    chains="await_expression call_expression member_expression non_null_expression subscript_expression",
    dropped=f"{DROPPED} await !",
    callee_fields={
        "new_expression": "constructor type",
        "jsx_opening_element": "name",
        "jsx_self_closing_element": "name",
    },
    callee_words="import meta_property optional_chain ?.",
    words_are_names=True,
    # A method or property may be called `delete` or `catch`; these begin a statement.
    reserved="do else for function if return switch try while with",
)
TYPESCRIPT = replace(
    JAVASCRIPT,
    name="TypeScript",
    module="tree_sitter_typescript",
    suffixes=(".ts", ".mts", ".cts"),
    functions=JAVASCRIPT.functions | {"abstract_method_signature", "function_signature", "method_signature"},
    declarations=frozenset({"abstract_method_signature", "function_signature", "method_signature"}),
    types=by_node(
        {
            "class": "class_declaration abstract_class_declaration class",
            "interface": "interface_declaration",
            "enum": "enum_declaration",
            "type": "type_alias_declaration",
        }
    ),
    calls=by_node({"direct": "call_expression", "constructor": "new_expression"}),
    scopes=frozenset({"internal_module", "object"}),
    holders=(JAVASCRIPT.holders - {"field_definition"})
    | {"public_field_definition", "ambient_declaration", "as_expression", "satisfies_expression"},
    chains=JAVASCRIPT.chains
    | {
        "generic_type",
        "instantiation_expression",
        "nested_identifier",
        "nested_type_identifier",
        "template_type",
    },
    returns_option=((r"\b(null|undefined)\b", r"\|"),),
    loader="language_typescript",
)
TYPESCRIPT_JSX = replace(
    TYPESCRIPT, name="TypeScript (JSX)", suffixes=(".tsx",), calls=JAVASCRIPT.calls, loader="language_tsx"
)
