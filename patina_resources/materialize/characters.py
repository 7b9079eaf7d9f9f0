"""The characters of a file that somebody wrote, in whatever encoding."""

# What `surrogateescape` makes of a byte that is no UTF-8 -> what the byte is in Latin-1.
_LATIN_1 = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}


def characters(content: bytes) -> str:
    """Return a text in UTF-8; a byte that is none is taken for Latin-1, as in files of another time. Never raises."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("utf-8", "surrogateescape").translate(_LATIN_1)
