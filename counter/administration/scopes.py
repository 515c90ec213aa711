"""What a token may do. Pure."""

from enum import Enum
from typing import Final, Literal, NamedTuple, get_args

Scope = Literal["read", "site", "all"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)


class Need(Enum):
    """What an address needs."""

    LOOK = "look at one site, or at what there is of the token's own"
    CHANGE = "change one site that there is"
    RULE = "add and remove sites"


class Bearer(NamedTuple):
    """Who asks.

    Attributes:
        name: of the token.
        scope: `read` looks at everything, `site` looks at one site and changes it, `all` does everything.
        site: the one site of the scope `site`.
    """

    name: str
    scope: Scope
    site: str | None

    @property
    def actor(self) -> str:
        """How the audit log names it."""
        return f"token {self.name}"


def allows(bearer: Bearer, need: Need, site: str | None) -> bool:
    """Tell whether a token may do something.

    Args:
        bearer: who asks.
        need: what is to be done.
        site: to which site; None for all that the token reaches.
    """
    if bearer.scope == "all":
        return True
    if bearer.scope == "read":
        return need is Need.LOOK
    own = site == bearer.site or (site is None and need is Need.LOOK)
    return own and need is not Need.RULE
