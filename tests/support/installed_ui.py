"""Opens the web UI of an installed Patina: `python installed_ui.py PATINA PROJECT`, as `make wheel` does."""

import sys
from pathlib import Path

from ui_server import serving


def main() -> None:
    """Serve a project until its assets are there, and end it as Ctrl-C does.

    Raises:
        SystemExit: Something of it ran from elsewhere.
    """
    patina, project = Path(sys.argv[1]).absolute(), Path(sys.argv[2])
    log = patina.parent / "ui.log"

    def command(port: int) -> list[str]:
        return [str(patina), "ui", "--no-browser", "--port", str(port)]

    with serving(command, log, project, {"PYTHONPATH": ""}) as ui:
        assets = ui.wait_for(ui.badges, "the assets")
        python = [line for line in ui.processes().values() if "python" in line.split()[0]]
    elsewhere = [line for line in python if not line.startswith(str(patina.parent))]
    if elsewhere:
        sys.exit(f"run from elsewhere: {elsewhere}")
    print(f"the web UI shows {len(assets)} assets")


if __name__ == "__main__":
    main()
