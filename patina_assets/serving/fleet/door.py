"""Who asks, as the proxy in front says it. Rules only: no request is read here, and no answer is sent.

The proxy shows by a secret that it is the proxy, and says the groups of who asks in one header. What is missing,
written twice or odd is refused, as somebody may have put it there whom the proxy has let through.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hmac import compare_digest

from patina_assets.serving.checks import Refusal
from patina_resources.errors import PatinaError
from patina_resources.postgres.address import checked_groups

SECRET_HEADER = b"x-patina-proxy"
MOST_BYTES = 16_384
NOT_THE_PROXY = Refusal(403, "Ask by way of the proxy of your company: this server answers to nobody else.")
NOBODY = Refusal(401, "The proxy does not say in which groups you are.")
AMBIGUOUS = Refusal(400, "The proxy says more than once, or in an odd way, in which groups you are.")


@dataclass(frozen=True)
class Door:
    """What requests have to show.

    Attributes:
        header: Name of the header that holds the groups, in lower case.
        secret: What the proxy sends.
    """

    header: bytes
    secret: bytes = field(repr=False)

    def groups(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...] | Refusal:
        """Return the groups of who asks, or why the request is not answered.

        Args:
            headers: Names and values as they were sent. A name that differs in more than its case is another header:
                `X_Forwarded_Groups` says nothing.
        """
        sent = [(name.lower(), value) for name, value in headers]
        secrets = [value for name, value in sent if name == SECRET_HEADER]
        if len(secrets) != 1 or not compare_digest(secrets[0], self.secret):
            return NOT_THE_PROXY
        said = [value for name, value in sent if name == self.header]
        if not said:
            return NOBODY
        # A blank before a comma is left where a second line went on from the proxy's.
        if len(said) > 1 or len(said[0]) > MOST_BYTES or b" ," in said[0] or b"\t," in said[0]:
            return AMBIGUOUS
        try:
            text = said[0].decode("ascii")
            groups = checked_groups(tuple(part.strip(" \t") for part in text.split(",") if part.strip(" \t")), "")
        except (UnicodeDecodeError, PatinaError):
            return AMBIGUOUS
        return groups or NOBODY
