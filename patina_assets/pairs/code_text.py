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
