"""Where models are: the user's own cache, and before it a shared one that `PATINA_HOME` names.

A mothership that belongs to somebody else, or that cannot be written to, is read and never written. What its user adds
goes to the user's own folder, and that comes first: nobody else can change what a user has added.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.models.lock import LockRecord, read_lock
from patina_resources.models.references import shown_key
from patina_resources.store.mothership import Mothership

# How an older Patina names models in models.lock and in the cache, and what they are called now.
OLDER_KEYS: Mapping[str, str] = {
    "bge-small-en-v1-5": "bge-small-en-v1.5",
    "bge-base-en-v1-5": "bge-base-en-v1.5",
    "nomic-embed-text-v1-5": "nomic-embed-text-v1.5",
}


@dataclass(frozen=True)
class Recorded:
    """A model's record, and where it is.

    Attributes:
        store: The mothership that has it.
        record: Its provenance.
        key: Its key in that models.lock, and the name of its folder: `ModelSpec.key`, or an older one.
    """

    store: Mothership
    record: LockRecord
    key: str

    @property
    def folder(self) -> Path:
        """Where its files are, if they are there."""
        return self.store.model_folder(self.key)


def own_store(mothership: Mothership) -> Mothership | None:
    """Return the mothership that this user adds models to; None where there is no folder for it."""
    try:
        return Mothership(mothership.own)
    except PatinaError:
        return None


def stores(mothership: Mothership) -> tuple[Mothership, ...]:
    """Return the motherships to look for models in: the user's own, then the shared one where that is another."""
    own = own_store(mothership)
    return (mothership,) if own in (None, mothership) else (own, mothership)


def all_records(mothership: Mothership) -> dict[str, Recorded]:
    """Return every record by `ModelSpec.key`; of two of one key, the one whose files are there, the user's own first.

    A record that an older Patina made under another name counts as one of the model that it means.

    Raises:
        PatinaError: A models.lock is damaged.
    """
    found: dict[str, Recorded] = {}
    for store in stores(mothership):
        records = read_lock(store.models_lock)
        for written in sorted(records, key=OLDER_KEYS.__contains__):  # today's names first
            key, candidate = OLDER_KEYS.get(written, written), Recorded(store, records[written], written)
            if key not in found or (candidate.folder.is_dir() and not found[key].folder.is_dir()):
                found[key] = candidate
    return found


def find_record(mothership: Mothership, key: str) -> Recorded | None:
    """Return one model's record, as `all_records` does.

    Raises:
        PatinaError: A models.lock is damaged.
    """
    return all_records(mothership).get(key)


def plain_folder(store: Mothership, key: str) -> Path:
    """Return a model's folder, whether or not it exists.

    Raises:
        PatinaError: It, or a folder between it and the cache, is a link: it would lead out of the cache.
    """
    return _without_links(store, store.model_folder(key), key)


def plain_incoming_folder(store: Mothership, key: str) -> Path:
    """Return where a model's files are made, whether or not that exists.

    Raises:
        PatinaError: It, or a folder between it and the cache, is a link.
    """
    return _without_links(store, store.incoming_folder(key), key)


def _without_links(store: Mothership, folder: Path, key: str) -> Path:
    place = store.models
    for part in folder.relative_to(store.models).parts:
        place /= part
        if place.is_symlink():
            raise PatinaError(
                f"model {shown_key(key)}: {place} is a link: expected a folder, since models are not looked for "
                "outside of the cache: put the files themselves there, or delete the link and add the model again"
            )
    return folder
