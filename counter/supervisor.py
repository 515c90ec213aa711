"""The supervisor that started us, such as systemd: the sockets that it hands over, and what it is told."""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import structlog

from counter.errors import ConfigError

FIRST_FD: Final = 3
PUBLIC, ADMIN = "public", "admin"
VARIABLES: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "NOTIFY_SOCKET")
"""What systemd sets; no child may see them. See sd_listen_fds(3) and sd_notify(3)."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Without one, both listeners bind for themselves and nobody is told.

    Attributes:
        public: listening sockets for the visitors, TCP or Unix; others hold them too, so none is shut down.
        admin: the same for the administrator.
        address: of the datagram socket that takes news, or empty.
        parent: the channel that takes news instead, of a worker among several.
    """

    public: tuple[socket.socket, ...] = ()
    admin: tuple[socket.socket, ...] = ()
    address: str = ""
    parent: socket.socket | None = None

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """Take over what the variables speak of.

        Args:
            variables: those of `VARIABLES` that are set.

        Raises:
            ConfigError: what is handed over cannot be served on.
        """
        sockets = _inherited(variables)
        return cls(
            public=tuple(found for role, found in sockets if role == PUBLIC),
            admin=tuple(found for role, found in sockets if role == ADMIN),
            address=variables.get("NOTIFY_SOCKET", ""),
        )

    def tell(self, state: str) -> None:
        """Send news such as `READY=1`, if somebody wants to know."""
        if self.parent is not None:
            with suppress(OSError):  # it is gone, which ends us
                self.parent.send(state.encode() + b"\n")
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
                speaker.sendto(state.encode(), address)
        except OSError as error:
            log.warning("the supervisor cannot be told", state=state, reason=str(error))


NOBODY: Final = Supervisor()


def roles(names: Sequence[str], count: int) -> list[str]:
    """Return which listener each socket is for.

    Args:
        names: of the sockets, in order, or none. systemd puts the unit's name where no name is set.
        count: of the sockets.

    Raises:
        ConfigError: a socket cannot be told apart.
    """
    if not {PUBLIC, ADMIN} & set(names):
        if count > len((PUBLIC, ADMIN)):
            raise ConfigError(f"{count} sockets without names; FileDescriptorName is {PUBLIC} or {ADMIN}")
        return [PUBLIC, ADMIN][:count]
    if len(names) != count:
        raise ConfigError(f"LISTEN_FDNAMES has {len(names)} names for {count} sockets")
    for name in names:
        if name not in {PUBLIC, ADMIN}:
            raise ConfigError(f"there is no listener {name!r}; FileDescriptorName is {PUBLIC} or {ADMIN}")
    return list(names)


def _inherited(variables: Mapping[str, str]) -> list[tuple[str, socket.socket]]:
    process = variables.get("LISTEN_PID", "")
    if "LISTEN_FDS" not in variables or process != str(os.getpid()):
        if process:
            log.warning("sockets for another process are ignored", process=process)
        return []
    text = variables["LISTEN_FDS"]
    if not text.isdecimal():
        raise ConfigError(f"LISTEN_FDS is no number: {text!r}")
    names = variables.get("LISTEN_FDNAMES", "")
    each = roles(names.split(":") if names else [], int(text))
    return [(role, _listener(fd)) for fd, role in enumerate(each, FIRST_FD)]


def _listener(fd: int) -> socket.socket:
    try:
        found = socket.socket(fileno=fd)
        listens = found.type == socket.SOCK_STREAM and found.getsockopt(
            socket.SOL_SOCKET, socket.SO_ACCEPTCONN
        )
    except OSError as error:
        raise ConfigError(f"file descriptor {fd} is no socket: {error.strerror}") from error
    if not listens:
        raise ConfigError(f"file descriptor {fd} does not listen; it needs ListenStream and Accept=no")
    found.set_inheritable(False)
    return found
