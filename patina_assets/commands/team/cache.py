"""`patina cache`: where the team's cache is, who signs what it holds, and what nobody needs of it any more."""

from collections.abc import Mapping
from dataclasses import asdict

from patina_assets.pipeline.plain_text import json_text, with_tilde
from patina_assets.pipeline.sharing.snapshots import cache_for
from patina_assets.pipeline.sharing.stage_cache import team_cache
from patina_assets.pipeline.sharing.stock import Stock, remove_old, stock_of
from patina_assets.pipeline.sharing.traffic import saved_traffic, traffic_text
from patina_assets.pipeline.tables import size_text
from patina_assets.terminal.output import print_table
from patina_assets.terminal.questions import confirm, say_on_stderr
from patina_resources.cache.remote import CacheError
from patina_resources.cache.settings import cache_settings, confirm_proposal, is_confirmed, proposal
from patina_resources.cache.signing import make_signing_key, public_key_of
from patina_resources.cache.team_cache import TeamCache
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project
from patina_resources.store.mothership import mothership


def print_status(project: Project, *, as_json: bool) -> int:
    """Print where the cache is, whose records are accepted, what it holds and what passed; return the exit code.

    Returns:
        0; 1 where there is a cache that cannot be read.

    Raises:
        PatinaError: The settings are wrong.
    """
    settings, home = cache_settings(project), mothership()
    signer, trouble, stock = None, "", None
    try:
        signer = public_key_of(home)
        cache = team_cache(project)
        stock = stock_of(cache) if cache is not None and cache.remote.writable else None
    except CacheError as error:
        trouble = str(error)
    proposed = proposal(project)
    traffic = saved_traffic(project)
    document = {
        "url": settings.url if settings else None,
        "accepted_keys": list(settings.keys) if settings else [],
        "own_key": signer,
        "push": project.places.push,
        "proposed_by_project": None if proposed is None else {"url": proposed.url, "confirmed": is_confirmed(project)},
        "stock": None if stock is None else asdict(stock),
        "traffic": asdict(traffic),
        "trouble": trouble or None,
    }
    if as_json:
        print(json_text(document))
    else:
        _print(document, stock, traffic_text(traffic))
    return 1 if trouble else 0


def _print(document: Mapping[str, object], stock: Stock | None, traffic: str) -> None:
    keys = document["accepted_keys"]
    rows = [
        ("cache", document["url"] or "none is set (docs/team.md)"),
        *(("accepted key", key) for key in (keys if isinstance(keys, list) else [])),
        ("own key", document["own_key"] or "none: `patina cache key` makes one"),
        ("push after a build", "yes" if document["push"] else "no"),
        ("transferred so far", traffic),
    ]
    if stock is not None:
        rows.append(("it holds", f"{stock.records} records, {stock.blobs} contents, {size_text(stock.bytes)}"))
    proposed = document["proposed_by_project"]
    if isinstance(proposed, dict) and not proposed["confirmed"]:
        rows.append(("the project proposes", f"{proposed['url']}: not used before `patina cache confirm`"))
    if document["trouble"]:
        rows.append(("trouble", document["trouble"]))
    print_table(("what", "value"), [(name, with_tilde(str(value))) for name, value in rows])


def confirm_project_cache(project: Project, *, yes: bool) -> int:
    """Show what the project proposes, and use it once the user agrees; return the exit code.

    Raises:
        PatinaError: It proposes nothing, nobody is there to agree, or it cannot be remembered.
    """
    proposed = proposal(project)
    if proposed is None:
        raise PatinaError(f"{project.config_file}: proposes no cache: expected [cache] with url and keys")
    say_on_stderr(f"{project.config_file} proposes {proposed.url}")
    for key in proposed.keys:
        say_on_stderr(f"  it accepts what {key} has signed")
    say_on_stderr("whoever holds these keys decides what this project computes with here")
    if not yes and not confirm("use it for this project?", default=False):
        raise PatinaError("it is not used: confirm with `patina cache confirm --yes`")
    confirm_proposal(project)
    print(f"{proposed.url} is used for {project.root}, until the project proposes something else")
    return 0


def print_key() -> int:
    """Make a signing key where there is none, and print its public part; return the exit code.

    Raises:
        PatinaError: The key cannot be used or written.
    """
    home = mothership()
    print(public_key_of(home) or make_signing_key(home))
    return 0


def collect(project: Project, days: int, *, dry_run: bool, yes: bool) -> int:
    """Remove records that are older than some days, and contents that no record names; return the exit code.

    Raises:
        PatinaError: There is no cache, nobody agrees, or the store cannot be written to.
    """
    cache = cache_for(project)
    found = remove_old(cache, days, dry_run=True)
    what = f"{found.records} records and {found.blobs} contents ({size_text(found.bytes)}) of {cache.settings.url}"
    if dry_run or not (found.records or found.blobs):
        print(f"to be removed: {what}")
        return 0
    if not yes and not confirm(f"remove {what}?", default=False):
        raise PatinaError("nothing was removed: confirm with `patina cache gc --yes`")
    _removed(cache, days)
    return 0


def _removed(cache: TeamCache, days: int) -> None:
    done = remove_old(cache, days, dry_run=False)
    print(f"removed: {done.records} records and {done.blobs} contents ({size_text(done.bytes)})")
