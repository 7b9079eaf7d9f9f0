"""Digests of files at rest, noted in a file for the next process: most files of a project stay for months.

The note carries a keyed digest: one that came with a repository would be believed otherwise.
"""

import json
from contextlib import suppress
from pathlib import Path

from patina_resources.documents.json_value import json_value
from patina_resources.errors import PatinaError
from patina_resources.store.files import write_if_changed
from patina_resources.store.known_files import State, believe, digests_at_rest
from patina_resources.store.trust import is_keyed_digest, keyed_digest

PURPOSE = "digests of files"


def note_digests(note: Path) -> None:
    """Note what this process knows of files at rest."""
    content = sorted([*state, digest] for state, digest in digests_at_rest().items())
    document = {"files": content, "keyed_sha256": keyed_digest(PURPOSE, _bytes(content))}
    with suppress(PatinaError):  # what is not noted is hashed again
        write_if_changed(note, json.dumps(document).encode())


def recall_digests(note: Path) -> None:
    """Believe what an earlier process of this installation noted; nothing where the note is damaged or missing."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        document = json_value(note.read_bytes())
        if is_keyed_digest(PURPOSE, _bytes(document["files"]), str(document["keyed_sha256"])):
            believe({_state(entry): str(entry[-1]) for entry in document["files"]})


def _state(entry: list[int]) -> State:
    device, inode, size, written, changed = (int(value) for value in entry[:-1])
    return device, inode, size, written, changed


def _bytes(content: object) -> bytes:
    return json.dumps(content).encode()
