"""Where tests put what many files make: in memory, where there is room."""

import os
import shutil
from pathlib import Path

MEMORY, ROOM = Path("/dev/shm"), 4 << 30
# A build, git, Dagster and Postgres sync and remove thousands of files: on a disk that takes more time than the rest.
HAS_ROOM = (
    os.access(MEMORY, os.W_OK)
    and shutil.disk_usage(MEMORY).free > ROOM
    and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC  # as in a container: tests start programs that they write
)
# A short path, which every user may enter.
PLACE = MEMORY if HAS_ROOM else Path("/tmp")
