"""Ruby."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import Import, Text, language, unquoted

# Of comments that nothing ends, the grammar looks for the end of each one anew.
UNCLOSED_COMMENTS = re.compile(
    rb"^=begin\b(?:.*?^=end\b|(?P<left_out>(?>.*?^=begin\b){100}.*))", re.MULTILINE | re.DOTALL
)
LOADERS = {"require": "external", "require_relative": "relative", "load": "load"}


def _imports(node: Node, text: Text) -> Iterator[Import]:
    loader = text(node.child_by_field_name("method"))
    arguments = node.child_by_field_name("arguments")
    if loader in LOADERS and arguments is not None and node.child_by_field_name("receiver") is None:
        first = arguments.named_child(0) if arguments.named_child_count else None
        if first is not None and first.type == "string":
            yield Import(unquoted(text(first)), (), LOADERS[loader])


RUBY = language(
    "Ruby",
    ".rb .rake",
    "method singleton_method",
    {"class": "class", "trait": "module"},
    {"direct": "call"},
    read_imports=_imports,
    holders="assignment",
    lambdas="lambda",
    # The grammar takes `lambda { ... }` for a call.
    lambda_calls="lambda proc Proc.new",
    type_calls={"class": "Class.new Data.define Struct.new", "trait": "Module.new"},
    chains="call scope_resolution",
    operators="any",
    bare_calls=True,
    unfinished=UNCLOSED_COMMENTS,
    # A method may be called by any word, behind a receiver.
    reserved="",
)
