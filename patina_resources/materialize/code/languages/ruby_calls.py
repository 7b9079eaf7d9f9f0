"""Which bare words of Ruby are calls, as `helper` is of `helper()`: those that are no variable where they stand.

Ruby decides that as it reads the text, and runs nothing for it: a word is a variable behind the place where it gets a
value, up to the end of the method, class or block, and in the blocks in there.
"""

import functools
import re
from collections import Counter, deque
from dataclasses import dataclass, field

from tree_sitter import Node, Query

from patina_resources.materialize.code.languages.languages import grammar
from patina_resources.materialize.code.parsing import Parsed, cursor_of
from patina_resources.materialize.code.source import SourceFile

# What is in these does not see the variables around them.
CLOSED = frozenset({"class", "method", "module", "singleton_class", "singleton_method"})
# `scope` has variables of its own. `bound` gets a value, and so do the words in a `pattern`, and the groups of a
# `regex`. `name` is called, defined or renamed there.
# What is in a `head` stands in a scope, and belongs to the one around it. A text behind its line (`<<~EOS`) may do so.
CAPTURES = """
[(block) (class) (do_block) (lambda) (method) (module) (singleton_class) (singleton_method)] @scope
(identifier) @word
(hash_key_symbol) @key
(regex) @regex
(assignment left: (identifier) @bound)
(operator_assignment left: (identifier) @bound)
(left_assignment_list (identifier) @bound)
(destructured_left_assignment (identifier) @bound)
(rest_assignment (identifier) @bound)
(for pattern: (identifier) @bound)
(exception_variable (identifier) @bound)
(method_parameters (identifier) @bound)
(lambda_parameters (identifier) @bound)
(block_parameters (identifier) @bound)
(destructured_parameter (identifier) @bound)
(optional_parameter name: (identifier) @bound)
(keyword_parameter name: (identifier) @bound)
(splat_parameter name: (identifier) @bound)
(hash_splat_parameter name: (identifier) @bound)
(block_parameter name: (identifier) @bound)
(in_clause pattern: (_) @pattern)
(match_pattern pattern: (_) @pattern)
(test_pattern pattern: (_) @pattern)
(call method: (identifier) @name)
(call receiver: (identifier) @name !method)
(method name: (identifier) @name)
(singleton_method name: (identifier) @name)
(setter name: (identifier) @name)
(alias (identifier) @name)
(undef (identifier) @name)
(heredoc_beginning) @opening
(heredoc_body) @text
(superclass) @head
(singleton_class value: (_) @head)
(singleton_method object: (_) @head)
"""
GROUP = re.compile(r"\(\?<([a-z_]\w*+)>")
# Parameters of a block that names none, and words of the language that the grammar takes for others.
NO_CALLS = re.compile(r"_[1-9]|it|__(?:ENCODING|FILE|LINE)__")


@dataclass
class _Variables:
    """Where variables are: to its last byte + 1, its own names, and how many scopes in sight have each name."""

    end: int
    in_sight: Counter[str]
    own: set[str] = field(default_factory=set)

    def bind(self, name: str) -> None:
        if name not in self.own:
            self.own.add(name)
            self.in_sight[name] += 1


def bare_calls(source: SourceFile, parsed: Parsed) -> list[Node]:
    """Return the bare words of a Ruby file that are calls; none where a part of the file could not be parsed."""
    if parsed.unread_bytes:
        return []
    found = cursor_of(_captures()).captures(parsed.whole[0])
    named, bound = ({node.id for node in found.get(kind, ())} for kind in ("name", "bound"))
    kinds = ("scope", "head", "opening", "text", "pattern", "regex", "key", "word")
    nodes = [
        (node.start_byte, -node.end_byte, place, node)
        for place, kind in enumerate(kinds)
        for node in found.get(kind, ())
    ]
    nodes.sort(key=lambda entry: entry[:3])
    calls: list[Node] = []
    scopes = [_Variables(len(source.content) + 1, Counter())]
    opened: deque[_Variables] = deque()
    end_of_pattern = end_of_head = 0
    for start, _, place, node in nodes:
        while scopes[-1].end <= start:
            scope = scopes.pop()
            scope.in_sight.subtract(scope.own)
        scope, kind = scopes[-1], kinds[place]
        if kind == "scope":
            scopes.append(_Variables(node.end_byte, Counter() if node.type in CLOSED else scope.in_sight))
        elif kind == "opening":
            opened.append(scope)
        elif kind == "head" or (kind == "text" and (not opened or opened.popleft() is not scope)):
            end_of_head = max(end_of_head, node.end_byte)
        elif kind == "pattern":
            end_of_pattern = max(end_of_pattern, node.end_byte)
        elif kind == "regex":
            for name in GROUP.findall(source.text(node)):
                scope.bind(name)
        elif node.id in bound or (start < end_of_pattern and node.id not in named):
            scope.bind(source.text(node))
        elif kind == "word" and node.id not in named and start >= end_of_head:
            name = source.text(node)
            if not scope.in_sight[name] and not NO_CALLS.fullmatch(name):
                calls.append(node)
    return calls


@functools.cache
def _captures() -> Query:
    return Query(grammar("Ruby"), CAPTURES)
