"""Every regular expression of the program, how it is used, and texts on which it may take more time than their length.

Patterns are found by reading the source and the modules, so that a new one is tried without being named anywhere.
"""

import ast
import importlib
import itertools
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from test_layout import modules

from patina_resources.materialize.code.languages.languages import LANGUAGES

METHODS = frozenset({"match", "search", "fullmatch", "findall", "finditer", "sub", "subn", "split"})
# What stands for `{name}` in a pattern that is put together at the place of its use.
PLACEHOLDER = "Name"
# Where a pattern is a variable at the place of its use: the patterns that it may be.
VARIABLES: Mapping[tuple[str, str], Sequence[str]] = {
    ("patina_resources.materialize.code.signatures", "pattern"): [
        pattern
        for language in LANGUAGES
        for ways in (language.returns_result, language.returns_option)
        for way in ways
        for pattern in way
    ],
}
SPACES, WORDS, DIGITS, OTHER = " \n\t", "a_A", "0", "!é"
SEPARATORS = (" ", "\n", ",")
MOST_SINGLES, MOST_STARTS, MOST_OF_A_KIND, MOST_MOTIFS = 12, 12, 24, 16
ENDS = ("", "\0", "\n!", "x")


@dataclass(frozen=True)
class Use:
    """One pattern with one way of using it."""

    module: str
    method: str
    pattern: re.Pattern[Any]

    def __str__(self) -> str:
        return f"{self.module}:{self.method}:{self.pattern.pattern!r}"[:120]

    def run(self, text: str) -> None:
        """Use the pattern on a text as the program does."""
        if isinstance(self.pattern.pattern, bytes):
            self._run(text.encode("utf-8", "replace"))
        else:
            self._run(text)

    def _run(self, text: Any) -> None:
        method = getattr(self.pattern, self.method)
        if self.method in ("sub", "subn"):
            method(text[:0], text)
        elif self.method == "finditer":
            for _ in method(text):
                pass
        else:
            method(text)


def all_uses() -> list[Use]:
    """Return every pattern of the program with every way in which it is used."""
    found = {(use.pattern.pattern, use.pattern.flags, use.method): use for name in modules() for use in _uses(name)}
    return list(found.values())


def _uses(name: str) -> Iterator[Use]:
    source = modules()[name]
    if not any(isinstance(node, ast.Name) and node.id == "re" for node in ast.walk(source)):
        return
    module = importlib.import_module(name)
    called = _called_methods()
    named = {
        ast.unparse(node.targets[0]): node.value
        for node in ast.walk(source)
        if isinstance(node, ast.Assign) and len(node.targets) == 1
    }
    for variable in named:
        value = getattr(module, variable, None)
        for pattern in _patterns_in(value):
            held = not isinstance(value, re.Pattern)
            methods = called.get("pattern", METHODS) if held else called.get(variable, METHODS)
            yield from (Use(name, method, pattern) for method in sorted(methods))
    yield from _inline_uses(name, source)


@cache
def _called_methods() -> dict[str, set[str]]:
    """Return the methods of patterns that are called on each variable anywhere in the program."""
    found: dict[str, set[str]] = {}
    for tree in modules().values():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in METHODS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id != "re"
            ):
                found.setdefault(node.func.value.id, set()).add(node.func.attr)
    return found


