"""Coverage-guided fuzzing of the parsers that read what people write: `python tests/fuzz/fuzz.py TARGET [OPTIONS]`.

Options are libFuzzer's (https://llvm.org/docs/LibFuzzer.html#options). What a parser may do with any bytes: return a
value that can be stored, or raise a `PatinaError` of one line. Anything else ends the run and leaves its input behind.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

SLOWEST_INPUT_SECONDS = 10
LONGEST_INPUT_BYTES = 4096

with atheris.instrument_imports(include=["patina_assets", "patina_resources", "yaml"]):
    from patina_assets.pairs.types import pair_types_by_source
    from patina_assets.recipe.reader import read_recipe
    from patina_resources.errors import PatinaError
    from patina_resources.materialize.notes.note_file import file_events

RECIPES = (
    b"version: 2\nembedding_model: corpus-static\nprojections:\n  temporal:\n    layers: [1024, 256]\n    training:\n"
    b"      source: git.co_changes\n      pair_type: co_changed\n      epochs: 10\n      learning_rate: 1e-4\n",
    b"version: 1\nembedding_model: all-minilm-l6-v2\nprojections:\n  state-encoder:\n    type: world-model\n"
    b"    layers: [384, 1024, 256]\n    training: {source: git.transitions, pair_type: state_similarity, epochs: 3}\n",
    b"version: 2\nprojections:\n  semantic: {layers: [32, 16], epochs: 2, batch_size: 64, loss: triplet, margin: .2}\n",
    b"a: &x [1]\nb: *x\n? [c]\n: !!str |\n  text\n--- {}\n",
)
SESSIONS = (
    b"# Session: Parse recipes\n**ID**: 20250102-030405\n**Started**: 2025-01-02T03:04:05Z\n**Git Branch**: work\n\n"
    b"## Goals\n- [x] read it\n- [ ] test it\n\n## Activity Log\n### 05:57 - Started\nA paragraph\n- an item\n\n"
    b"**Key Decisions:**\n- one - because\n\n**Patterns Observed:**\n* two\n\n## Previous Session Context\ntext\n"
    b"## Work Completed\n1. three\n\n```\ncode\n```\n## Session Classification\n- Work Type: exploration\n",
    b"---\nid: a\ntitle: 'b'\ncreated: 2025-01-02T03:04:05Z\ngit:\n  branch: work\n  commits_made: 3\n---\n# Title\n"
    b"## Decisions\n- c\n",
    b"\x01# 1. Record decisions\nDate: 2025-01-01\n\n## Status\nAccepted\n\n## Context\nWhy.\n\n## Decision\nThis.\n"
    b"\n## Consequences\nThat.\n",
)
NAMES = ("20250102-030405", "2025-01-01-notes", "99999999-999999", "notes")


def recipe(data: bytes) -> None:
    """Read a recipe file of these bytes."""
    path = SCRATCH / "oxidize.yaml"
    path.write_bytes(data)
    try:
        read_recipe(path, PAIR_TYPES)
    except PatinaError as error:
        assert_one_line(str(error))


def session(data: bytes) -> None:
    """Read a session file, or a decision record, of these bytes; the first byte says which, and the file's name."""
    kind = data[0] if data else 0
    file = f"layer/sessions/{NAMES[(kind >> 1) % len(NAMES)]}.md"
    events, problem = file_events(file, data[1:].decode("utf-8", "replace"), bool(kind & 1), "2025-01-01T00:00:00Z")
    assert "\n" not in problem
    for event in events:
        json.loads(event.data)
        event.data.encode()
        assert_one_line(event.timestamp)


def assert_one_line(sentence: str) -> None:
    """Check that a sentence can be printed as one line."""
    assert sentence.strip()
    assert len(sentence.splitlines()) == 1, repr(sentence)
    sentence.encode()


TARGETS: dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
    "recipe": (recipe, RECIPES),
    "session": (session, tuple(b"\x00" + text if text[0] > 1 else text for text in SESSIONS)),
}
DICTIONARY = (
    *(name for source, kinds in pair_types_by_source().items() for name in (source, *kinds)),
    *("version", "embedding_model", "projections", "layers", "training", "source", "pair_type", "epochs", "pairs"),
    *("batch_size", "learning_rate", "loss", "margin", "temperature", "seed", "world-model", "semantic", "temporal"),
    *("&a", "*a", "!!", "!<", "<<:", "%YAML", "%TAG", "---", "...", "|", ">", "? ", ".nan", ".inf", "1e999", "~"),
    *("\\x00", "\\uD800", "\\U0010FFFF", "\0", "\ufeff", "\x85", "\u2028", "\x1b[2J"),
    *("## Goals", "- [x] ", "**Key Decisions:**", "**Patterns Observed:**", "## Work Completed", "## Activity Log"),
    *(
        "## Previous Session Context",
        "## Decision Outcome",
        "**Started**: ",
        "Files Changed: ",
        "```",
        "\n---\n",
        "title: ",
        "git:\n  branch: ",
    ),
)

if __name__ == "__main__":
    atheris.enabled_hooks.add("RegEx")
    one, seeds = TARGETS[sys.argv[1]]
    PAIR_TYPES = pair_types_by_source()
    corpus = Path("build") / "fuzz" / sys.argv[1]
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    dictionary = corpus.parent / "words.dict"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in DICTIONARY)
    dictionary.write_text("".join(f'"{word}"\n' for word in escaped))
    with tempfile.TemporaryDirectory() as folder:
        SCRATCH = Path(folder)
        options = [f"-dict={dictionary}", f"-timeout={SLOWEST_INPUT_SECONDS}", f"-max_len={LONGEST_INPUT_BYTES}"]
        options += [f"-artifact_prefix={corpus.parent}/{sys.argv[1]}-", *sys.argv[2:], str(corpus)]
        atheris.Setup([sys.argv[0], *options], one)
        atheris.Fuzz()
