"""Which version of a package is installed."""

OWN_PACKAGE = "patina-assets"


def installed_version(package: str = OWN_PACKAGE) -> str | None:
    """Return the version of a package; None where it is not installed, as a program that is run from its sources."""
    from importlib.metadata import PackageNotFoundError, version  # where nobody asks for it, nobody waits for it

    try:
        return version(package)
    except PackageNotFoundError:
        return None
