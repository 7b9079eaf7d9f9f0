"""`same_module`: functions of different files of one folder belong together; those of other modules do not."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from patina_assets.pairs.code_text import function_text
from patina_assets.pairs.functions import FUNCTIONS, contexts_across_files, read_functions
from patina_assets.pairs.items import Item
from patina_assets.pairs.pair_type import AS_BUILT, DeriveOptions, PairData, PairType
from patina_resources.eventlog.reader import Row

# No project is deeper; the search for a root must not take the square of what a path may hold.
MOST_LEVELS = 64


def derive(rows: Mapping[str, Sequence[Row]], options: DeriveOptions = AS_BUILT) -> PairData:
    """Return every function as an item, and groups of functions of one folder, of different files, as contexts.

    Negatives are of another top-level module. That is the first folder of a path; where one such folder holds over
    half of all files (`src`), it is a root rather than a module, and its folders are the modules, and so on.
    Functions are split by file. The text names the file but no folder: that is what is to be predicted.
    """
    functions = read_functions(rows[FUNCTIONS.name])
    module_of = top_level_modules({function.file for function in functions})
    items: list[Item] = []
    folders: dict[str, list[Item]] = defaultdict(list)
    modules: dict[str, set[str]] = defaultdict(set)
    for function in functions:
        path = PurePosixPath(function.file)
        text = function_text(function.name, path.name, function.told_parameters(), function.returned)
        item = Item("function", text, file=function.file, identity=function.identity)
        items.append(item)
        folders[str(path.parent)].append(item)
        modules[text].add(module_of[function.file])
    contexts = [context for group in folders.values() for context in contexts_across_files(group, options.splits)]
    return PairData(items, contexts, modules)


def top_level_modules(files: Iterable[str]) -> dict[str, str]:
    """Return the top-level module of each file, as `derive` defines it; a file right in a root is of that root."""
    folders = {file: PurePosixPath(file).parts[:-1][:MOST_LEVELS] for file in files}
    root: tuple[str, ...] = ()
    while True:
        inside = [parts for parts in folders.values() if parts[: len(root)] == root]
        counts = Counter(parts[: len(root) + 1] for parts in inside if len(parts) > len(root))
        ((largest, count),) = counts.most_common(1) or [(root, 0)]
        if count * 2 <= len(folders):
            return {file: _module(parts, root) for file, parts in folders.items()}
        root = largest


def _module(parts: tuple[str, ...], root: tuple[str, ...]) -> str:
    """Return the folder below the deepest of `root` and its parents that the path shares."""
    shared = 0
    while shared < min(len(parts), len(root)) and parts[shared] == root[shared]:
        shared += 1
    return "/".join(parts[: shared + 1]) or "."


SAME_MODULE = PairType(
    name="same_module",
    purpose="functions of the same module",
    source=FUNCTIONS,
    derive=derive,
    version=3,
    missing="folders with functions in different files, in two modules at least (code.function events)",
    teaches_corpus_model=True,
)
