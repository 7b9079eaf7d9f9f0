"""Starlark, which is read by the grammar of Python: it is a part of that language."""

from patina_resources.materialize.code.languages.language import language

STARLARK = language(
    "Starlark",
    ".bzl .star",
    "function_definition",
    {},
    {"direct": "call"},
    module="python",  # the package tree_sitter_python, which Patina brings
    chains="call attribute subscript",
    reserved="and break continue def elif else for if in lambda load not or pass return",
    docstrings=True,
)
