"""The characters of a file that somebody wrote, in whatever encoding."""

# What `surrogateescape` makes of a byte that is no UTF-8 -> its character in Windows-1252: that of Latin-1, but for
# quotes, dashes, the euro and the like, for which Latin-1 has control characters that nobody writes.
_WINDOWS_1252 = {
    0xDC00 + byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0x100)
}  # fmt: skip


def characters(content: bytes) -> str:
    """Return a text in UTF-8; a byte that is none is taken for Windows-1252, as in older files. Never raises."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("utf-8", "surrogateescape").translate(_WINDOWS_1252)
