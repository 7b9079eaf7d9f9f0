"""What the environment says of the network, checked before a client reads it and fails in its own way."""

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from patina_resources.errors import PatinaError, shown, shown_path

ENDPOINT_VARIABLE = "HF_ENDPOINT"
CA_VARIABLE = "SSL_CERT_FILE"
# Read as numbers when huggingface_hub is imported.
TIMEOUT_VARIABLES = ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT")
PROXIED = ("http", "https", "all")


class HubUnavailableError(PatinaError):
    """The hub cannot be reached, or does not give the file; another source may have it."""


def check_network_settings() -> None:
    """Return if a client can make sense of the endpoint, the proxies, the certificates and the time-outs that are set.

    Raises:
        HubUnavailableError: It cannot; names the variable, but no user and password in it.
    """
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    if endpoint and not _is_url(endpoint):
        raise HubUnavailableError(f"{ENDPOINT_VARIABLE} is no URL: expected one such as https://hub.example.org")
    for name in TIMEOUT_VARIABLES:
        value = os.environ.get(name)
        if value and not (value.isascii() and value.isdigit()):
            raise HubUnavailableError(f"{name} is {shown(value)}: expected a whole number of seconds")
    proxies = getproxies()
    for scheme in PROXIED:
        if proxies.get(scheme):
            _check_proxy(f"{scheme.upper()}_PROXY", proxies[scheme])
    if certificates := os.environ.get(CA_VARIABLE):
        _check_certificates(certificates)


def _check_certificates(path: str) -> None:
    if not Path(path).is_file():
        raise HubUnavailableError(f"{CA_VARIABLE} is {shown_path(path)}: no such file: expected one of certificates")
    try:
        ssl.create_default_context(cafile=path)
    except OSError:  # an error of TLS is one, too
        raise HubUnavailableError(
            f"{CA_VARIABLE} is {shown_path(path)}: no certificate can be read from it: expected a file of them (PEM)"
        ) from None


def _check_proxy(variable: str, value: str) -> None:
    expected = "expected http://host:port or https://host:port"
    address = value if "://" in value else f"http://{value}"
    if address.lower().startswith("socks"):
        raise HubUnavailableError(f"{variable} names a SOCKS proxy, which is not supported: {expected}")
    if not _is_url(address):
        raise HubUnavailableError(f"{variable} is no address of a proxy: {expected}")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
