"""Installations of users: each has a key, by which it knows what it built itself."""

from pathlib import Path

# Of all tests that do not say otherwise, so that what one fixture builds is every test's own.
KEY = "11" * 32
OTHER_KEY = "22" * 32


def give_key(home: Path, key: str = KEY) -> Path:
    """Make a mothership with a key, and return it."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "key"
    path.touch(0o600)
    path.write_text(key)
    return home
