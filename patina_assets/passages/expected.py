"""How many passages a build will make, before anything is read or cut: long texts have some more."""

from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.reader import Eventlog, Source

EXPECTED = Source(
    "passages.expected",
    f"""
SELECT COUNT(*)
FROM eventlog
WHERE event_type IN ('git.commit', 'doc.section', 'code.file', 'code.function', 'code.struct', 'code.class',
                     'code.enum', 'code.trait', 'code.interface', 'code.type', 'session.decision', 'session.pattern',
                     'session.goal', 'session.work', 'session.context', 'session.observation', 'forge.issue',
                     'forge.pr', 'forge.comment') AND {LIVE}
""",
)


def expected_passages(eventlog: Eventlog) -> int:
    """Return about how many passages the live events will give.

    Raises:
        PatinaError: The eventlog cannot be read.
    """
    return int(eventlog.read([EXPECTED])[EXPECTED.name].rows[0][0])
