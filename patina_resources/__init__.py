"""The outside world: project files, eventlog, models, caches, artifacts. Never imports `patina_assets`."""

import os

# onnxruntime (since 1.31) reports usage to its maker when it is imported, unless this is set before: nothing of a
# project leaves the machine unasked.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
