"""How files and functions read as text: what is embedded for them and shown in results."""

from pathlib import PurePosixPath

LANGUAGES = {
    ".c": "C", ".h": "C header", ".cc": "C++", ".cpp": "C++", ".hpp": "C++ header", ".cs": "C#", ".css": "CSS",
    ".go": "Go", ".html": "HTML", ".java": "Java", ".js": "JavaScript", ".jsx": "JavaScript", ".kt": "Kotlin",
    ".lua": "Lua", ".php": "PHP", ".pl": "Perl", ".py": "Python", ".rb": "Ruby", ".rs": "Rust", ".scala": "Scala",
    ".sh": "shell", ".sol": "Solidity", ".sql": "SQL", ".swift": "Swift", ".ts": "TypeScript", ".tsx": "TypeScript",
    ".zig": "Zig",
}  # fmt: skip
DOCUMENTS = {
    ".md": "Markdown document", ".rst": "reStructuredText document", ".txt": "text", ".json": "JSON data",
    ".yaml": "YAML settings", ".yml": "YAML settings", ".toml": "TOML settings", ".lock": "lock file",
    ".ini": "settings", ".xml": "XML data", ".csv": "CSV data", ".svg": "picture", ".png": "picture",
}  # fmt: skip
# How a type's `kind` is written where it is no word of its own.
KINDS = {"const": "constant", "static": "constant", "type": "type alias"}
# No name is longer.
MOST_TOLD = 1_000


def normal_path(path: str) -> str:
    """Return a repository path without a leading `./`."""
    return path[2:] if path.startswith("./") else path


def normal_path_sql(column: str) -> str:
    """Return `normal_path` of a column as an SQL expression."""
    return f"CASE WHEN {column} LIKE './%' THEN substr({column}, 3) ELSE {column} END"


def file_text(path: str) -> str:
    """Return the text of a file, such as `File: src/eventlog.rs (Rust source)`."""
    suffix = PurePosixPath(path).suffix.lower()
    kind = f"{LANGUAGES[suffix]} source" if suffix in LANGUAGES else DOCUMENTS.get(suffix, "file")
    return f"File: {path} ({kind})"


def function_text(name: str, path: str, parameters: str = "", returned: str = "") -> str:
    """Return the text of a function, such as `Function: read_recipe(path) -> Recipe in recipe/model.py`."""
    result = f" -> {returned}" if returned else ""
    return f"Function: {name}({parameters}){result} in {path}"


def type_text(kind: str, name: str, path: str) -> str:
    """Return the text of a class, constant or the like, such as `Class: Trainer in learning/train.py`."""
    return f"{KINDS.get(kind, kind).capitalize()}: {name} in {path}"


def told_name(text: str) -> str:
    """Return the name in a text of `function_text` or `type_text`; "" where there is none."""
    _, _, told = text[:MOST_TOLD].partition(": ")
    return min(told.partition("(")[0], told.partition(" in ")[0], key=len)
