"""The key of an installation: made once, private, and refused where it is no key."""

import hashlib
import hmac
import os

import pytest
from installations import KEY, OTHER_KEY
from refusals import refusal

from patina_resources.store.mothership import mothership
from patina_resources.store.trust import (
    KEY_BYTES,
    installation,
    installation_key,
    is_keyed_digest,
    keyed_digest,
    trusts_other_installations,
)


def test_a_key_is_made_once_and_is_private() -> None:
    path = mothership().own / "key"
    path.unlink()
    path.parent.rmdir()
    key = installation_key()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (len(key), path.stat().st_mode & 0o777) == (KEY_BYTES, 0o600)
    assert installation_key() == key != bytes.fromhex(KEY)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (KEY[:-2], "the key is damaged: delete it"),
        (KEY + "00", "the key is damaged: delete it"),
        ("", "the key is damaged: delete it"),
        ("not hexadecimal", "the key cannot be read: delete it"),
        ("é" * 32, "the key cannot be read: delete it"),
    ],
)
def test_what_is_no_key_is_refused(content: str, expected: str) -> None:
    path = mothership().own / "key"
    path.write_text(content)
    assert refusal(installation_key).startswith(f"{path}: {expected} (`rm {path}`)")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_key_that_others_can_read_is_refused(mode: int) -> None:
    path = mothership().own / "key"
    path.chmod(mode)
    assert f"run `chmod 600 {path}`" in refusal(installation_key)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused() -> None:
    path = mothership().own / "key"
    os.chown(path, os.geteuid() + 1, -1)
    assert "make sure that it is yours" in refusal(installation_key)


def test_a_keyed_digest_is_of_the_key_the_purpose_and_the_content() -> None:
    digest = keyed_digest("manifest", b"content")
    assert digest == hmac.new(bytes.fromhex(KEY), b"manifest\0content", hashlib.sha256).hexdigest()
    assert is_keyed_digest("manifest", b"content", digest)
    wrong = [("file", b"content", digest), ("manifest", b"other", digest), ("manifest", b"content", "é")]
    assert [is_keyed_digest(*arguments) for arguments in wrong] == [False] * 3
    assert not is_keyed_digest("manifest", b"content", "\ud800")
    name = installation()
    (mothership().own / "key").write_text(OTHER_KEY)
    assert not is_keyed_digest("manifest", b"content", digest)
    assert (len(name), name != installation()) == (12, True)


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("0", False), ("", False), ("yes", False)])
def test_others_are_trusted_where_the_user_says_so(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    assert not trusts_other_installations()
    monkeypatch.setenv("PATINA_TRUST", value)
    assert trusts_other_installations() == expected
