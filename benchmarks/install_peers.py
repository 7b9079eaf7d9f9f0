"""Install the peers of `make bench` beside Patina, one by one; of one that cannot be installed, print the reason.

    .venv-bench/bin/python benchmarks/install_peers.py

They are the optional extra `bench` of pyproject.toml, and those whose own requirements disagree with Patina's:
fastembed is installed without what it does not need, and dvc, which is only a command, into an environment of its own.
"""

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# fastembed asks for an older huggingface-hub than Patina does, but embeds without it: what it needs else is named here.
WITHOUT_DEPENDENCIES = {"fastembed==0.9.1": ("loguru", "mmh3", "pillow", "py-rust-stemmers", "requests", "tqdm")}
APART = "dvc==3.67.1"
REASON_LINES = 3


def main() -> None:
    """Install what can be installed."""
    peers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["bench"]
    for peer in peers:
        _install(peer, peer)
    for peer, needs in WITHOUT_DEPENDENCIES.items():
        if _install(peer, *needs):
            _install(peer, "--no-deps", peer)
    folder = Path(sys.prefix) / APART.partition("=")[0]
    venv.create(folder, with_pip=True)
    _pip(folder / "bin" / "python", APART, APART)


def _install(peer: str, *arguments: str) -> bool:
    """Return whether pip installed something for a peer beside Patina, whose own packages keep their versions."""
    return _pip(Path(sys.executable), peer, "--constraint", str(ROOT / "constraints.txt"), *arguments)


def _pip(python: Path, peer: str, *arguments: str) -> bool:
    """Return whether pip succeeded; if not, say why."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")][:REASON_LINES]
        print(f"skipped {peer}: {' '.join(reasons) or 'pip failed'}", flush=True)
    return not done.returncode


if __name__ == "__main__":
    main()
