"""Which files hold text that somebody wrote and no language here reads: settings, scripts, templates, grammars.

Nothing is parsed: a `code.file` event says which content they have, so that search can read their text. Data and files
that often hold secrets, by their names, are left out, and so is text with a private key or a service's token in it.
"""

import re
from pathlib import PurePosixPath

LANGUAGE = "text"
# What is longer was seldom written by hand.
MOST_BYTES = 64 << 10
MOST_JSON_BYTES = 8 << 10
_NAMES = frozenset({
    "brewfile", "cmakelists.txt", "codeowners", "containerfile", "dockerfile", "earthfile", "gemfile", "gnumakefile",
    "jenkinsfile", "justfile", "makefile", "podfile", "procfile", "rakefile", "vagrantfile", "build", "workspace",
})  # fmt: skip
# Settings and recipes of builds; scripts; templates and pages; grammars, schemas and queries; other languages.
_SUFFIXES = frozenset({
    ".cfg", ".cmake", ".conf", ".dockerfile", ".editorconfig", ".gradle", ".gemspec", ".ini", ".just", ".mk", ".mod",
    ".nix", ".properties", ".toml", ".xml", ".yaml", ".yml", ".ac", ".am", ".bat", ".bazel", ".bzl", ".cmd", ".hcl",
    ".in", ".m4", ".rake", ".rego", ".ru", ".tf", ".awk", ".bash", ".elv", ".expect", ".fish", ".nu", ".ps1", ".psm1",
    ".sed", ".sh", ".tcl", ".xsh", ".zsh", ".css", ".ejs", ".erb", ".haml", ".hbs", ".html", ".j2", ".jinja",
    ".jinja2", ".less", ".liquid", ".mustache", ".pug", ".sass", ".scss", ".slim", ".svelte", ".tmpl", ".tpl", ".txt",
    ".vue", ".abnf", ".asn", ".avdl", ".bnf", ".capnp", ".cue", ".dhall", ".ebnf", ".fbs", ".g4", ".gql", ".graphql",
    ".l", ".lark", ".lex", ".ll", ".peg", ".pest", ".proto", ".sql", ".thrift", ".y", ".yy", ".yacc", ".adb", ".clj",
    ".cljs", ".coffee", ".cr", ".cu", ".d", ".dart", ".edn", ".el", ".erl", ".ex", ".exs", ".f90", ".fs", ".fsx",
    ".glsl", ".groovy", ".hrl", ".hs", ".jl", ".jq", ".kt", ".kts", ".lisp", ".lua", ".ml", ".mli", ".mm", ".nim",
    ".pas", ".pl", ".pm", ".pp", ".pro", ".r", ".rkt", ".s", ".scm", ".sol", ".sv", ".swift", ".vb", ".vhd",
    ".vim", ".wgsl", ".zig",
})  # fmt: skip
_JSON = frozenset({".json", ".json5", ".jsonc"})
# What tests read, what builds write, and what this program writes itself.
_FOLDERS_LEFT_OUT = frozenset({
    "__fixtures__", "__snapshots__", "data", "fixtures", "golden", "spec", "specs", "test", "testdata", "tests",
    "_site", "build", "dist", "out", "public", "target", ".patina",
})  # fmt: skip
# Settings and scripts that such a name stands on: a page or a schema of secrets holds none.
_SECRET_SUFFIXES = frozenset({
    ".bash", ".bat", ".cfg", ".cmd", ".conf", ".edn", ".fish", ".hcl", ".in", ".ini", ".json", ".json5", ".jsonc",
    ".mk", ".properties", ".ps1", ".sh", ".tf", ".toml", ".txt", ".xml", ".yaml", ".yml", ".zsh",
})  # fmt: skip
_SECRET_NAME = re.compile(
    r"^env\.|\.env\.|^(?:auth|keystore|tokens?|vault)\.\w++$|(?:^|[._-])(?:secrets?|credentials?|creds|passwords?|passwd|"
    r"htpasswd|kube[_-]?config|netrc|npmrc|pypirc|id_(?:rsa|dsa|ecdsa|ed25519)|tfvars|tfstate|service[_-]account|"
    r"api[_-]?keys?|private[_-]?keys?)(?=[._-])"
)
_SECRET_FOLDERS = frozenset({".aws", ".docker", ".gnupg", ".kube", ".secrets", ".ssh", "secrets"})
# In a file of its own, in YAML, or in a string of JSON. A program that looks for one holds no letters of it.
_HELD_KEY = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr]){1,64}+[A-Za-z0-9+/=]{16}"
    rb"|^[ \t]*+(?:client-key-data|private[_-]key):[ \t]*+[\"\']?[A-Za-z0-9+/=]{40}"
    # As AWS, GitHub, GitLab, Slack, Google, npm and services for models write theirs.
    rb"|\b(?:A(?:KIA|SIA)[0-9A-Z]{16}\b|gh[opsru]_[A-Za-z0-9]{36}|github_pat_\w{40}|glpat-[\w-]{20}|xox[abprs]-[\w-]{20}"
    rb"|AIza[\w-]{35}|npm_[A-Za-z0-9]{36}|sk-(?:ant|proj)-[\w-]{32}|sk-[A-Za-z0-9]{32})",
    re.MULTILINE,
)


def is_plain_text(path: str) -> bool:
    """Return whether a file is likely to be such a text, by its name."""
    folders = PurePosixPath(path.lower()).parts[:-1]
    if _FOLDERS_LEFT_OUT.intersection(folders):
        return False
    name = PurePosixPath(path).name.lower()
    suffix = PurePosixPath(name).suffix
    if suffix in _SECRET_SUFFIXES and (_SECRET_NAME.search(name) or _SECRET_FOLDERS.intersection(folders)):
        return False
    return name in _NAMES or name.partition(".")[0] in {"dockerfile", "makefile"} or suffix in _SUFFIXES | _JSON


def is_short(path: str, size: int) -> bool:
    """Return whether a text of so many bytes is likely to be written by hand."""
    is_json = PurePosixPath(path).suffix.lower() in _JSON
    return size <= (MOST_JSON_BYTES if is_json else MOST_BYTES)


def holds_key(content: bytes) -> bool:
    """Return whether a private key, or a token of a known form, stands in a text."""
    return _HELD_KEY.search(content) is not None
