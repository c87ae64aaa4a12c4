"""Checks of who can change a file: files that others can write are not trusted.

The rule is git's ("dubious ownership") with one addition: a file that others can write counts as
theirs. Root can change every file anyway, so root's files count as ours.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from .environment import sudo_user_id


def find_doubt(path: Path) -> str | None:
    """Return why a path is not trusted, as the end of a sentence, or None.

    A link and its target are both checked. A path that does not exist or cannot be inspected is
    accepted, because no file is read from there.
    """
    try:
        statuses = (path.lstat(), path.stat())
    except OSError:
        return None
    return next(filter(None, map(_doubt_of, statuses)), None)


def find_doubt_below(base: Path, path: Path) -> str | None:
    """Return which part of a path below `base` is not trusted and why, as a sentence, or None."""
    for part in (path, *path.parents):
        if base in part.parents and (doubt := find_doubt(part)):
            return f"{part} {doubt}"
    return None


def _doubt_of(status: os.stat_result) -> str | None:
    if status.st_uid not in _trusted_user_ids():
        return f"belongs to {_user_name(status.st_uid)}"
    if stat.S_ISLNK(status.st_mode):  # the mode of a link has no effect
        return None
    if status.st_mode & stat.S_IWOTH:
        return "can be written by every user"
    if status.st_mode & stat.S_IWGRP and not _is_private_group(status.st_gid):
        return f"can be written by the group {_group_name(status.st_gid)}"
    return None


def _trusted_user_ids() -> set[int]:
    """Return our id and root's; under sudo also that of the calling user, as git does."""
    caller = sudo_user_id() if os.geteuid() == 0 else None
    return {os.geteuid(), 0} if caller is None else {os.geteuid(), 0, caller}


def _is_private_group(group_id: int) -> bool:
    """Return whether a group has one user only: it is root's, or named like its only member.

    The convention is that of `pam_umask`'s `usergroups`, where new files have the mode 664.
    """
    if group_id == 0:
        return True
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(group_id)
    except KeyError:
        return False
    is_named_so = group.gr_name == user.pw_name and group_id == user.pw_gid
    return is_named_so and set(group.gr_mem) <= {user.pw_name}


def _user_name(user_id: int) -> str:
    try:
        return f"the user {pwd.getpwuid(user_id).pw_name}"
    except KeyError:
        return f"user {user_id}"


def _group_name(group_id: int) -> str:
    try:
        return grp.getgrgid(group_id).gr_name
    except KeyError:
        return str(group_id)