def _patterns_in(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, Mapping):
        yield from _patterns_in(tuple(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for entry in value:
            yield from _patterns_in(entry)


def _inline_uses(name: str, source: ast.AST) -> Iterator[Use]:
    """Yield the patterns that stand at the place of their use: `re.search(r"...", text)`."""
    for node in ast.walk(source):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in {f"re.{method}" for method in METHODS}):
            continue
        flags = sum(int(getattr(re, word)) for word in re.findall(r"re\.([A-Z]+)\b", ast.unparse(node)))
        method = ast.unparse(node.func).removeprefix("re.")
        for text in _pattern_texts(name, node.args[0]):
            yield Use(name, method, re.compile(text, flags))


def _pattern_texts(name: str, argument: ast.expr) -> list[Any]:
    if isinstance(argument, ast.Constant):
        return [argument.value]
    if isinstance(argument, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else PLACEHOLDER for part in argument.values)
        return ["".join(str(part) for part in parts)]
    texts = VARIABLES.get((name, ast.unparse(argument)))
    assert texts, f"{name}: where does the pattern `{ast.unparse(argument)}` come from? Name it in VARIABLES."
    return list(texts)


# What takes time


def worst_cases(pattern: re.Pattern[Any], size: int) -> Iterator[str]:
    """Yield texts of about `size` characters, made of what the pattern looks for."""
    text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    tree = parser.parse(text, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, str) else pattern.flags)
    atoms = list(dict.fromkeys(atom for atom in _atoms(tree) if atom))
    spine = _spine(tree)
    generator = random.Random(repr(text))
    singles = atoms[:MOST_SINGLES]
    grams = _grams(spine)
    pairs = [first + second for first, second in itertools.product(singles, repeat=2) if first != second]
    motifs = ["".join(generator.choices(atoms, k=generator.randint(3, 5))) for _ in range(MOST_MOTIFS)] if atoms else []
    spaced = [gram + separator for gram in grams for separator in SEPARATORS]
    units = dict.fromkeys([*singles, *grams, *_some(generator, pairs), *_some(generator, spaced), *motifs])
    for unit, end in itertools.product(units, ENDS):
        yield unit * (size // len(unit)) + end
    starts = list(dict.fromkeys(itertools.accumulate(spine)))[:MOST_STARTS]
    for start, unit in itertools.product(starts, dict.fromkeys([*singles, *_some(generator, grams)])):
        yield start + unit * (size // len(unit)) + "\0"
    for start in starts:  # a long run, again and again
        run = start + generator.choice(singles or ["a"]) * int(size**0.5)
        yield run * (size // len(run)) + "\0"


def _grams(spine: list[str]) -> list[str]:
    """Return what stands together in a text that a pattern takes: up to six parts of it."""
    spine = spine[:40]
    found = ("".join(spine[at : at + length]) for length in (1, 2, 4, 6) for at in range(len(spine)))
    return list(dict.fromkeys(found))


def _some(generator: random.Random, texts: list[str]) -> list[str]:
    return texts if len(texts) <= MOST_OF_A_KIND else generator.sample(texts, MOST_OF_A_KIND)


def _atoms(tree: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    """Yield what each part of a parsed pattern takes, one text each."""
    for operator, argument in tree:
        if operator in (codes.LITERAL, codes.NOT_LITERAL):
            yield chr(argument)
        elif operator is codes.IN:
            yield from itertools.chain.from_iterable(_members(part) for part in argument)
        elif operator is codes.ANY:
            yield from WORDS[0] + " "
        elif operator in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            yield from _atoms(argument[2])
            yield "".join(_spine(argument[2]))
        elif operator is codes.SUBPATTERN:
            yield from _atoms(argument[3])
        elif operator is codes.BRANCH:
            for branch in argument[1]:
                yield from _atoms(branch)
                yield "".join(_spine(branch))
        elif operator in (codes.ASSERT, codes.ASSERT_NOT):
            yield from _atoms(argument[1])
        elif operator is codes.ATOMIC_GROUP:
            yield from _atoms(argument)


def _members(part: tuple[Any, Any]) -> str:
    operator, argument = part
    if operator is codes.LITERAL:
        return chr(argument)
    if operator is codes.RANGE:
        return chr(argument[0]) + chr(argument[1])
    if operator is codes.CATEGORY:
        samples = {
            codes.CATEGORY_SPACE: SPACES, codes.CATEGORY_NOT_SPACE: WORDS + OTHER, codes.CATEGORY_WORD: WORDS + DIGITS,
            codes.CATEGORY_NOT_WORD: OTHER + SPACES, codes.CATEGORY_DIGIT: DIGITS, codes.CATEGORY_NOT_DIGIT: WORDS,
        }  # fmt: skip
        return samples[argument]
    return OTHER  # NEGATE


def _spine(tree: Iterable[tuple[Any, Any]]) -> list[str]:
    """Return a short text that a parsed pattern takes, in parts."""
    parts: list[str] = []
    for operator, argument in tree:
        if operator is codes.LITERAL:
            parts.append(chr(argument))
        elif operator is codes.NOT_LITERAL:
            parts.append(WORDS[0] if argument != ord(WORDS[0]) else DIGITS)
        elif operator is codes.IN:
            negated = argument[0][0] is codes.NEGATE
            parts.append(WORDS[0] if negated else _members(argument[0])[:1])
        elif operator is codes.ANY:
            parts.append(WORDS[0])
        elif operator in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            least = max(1, min(int(argument[0]), 200))
            parts.extend(_spine(argument[2]) * least)
        elif operator is codes.SUBPATTERN:
            parts.extend(_spine(argument[3]))
        elif operator is codes.BRANCH:
            parts.extend(_spine(argument[1][0]))
        elif operator is codes.ATOMIC_GROUP:
            parts.extend(_spine(argument))
    return [part for part in parts if part]
