"""A real Chromium without a window, driven over its DevTools protocol."""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--window-size=1680,1050",
    "--hide-scrollbars",
]
# A busy machine is slow; what takes this long has failed.
PATIENCE_SECONDS = 400.0


class Page:
    """One page of the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._last = connection, 0
        self.call("Page.enable")
        self.call("Runtime.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return the answer to a command of the protocol."""
        self._last += 1
        self._connection.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(timeout=PATIENCE_SECONDS))
            if answer.get("id") == self._last:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    def value(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)

    def text(self) -> str:
        """Return the text of the page."""
        return str(self.value("document.body ? document.body.innerText : ''"))

    def wait_for_texts(self, *words: str) -> str:
        """Return the text of the page once all these are in it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while missing := [word for word in words if word not in (text := self.text())]:
            assert time.monotonic() < deadline, f"waited for {missing} in: {text[:3000]}"
            time.sleep(0.3)
        return text

    def click(self, label: str, tag: str = "button,a,[role=button],[role=tab],[role=menuitem]") -> None:
        """Click the first visible element whose text is or begins with `label`."""
        script = f"""(() => {{
            const fits = [...document.querySelectorAll({json.dumps(tag)})].filter(e => e.offsetParent !== null);
            const found = fits.find(e => e.innerText.trim() === {json.dumps(label)})
                || fits.find(e => e.innerText.trim().startsWith({json.dumps(label)}));
            if (found) found.click();
            return Boolean(found);
        }})()"""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.value(script):
            assert time.monotonic() < deadline, f"nothing to click says {label!r}: {self.text()[:2000]}"
            time.sleep(0.3)

    def show(self, element: str) -> None:
        """Scroll a page until what a JavaScript expression returns is at its top, once there is such an element."""
        script = f"(e => (e && e.scrollIntoView({{block: 'start', inline: 'nearest'}}), Boolean(e)))({element})"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.value(script):
            assert time.monotonic() < deadline, f"there is no {element} in: {self.text()[:2000]}"
            time.sleep(0.3)

    def settle(self) -> None:
        """Wait until nothing that is seen has changed for a second; what never rests is waited for 20 s at most."""
        seen, since, deadline = "", time.monotonic(), time.monotonic() + 20
        while time.monotonic() - since < 1 and time.monotonic() < deadline:
            if (now := self._picture()) != seen:
                seen, since = now, time.monotonic()
            time.sleep(0.2)

    def screenshot(self, path: Path) -> None:
        """Save what is seen as PNG, once it has settled."""
        self.settle()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self._picture()))

    def _picture(self) -> str:
        return str(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def browser(folder: Path, *options: str) -> Iterator[Page]:
    """Yield a page of a new browser with its own profile in `folder`, started with more options."""
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [CHROMIUM, *OPTIONS, *options, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port_file = folder / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not port_file.exists() or "\n" not in port_file.read_text():
            assert time.monotonic() < deadline, "the browser did not start"
            time.sleep(0.2)
        port = port_file.read_text().splitlines()[0]
        with connect(f"ws://127.0.0.1:{port}{_page_path(int(port))}", max_size=None) as connection:
            yield Page(connection)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _page_path(port: int) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
            pages = [entry for entry in json.loads(answer.read()) if entry["type"] == "page"]
        if pages:
            return str(pages[0]["webSocketDebuggerUrl"]).split(str(port), 1)[1]
        assert time.monotonic() < deadline
        time.sleep(0.2)
