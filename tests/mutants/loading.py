"""How a changed source takes the place of a module: in the functions that are there, or when it is imported."""

import ast
import gc
import importlib.abc
import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from changes import Change

# The qualified name of a function, and its first line.
Place = tuple[str, int]


class ChangedModule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the changed source of one module to whoever imports it."""

    def __init__(self, root: Path, path: str, source: str) -> None:
        self._file, self._source = root / path, source
        self._name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        folders = [str(self._file.parent)] if self._file.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            fullname, self._file, loader=self, submodule_search_locations=folders
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, str(self._file), "exec", dont_inherit=True), module.__dict__)


class Functions:
    """The functions of one source file that this process has imported."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._source = file.read_text("utf-8")
        self._there: defaultdict[Place, list[FunctionType]] = defaultdict(list)
        for found in gc.get_objects():
            if type(found) is FunctionType and found.__code__.co_filename == str(file):
                self._there[_place(found.__code__)].append(found)

    def change(self, change: Change) -> bool:
        """Give a function the code that it has in a changed source; return whether it is there."""
        place = place_of(self._source, change.line)
        if place is None or place not in self._there:
            return False
        changed = compile(change.source, str(self._file), "exec", dont_inherit=True)
        (code,) = [code for code in _inside(changed) if _place(code) == place]
        if any(function.__code__.co_freevars != code.co_freevars for function in self._there[place]):
            return False
        for function in self._there[place]:
            function.__code__ = code
        return True


def place_of(source: str, line: int) -> Place | None:
    """Return the outermost function whose body has a line; None where what stands there runs at import."""
    names: list[str] = []
    statements = ast.parse(source).body
    while True:
        around = [node for node in statements if node.lineno <= line <= (node.end_lineno or 0)]
        match around:
            case [ast.ClassDef(name, body=body)]:
                names.append(name)
                statements = body
            case [ast.FunctionDef(name, body=[first, *_]) as node] if node.lineno < first.lineno <= line:
                decorators = (decorator.lineno for decorator in node.decorator_list)
                return ".".join([*names, name]), min([node.lineno, *decorators])
            case _:
                return None


def _place(code: CodeType) -> Place:
    return code.co_qualname, code.co_firstlineno


def _inside(code: CodeType) -> Iterator[CodeType]:
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield part
            yield from _inside(part)
