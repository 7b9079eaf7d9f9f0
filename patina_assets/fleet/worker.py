"""A process that builds repositories of a fleet, one after another, for `patina fleet run`.

    python -m patina_assets.fleet.worker FLEET_FILE

It reads a name from its input, builds, and prints a line of JSON. It ends when its input ends: also when the process
that started it was killed.
"""

import json
import os
import sys
import time
from pathlib import Path

from patina_assets.fleet.building import bring_up_to_date, failure_text
from patina_assets.fleet.memory import fleet_memory
from patina_assets.pipeline.progress import Progress
from patina_resources.fleet.reader import read_fleet
from patina_resources.store.mothership import mothership


def main(file: Path) -> None:
    """Build what is asked for on the standard input."""
    # What a library prints must not be taken for an answer.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        fleet = read_fleet(file, mothership())
        memory = fleet_memory(fleet)
        for line in sys.stdin:
            started, built, failure, notice = time.monotonic(), 0, "", ""
            try:
                for brought in bring_up_to_date(fleet, memory, line.strip(), _silent):
                    built += brought.facts.get("built", 0)
                    notice = notice or brought.notice
            except Exception as error:  # whatever one repository brings about, the others are built
                failure = failure_text(error)
            seconds = round(time.monotonic() - started, 2)
            answer = {"built": built, "seconds": seconds, "failure": failure, "notice": notice}
            print(json.dumps(answer), file=answers, flush=True)


def _silent(_: Progress) -> None:
    """Tell nobody: hundreds of repositories share one terminal."""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
