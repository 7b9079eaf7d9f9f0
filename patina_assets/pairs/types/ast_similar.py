"""`ast_similar`: functions of different files with like signatures belong together; of unlike structure they do not."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from patina_assets.pairs.code_text import function_text
from patina_assets.pairs.functions import FUNCTIONS, Function, contexts_across_files, read_functions
from patina_assets.pairs.items import Item
from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData, PairType
from patina_resources.eventlog.reader import Row

# Where a parameter is written `Type name`; elsewhere it is `name: Type`, `name Type` (Go) or an untyped name.
TYPE_FIRST = {".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".java", ".sol"}
_LIFETIME = re.compile(r"&?'\w+")
_TOKEN = re.compile(r"\w+(?:::\w+)*|[<>\[\](),?|]|->")
_ASIDE = {"mut", "const", "final", "dyn", "impl", "ref", "memory", "calldata", "static"}


def derive(rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
    """Return every function as an item, and groups of functions with one signature, of different files, as contexts.

    The *signature* is the parameter types in any order (of an untyped parameter, its name) and the return type;
    references, lifetimes and `const`-ness aside. One without parameters and result says nothing and is in no context.
    Unlike structure, from which negatives come, is another *outline*: whether there is a receiver (`self`, `this`),
    the number of other parameters, and the head of the return type (`Result` of `Result<String>`).
    Functions are split by file. The text holds the signature, which is the content that is to be compared, among
    the names and paths that are to be looked through.
    """
    items: list[Item] = []
    alike: dict[object, list[Item]] = defaultdict(list)
    outlines: dict[str, set[str]] = defaultdict(set)
    for function in read_functions(rows[FUNCTIONS.name]):
        text = function_text(function.name, function.file, function.told_parameters(), function.returned)
        item = Item("function", text, file=function.file, identity=function.identity)
        types, returned = signature_shape(function)
        items.append(item)
        outlines[text].add(_outline(types, returned))
        if returned or set(types) - {"self", "this"}:
            alike[types, returned].append(item)
    contexts = [context for group in alike.values() for context in contexts_across_files(group, options.splits)]
    return PairData(items, contexts, outlines)


def signature_shape(function: Function) -> tuple[tuple[str, ...], str]:
    """Return the types of the parameters, sorted, and the return type, as compared by `derive`."""
    type_first = PurePosixPath(function.file).suffix.lower() in TYPE_FIRST
    types = (_parameter_type(parameter, type_first) for parameter in function.parameters)
    return tuple(sorted(types)), _plain_type(function.returned)


def _parameter_type(parameter: str, type_first: bool) -> str:
    declared = re.split(r"(?<![=!<>:])=(?![=>])", parameter)[0].strip()
    _, colon, kind = declared.partition(":")
    if colon and not kind.startswith(":"):
        return _plain_type(kind)
    words = declared.split()
    if len(words) < 2 or words[-1] in {"self", "this"}:
        return _plain_type(declared)
    return _plain_type(" ".join(words[:-1] if type_first else words[1:]))


def _plain_type(kind: str) -> str:
    return " ".join(token for token in _TOKEN.findall(_LIFETIME.sub("", kind)) if token not in _ASIDE)


def _outline(types: Sequence[str], returned: str) -> str:
    receiver = any(kind in {"self", "this"} for kind in types)
    return f"{receiver} {len(types) - receiver} {returned.split(' ')[0]}"


AST_SIMILAR = PairType(
    name="ast_similar",
    purpose="functions with a similar signature",
    source=FUNCTIONS,
    derive=derive,
    version=3,
    missing="functions with one signature in different files (code.function events)",
    teaches_corpus_model=True,
)
