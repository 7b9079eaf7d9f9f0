"""SQLite files of a few pages that hold more rows than could ever be read: pages reached by many ways."""

import sqlite3
import struct
from contextlib import closing
from pathlib import Path

PAGE = 4096
WAYS = 250
LEVELS = 4


def endless_table(path: Path, name: str) -> None:
    """Have a table or index of a database with pages of 4 KiB hold its rows millions of times."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (root,) = connection.execute(query, (name,)).fetchone()
    data = bytearray(path.read_bytes())
    leaf = bytes(data[(root - 1) * PAGE : root * PAGE])
    is_index = leaf[0] in (2, 10)
    data += leaf
    for _ in range(LEVELS):
        data += _interior(len(data) // PAGE, is_index=is_index)
    data[(root - 1) * PAGE : root * PAGE] = data[-PAGE:]
    del data[-PAGE:]
    struct.pack_into(">I", data, 28, len(data) // PAGE)
    path.write_bytes(data)


def endless_schema(path: Path) -> None:
    """Have the schema of a database with a table `aa` repeat the entry of an index of its own, endlessly."""
    data = bytearray(path.read_bytes())
    first = bytes(data[:PAGE])
    cells, start = struct.unpack_from(">HH", first, 103)
    moved = bytearray(PAGE)
    moved[:8] = first[100:108]
    moved[8 : 8 + 2 * cells] = first[108 : 108 + 2 * cells]
    moved[start:] = first[start:]
    row = _record((b"index", b"sqlite_autoindex_aa_1", b"aa"))
    data += moved
    own = len(data) // PAGE
    data += _page(13, [_varint(len(row)) + _varint(1000 + key) + row for key in range(60)], b"")
    for _ in range(LEVELS):
        data += _interior(len(data) // PAGE, is_index=False)
    top = struct.pack(">I", own) + _varint(500)
    data[100:PAGE] = _page(5, [top], struct.pack(">I", len(data) // PAGE), offset=100)[100:]
    struct.pack_into(">I", data, 28, len(data) // PAGE)
    path.write_bytes(data)


def _interior(child: int, *, is_index: bool) -> bytes:
    """Return a page all of whose children are one page."""
    key = _record((b"k",)) if is_index else b""
    keys = [_varint(len(key)) + key if is_index else _varint(10**6 + number) for number in range(WAYS)]
    return _page(2 if is_index else 5, [struct.pack(">I", child) + key for key in keys], struct.pack(">I", child))


def _page(kind: int, cells: list[bytes], right: bytes, offset: int = 0) -> bytes:
    page = bytearray(PAGE)
    place, places = PAGE, []
    for cell in cells:
        place -= len(cell)
        page[place : place + len(cell)] = cell
        places.append(place)
    head = struct.pack(">BHHHB", kind, 0, len(cells), place, 0) + right
    body = head + b"".join(struct.pack(">H", entry) for entry in places)
    assert offset + len(body) <= place
    page[offset : offset + len(body)] = body
    return bytes(page)


def _record(texts: tuple[bytes, ...]) -> bytes:
    """Return a row of texts, of the page number 5, and NULL."""
    types = b"".join(_varint(13 + 2 * len(text)) for text in texts) + b"\x01\x00"
    return bytes([len(types) + 1]) + types + b"".join(texts) + b"\x05"


def _varint(number: int) -> bytes:
    out = [number & 0x7F]
    number >>= 7
    while number:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    return bytes(reversed(out))
