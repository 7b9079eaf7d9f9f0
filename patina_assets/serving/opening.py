"""Opens the search page in the user's browser, without the secret in the list of processes."""

import os
import sys
import webbrowser
from html import escape
from pathlib import Path

from patina_resources.store.folders.runtime import write_secret


def open_page(folder: Path, address: str) -> None:
    """Open an address in the browser of a graphical desktop; do nothing where there is none.

    Args:
        folder: A private folder. A page there leads to the address: a command line can be read by everybody.
        address: The address, with the secret.
    """
    if sys.platform != "darwin" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    page = folder / "open.html"
    write_secret(page, f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(address)}">\n')
    webbrowser.open(page.as_uri())
