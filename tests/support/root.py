"""Where this repository is, however deep a test lies in it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVENTLOGS = ROOT.parent / "shared" / "data"
