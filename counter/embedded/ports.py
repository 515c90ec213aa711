"""Whether the listeners' ports are free, asked before anything is started."""

import errno
import socket
from contextlib import ExitStack

from counter.config import Settings
from counter.errors import ConfigError


def require_free_ports(settings: Settings) -> None:
    """Check that both listeners can bind.

    Raises:
        ConfigError: one cannot; the message names the variable to change.
    """
    with ExitStack() as held:  # both are held at once, so that one number for two listeners is found too
        for prefix, host, port in (
            ("COUNTER", settings.host, settings.port),
            ("COUNTER_ADMIN", settings.admin_host, settings.admin_port),
        ):
            try:
                held.enter_context(_bound(host, port))
            except OSError as error:
                raise ConfigError(_explain(error, prefix, host, port)) from error


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the real listener does
        listener.bind(address)
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


def _explain(error: OSError, prefix: str, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; set {prefix}_PORT or stop the other program"
    if error.errno == errno.EACCES:
        return f"port {port} is not allowed for this user; set {prefix}_PORT to 1024 or more"
    return f"cannot listen on {host}: {error.strerror or error}; set {prefix}_HOST"
