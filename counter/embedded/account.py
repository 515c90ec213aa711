"""Which system user a server runs as when we are root."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from counter.errors import EmbeddedEngineError

_OWN_USER = "counter-postgres"
_LAST_RESORT = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A system user other than root."""

    uid: int
    gid: int

    @classmethod
    def owning(cls, tree: Path) -> Self | None:
        """Return the ordinary user whose `tree` we work on as root: it stays that user's. Else `None`."""
        if os.geteuid() != 0 or not tree.exists() or (status := tree.stat()).st_uid == 0:
            return None
        return cls(status.st_uid, status.st_gid)

    @classmethod
    def instead_of_root(cls, tree: Path) -> Self | None:
        """Return the user that shall work in `tree`; `None` means ourselves, for we are not root."""
        if os.geteuid() != 0:
            return None
        if owner := cls.owning(tree):
            return owner
        for name in (_OWN_USER, _LAST_RESORT):
            if _exists(name) or _added(name):
                entry = pwd.getpwnam(name)
                return cls(entry.pw_uid, entry.pw_gid)
        raise EmbeddedEngineError(f"Postgres refuses to run as root; run `useradd --system {_OWN_USER}`")

    def own(self, tree: Path) -> None:
        """Give `tree` to this user, unless it is this user's already."""
        if tree.stat().st_uid == self.uid:
            return
        for path in (*tree.rglob("*"), tree):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def may_search(self, path: Path) -> None:
        """Let this user pass through every folder above `path`.

        Only the search bit is added, and only where this user lacks it (a clone below `/root`, the private
        folders of pytest): names that are known can be opened then, but nothing can be listed.
        """
        for folder in path.resolve().parents:
            status = folder.stat()
            needed = self._search_bit(status)
            if not status.st_mode & needed:
                folder.chmod(stat.S_IMODE(status.st_mode) | needed)

    def _search_bit(self, status: os.stat_result) -> int:
        if status.st_uid == self.uid:
            return stat.S_IXUSR
        return stat.S_IXGRP if status.st_gid == self.gid else stat.S_IXOTH


def all_may_read(tree: Path) -> None:
    """Let everyone read an installed program that a strict umask made private."""
    if tree.stat().st_mode & stat.S_IROTH:
        return
    for path in (*tree.rglob("*"), tree):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _exists(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def _added(name: str) -> bool:
    useradd = shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin")
    if useradd is None or name == _LAST_RESORT:
        return False
    command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
