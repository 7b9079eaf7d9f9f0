"""`patina pull` and `patina push`: a build comes from the team's cache, or goes there."""

import sys
import time
from contextlib import redirect_stdout
from dataclasses import asdict

from patina_assets.commands.materialize import materialize
from patina_assets.commands.oxidize import prepare_model
from patina_assets.pipeline.plain_text import json_text
from patina_assets.pipeline.sharing.snapshots import cache_for, cache_of, pull, push
from patina_assets.pipeline.sharing.traffic import traffic_text
from patina_assets.pipeline.trust import admit
from patina_assets.pipeline.workspace import open_workspace
from patina_assets.terminal.output import shown_progress
from patina_assets.terminal.questions import say_on_stderr
from patina_resources.project.project import Project


def print_pull(project: Project, *, as_json: bool) -> int:
    """Fetch what recipe and events ask for, and print what came; a project without events reads its repository first.

    Returns:
        The exit code.

    Raises:
        PatinaError: There is no cache, or it cannot be used. What was fetched until then stays.
    """
    cache_for(project)  # without one, nothing has to be read
    for line in admit(project):
        say_on_stderr(f"patina: {line}")
    started = time.monotonic()
    if not project.eventlog().exists():
        with redirect_stdout(sys.stderr if as_json else sys.stdout):
            materialize(project, only=None, full=False, as_json=False, says_next=False)
    prepare_model(project, may_add=False)
    workspace = open_workspace(project)
    with shown_progress() as report:
        done = pull(workspace, report)
    traffic, seconds = cache_of(workspace).traffic, time.monotonic() - started
    left = [f"{verdict.projection}/{verdict.stage}" for verdict in done.left]
    if as_json:
        told = {"fetched": done.stages, "of_commit": done.commit or None, "left": left, "traffic": asdict(traffic)}
        print(json_text({**told, "seconds": round(seconds, 2)}))
        return 0
    older = f" (the build of commit {done.commit[:12]})" if done.commit else ""
    print(f"fetched {len(done.stages)} stages{older} in {seconds:.1f} s: {traffic_text(traffic)}")
    if left:
        print(f"{len(left)} stages are stale or missing for the events here; next: run `patina oxidize`")
    else:
        print('nothing is left to be built; next: run `patina scry "a question in your own words"`')
    return 0


def print_push(project: Project, *, as_json: bool) -> int:
    """Offer everything that is built, and print what was new; return the exit code.

    Raises:
        PatinaError: There is no cache or no key, nothing is fresh, or the store cannot be written to.
    """
    for line in admit(project):
        say_on_stderr(f"patina: {line}")
    workspace = open_workspace(project)
    with shown_progress() as report:
        done = push(workspace, report)
    traffic = cache_of(workspace).traffic
    if as_json:
        print(json_text({**asdict(done), "traffic": asdict(traffic)}))
        return 0
    state = "new" if done.is_new else "there already"
    print(f"{len(done.new)} stages are new to the cache; the build as a whole is {state}")
    if done.known:
        print(
            f"{len(done.known)} stages were not sent one by one: the cache has them, or they depend on when builds ran"
        )
    print(traffic_text(traffic))
    if done.left_out:
        say_on_stderr(f"patina: not in the build, because something of it is stale: {', '.join(done.left_out)}")
    return 0
