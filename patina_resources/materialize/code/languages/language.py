"""What has to be said of a language so that it can be read: a value of one class, one file each."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tree_sitter import Node

# What most grammars call these things. A language whose grammar calls them otherwise says so.
COMMENTS = "comment line_comment block_comment"
ASIDES = "attribute_item decorator"
ARGUMENTS = "argument_list arguments token_tree"
STRINGS = (
    "string string_literal raw_string_literal template_string concatenated_string interpreted_string_literal "
    "interpolated_string_expression verbatim_string_literal char_literal character_literal"
)
DROPPED = "block do_block template_argument_list type_argument_list type_arguments"
MODIFIERS = (
    "accessibility_modifier async function_modifiers modifier modifiers static storage_class_specifier unsafe "
    "visibility_modifier"
)
NOT_PARAMETERS = "keyword_separator positional_separator receiver_parameter"
# A private member of JavaScript, a destructor, Ruby's `empty?`, `save!` and `name=`.
NAMES = re.compile(r"[#~]?(?:[^\W\d]|\$)[\w$]*+[?!=]?")
# What makes a line of text a comment: at its beginning, and at its end.
COMMENT_BEGINS = re.compile(r"^[ \t]*+(?:/\*++[!<]?|\*(?!/)|//[/!<]*+|#++|=begin\b)?+[ \t]?")
COMMENT_ENDS = re.compile(r"(?:\*/|^=end)[ \t]*+$")
# Type arguments in each other that nothing closes: the grammars of Java and C# take a gigabyte for 16 kB of them.
UNCLOSED_ARGUMENTS = re.compile(rb"(?P<left_out>(?:\b\w++(?:\s*+\.\s*+\w++){0,9}+\s*+<\s*+){100,}+)")
# `x` of `x -> ...` in Java and C#.
SINGLE_PARAMETERS = frozenset({"identifier", "implicit_parameter"})
RETURN_FIELDS = ("return_type", "result", "returns", "type")
# A longer path is nobody's.
MAXIMUM_PATH = 1000

Text = Callable[[Node | None], str]
Patterns = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Import:
    """One imported module. `kind` is `use`, `external`, `relative`, `static`, `using`, `system` or `local`."""

    path: str
    names: tuple[str, ...]
    kind: str


ImportReader = Callable[[Node, Text], Iterable[Import]]


@dataclass(frozen=True)
class FunctionHead:
    """The nodes of a function.

    Attributes:
        parameters: Its parameters, and what else stands among them.
        returned: Its return type, or None.
        generics: What holds its type parameters, or None.
        body: What it does, or None.
    """

    parameters: Sequence[Node]
    returned: Node | None
    generics: Node | None
    body: Node | None


# Reads the head of a function; the second argument is the node right around it, if it is one of the language's holders.
HeadReader = Callable[[Node, Node | None], FunctionHead]


def head_by_fields(node: Node, _holder: Node | None) -> FunctionHead:
    """Return the nodes that stand in the fields that most grammars have."""
    single = node.child_by_field_name("parameter")  # `x => ...`
    parameters = [single] if single is not None else parameters_of(node.child_by_field_name("parameters"))
    generics, body = node.child_by_field_name("type_parameters"), node.child_by_field_name("body")
    return FunctionHead(parameters, returned_by(node), generics, body)


def parameters_of(held: Node | None) -> Sequence[Node]:
    """Return the parameters of a node that holds them, or is one."""
    if held is None:
        return ()
    return [held] if held.type in SINGLE_PARAMETERS else held.named_children


def returned_by(node: Node) -> Node | None:
    """Return the return type, in whichever field it stands."""
    return next((found for field in RETURN_FIELDS if (found := node.child_by_field_name(field))), None)


def imports_nothing(_node: Node, _text: Text) -> Iterable[Import]:
    """Return no imports."""
    return ()


def unless_private(name: str, words: frozenset[str]) -> bool:
    """Return whether a definition is visible: all are that do not say otherwise."""
    return not name.startswith("#") and not words & {"private", "protected"}


def if_public(_name: str, words: frozenset[str]) -> bool:
    """Return whether a definition is visible: those are that say so."""
    return "public" in words


def unquoted(text: str) -> str:
    """Return what stands between quotation marks."""
    return text.strip("'\"`")


@dataclass(frozen=True)
class Language:
    """How to read one language.

    Attributes:
        name: As people write it.
        module: The package with the compiled grammar.
        loader: The function of the package that returns the grammar.
        suffixes: File name endings, lower case.
        functions: Nodes that define or declare a function; one without a name of its own is named by what holds it.
        lambdas: Those of them that are functions only where they are bound to a name outside of every function.
        lambda_calls: What is called with a block for the same: Ruby's `lambda`, `Proc.new`.
        type_calls: What is called to define a type, where the result is bound to a constant, with the type's event.
        types: Nodes that define a type, with the event (`code.<value>`) that they become.
        refined_types: The event by the node in the field `type` of such a node, where that tells more.
        scopes: Further nodes whose name qualifies what is in them.
        declarations: Those of `functions` that, without a body, only declare what is defined elsewhere.
        calls: Nodes that call something, with their `call_type`; what a `constructor` calls is written behind `new`.
        without_new: Those of a `constructor` that create nothing: Java's `super()`.
        constructs: What is no function, though it is written as a call of one: PHP's `isset(x)`.
        imports: Nodes that import something.
        read_imports: What such a node, or a call, imports. Pure; the second argument gives a node's text.
        read_head: Where a function has its parameters and its return type. Pure.
        separator: What stands between a class and its method.
        holders: Nodes that only stand around a definition: they may hold its name, or what is written about it.
        attributes: Nodes with what is said to the compiler: nothing is called there.
        chains: Nodes that only hold the parts of a callee together: their children are read in order.
        callee_fields: Fields of a call whose callee is one node, by the call's node; others have it in `function`.
        callee_words: Nodes of a callee that are read as they are, though they have parts.
        arguments: Nodes with the arguments of a call.
        strings: Nodes of literals.
        dropped: Nodes that are left out of a callee.
        comments: Nodes of comments.
        comment_begins: What is left out at the beginning of each line of a comment.
        comment_ends: The same at the end.
        names: What a name is, between dots; what it does not match is no definition.
        asides: Nodes that stand before a definition and are said to the compiler.
        docstrings: Whether the first text in a definition is what is written about it.
        reserved: Words that are no names: what is called by one is a statement that the grammar took for a definition.
        words_are_names: Whether a property may be called by any word, so that only statements are looked at.
        prefix: What is put before a word that is not meant as the keyword that it looks like.
        bare_calls: Whether a word alone may be a call, as in Ruby.
        operators: How a definition may be called beside words: `named` for `operator+`, `any` for `+`.
        declarators: Whether names stand in declarators, and macros in the way, as in C.
        item_macros: Whether a macro's arguments may be definitions: `cfg_rt! { fn spawn() { ... } }`.
        directives: Whether `#if` may stand in a declaration or statement.
        tests: The name of an attribute of tests (`Test` of `@Test`), or an attribute as a whole (`#[test]`), without
            strings, and with white space between words alone.
        unfinished: What is left out, as its group `left_out`, because the grammar takes the square of its length.
        modifiers: Nodes with words such as `public` before a definition.
        not_parameters: Nodes among parameters that are none.
        shared_types: Whether several parameters may share a type: `a, b int`.
        borrows: Whether parameters say what may be changed: `&mut self`.
        is_visible: Whether a definition can be seen from outside, by its name and modifiers.
        returns_result: Of a return type that tells of failure: any of these, each of patterns that must all be found.
        returns_option: The same of one that may be nothing.
    """

    name: str
    module: str
    suffixes: tuple[str, ...]
    functions: frozenset[str]
    types: Mapping[str, str]
    declarations: frozenset[str]
    calls: Mapping[str, str]
    without_new: frozenset[str]
    constructs: frozenset[str]
    imports: frozenset[str]
    read_imports: ImportReader
    read_head: HeadReader
    scopes: frozenset[str]
    separator: str
    holders: frozenset[str]
    lambdas: frozenset[str]
    attributes: frozenset[str]
    chains: frozenset[str]
    reserved: frozenset[str]
    strings: frozenset[str]
    arguments: frozenset[str]
    comments: frozenset[str]
    comment_begins: re.Pattern[str]
    comment_ends: re.Pattern[str]
    names: re.Pattern[str]
    asides: frozenset[str]
    dropped: frozenset[str]
    modifiers: frozenset[str]
    not_parameters: frozenset[str]
    callee_fields: Mapping[str, tuple[str, ...]]
    callee_words: frozenset[str]
    refined_types: Mapping[str, str]
    lambda_calls: frozenset[str]
    type_calls: Mapping[str, str]
    is_visible: Callable[[str, frozenset[str]], bool]
    returns_result: Patterns
    returns_option: Patterns
    loader: str
    prefix: str
    bare_calls: bool
    operators: str
    docstrings: bool
    words_are_names: bool
    declarators: bool
    item_macros: bool
    directives: bool
    shared_types: bool
    borrows: bool
    tests: re.Pattern[str] | None
    unfinished: re.Pattern[bytes] | None

    def creates(self, call: str) -> bool:
        """Return whether a call of this node creates what it names, so that it is written behind `new`."""
        return self.calls[call] == "constructor" and call not in self.without_new


def language(
    name: str,
    suffixes: str,
    functions: str,
    types: Mapping[str, str],
    calls: Mapping[str, str],
    *,
    chains: str,
    reserved: str,
    declarations: str = "",
    without_new: str = "",
    constructs: str = "",
    attributes: str = "",
    imports: str = "",
    read_imports: ImportReader = imports_nothing,
    read_head: HeadReader = head_by_fields,
    scopes: str = "",
    separator: str = ".",
    holders: str = "",
    lambdas: str = "",
    lambda_calls: str = "",
    type_calls: Mapping[str, str] | None = None,
    refined_types: Mapping[str, str] | None = None,
    callee_fields: Mapping[str, str] | None = None,
    callee_words: str = "",
    strings: str = STRINGS,
    arguments: str = ARGUMENTS,
    comments: str = COMMENTS,
    comment_begins: re.Pattern[str] = COMMENT_BEGINS,
    comment_ends: re.Pattern[str] = COMMENT_ENDS,
    names: re.Pattern[str] = NAMES,
    asides: str = ASIDES,
    dropped: str = DROPPED,
    modifiers: str = MODIFIERS,
    not_parameters: str = NOT_PARAMETERS,
    is_visible: Callable[[str, frozenset[str]], bool] = unless_private,
    returns_result: Patterns = (),
    returns_option: Patterns = (),
    prefix: str = "",
    bare_calls: bool = False,
    operators: str = "",
    docstrings: bool = False,
    words_are_names: bool = False,
    declarators: bool = False,
    item_macros: bool = False,
    directives: bool = False,
    shared_types: bool = False,
    borrows: bool = False,
    tests: re.Pattern[str] | None = None,
    unfinished: re.Pattern[bytes] | None = None,
    module: str = "",
    loader: str = "language",
) -> Language:
    """Return a language; nodes, suffixes and words are words of one text, `types` and `calls` are {value: nodes}."""
    return Language(
        name=name,
        module=f"tree_sitter_{module or name.lower()}",
        loader=loader,
        suffixes=tuple(suffixes.split()),
        functions=words(functions, lambdas),
        types=by_node(types),
        declarations=words(declarations),
        calls=by_node(calls),
        without_new=words(without_new),
        constructs=words(constructs),
        imports=words(imports),
        read_imports=read_imports,
        read_head=read_head,
        scopes=words(scopes),
        separator=separator,
        holders=words(holders),
        lambdas=words(lambdas),
        lambda_calls=words(lambda_calls),
        type_calls=by_node(type_calls or {}),
        refined_types=refined_types or {},
        attributes=words(attributes),
        chains=words(chains),
        callee_fields={node: tuple(fields.split()) for node, fields in (callee_fields or {}).items()},
        callee_words=words(callee_words),
        strings=words(strings),
        arguments=words(arguments),
        comments=words(comments),
        comment_begins=comment_begins,
        comment_ends=comment_ends,
        names=names,
        asides=words(asides),
        dropped=words(dropped, comments),
        modifiers=words(modifiers),
        not_parameters=words(not_parameters, comments, asides),
        reserved=words(reserved),
        is_visible=is_visible,
        returns_result=returns_result,
        returns_option=returns_option,
        prefix=prefix,
        bare_calls=bare_calls,
        operators=operators,
        docstrings=docstrings,
        words_are_names=words_are_names,
        declarators=declarators,
        item_macros=item_macros,
        directives=directives,
        shared_types=shared_types,
        borrows=borrows,
        tests=tests,
        unfinished=unfinished,
    )


def words(*texts: str) -> frozenset[str]:
    """Return the words of some texts."""
    return frozenset(" ".join(texts).split())


def by_node(nodes_of: Mapping[str, str]) -> Mapping[str, str]:
    """Return {node: value} of {value: nodes}."""
    return {node: value for value, nodes in nodes_of.items() for node in nodes.split()}
