"""Folders that datasets are in, and keeping other runs out of them."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lakebox.errors import ConfigError, LakeBusy, LakeError

STORAGES = {
    "s3": "s3", "gs": "gcs", "gcs": "gcs", "azure": "azure", "az": "azure", "al": "activeloop", "mem": "memory",
}  # fmt: skip
"""Scheme of an address -> storage."""
DEEP_LAKE_LOG = "_deeplake_log"

log = logging.getLogger(__name__)


def local_folder(path: str, storage: str = "local") -> Path:
    """The folder that a path means.

    Raises:
        ConfigError: it means none.
    """
    if "://" in path and not path.startswith("file://"):
        meant = STORAGES.get(path.partition("://")[0])
        rest = f"say storage={meant}, or correct path" if meant else "change one of them"
        raise ConfigError(f"path: {path!r} is no folder, but storage={storage} keeps datasets in folders; {rest}")
    try:
        folder = Path(path.removeprefix("file://")).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(f"path: {path!r}: there is no such user on this machine; correct path") from error
    if "\0" in path:
        raise ConfigError(f"path: {path!r} holds a null character; correct path")
    refuse_version(str(folder))  # the whole of it: a folder above may hold the sign
    return folder


def refuse_version(path: str) -> None:
    """See that nothing in a path is taken for a version.

    Raises:
        ConfigError: it holds the sign that stands before one.
    """
    # deeplake.open("x@y") silently opens main for writing, create("x@y") creates at "x".
    if "@" in path:
        raise ConfigError(f"path: {path!r} holds an '@', behind which addresses have a version; choose another path")


@contextmanager
def locked(folder: Path, path: str) -> Iterator[None]:
    """Keep other runs out of a folder, there or not, as long as the context lasts. The system forgets the lock together
    with the process that has it.

    Raises:
        LakeBusy: another run has it.
        LakeError: the folder cannot be made or opened.
    """
    handle, is_new = _locked(folder, path)
    try:
        yield
    finally:
        if is_new:
            with suppress(OSError):  # something came into it
                folder.rmdir()
        os.close(handle)


def busy(path: str) -> str:
    """What somebody reads whose run has to wait."""
    return f"path {path}: another run is writing this dataset; nothing was touched, run again when it has ended"


def _locked(folder: Path, path: str) -> tuple[int, bool]:
    """An open folder with its lock, and whether it was made for that.

    Another run may have made it and taken it away between our opening and locking it: that lock keeps nobody out.
    """
    while True:
        is_new = not is_there(folder, path)
        make(folder, path)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LakeError(f"path {path}: cannot be opened: {error.strerror}") from error
        try:
            _lock(handle, path)
            if _is_at(folder, handle):
                return handle, is_new
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False


def _lock(handle: int, path: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LakeBusy(busy(path)) from error
    except OSError as error:  # some network file systems have no locks
        log.warning("path %s: cannot be locked (%s); take care that only one run writes there", path, error.strerror)


def make(folder: Path, path: str) -> None:
    """Make a folder, if it is not there.

    Raises:
        LakeError: it cannot be made, or something else is there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        if wrong := _in_the_way(folder.parent):
            raise LakeError(f"path {path}: cannot be created: {wrong} is no folder") from error
        if not _is_file(folder):  # another run made it and took it away meanwhile
            return make(folder, path)
        raise LakeError(f"path {path}: holds a file; nothing was touched, choose another path") from error
    except OSError as error:
        raise LakeError(f"path {path}: cannot be created: {error.strerror}") from error


def is_there(folder: Path, path: str) -> bool:
    """Whether anything is there, also a link to nowhere.

    Raises:
        LakeError: the system cannot tell.
    """
    try:
        folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise LakeError(f"path {path}: cannot be looked at: {error.strerror}; correct path") from error
    return True


def _in_the_way(parent: Path) -> Path | None:
    """What is no folder above a folder that cannot be made: a link to nowhere, such as of a disk that is not there."""
    return next((one for one in (parent, *parent.parents) if one.is_symlink() and not one.is_dir()), None)


def _is_file(folder: Path) -> bool:
    """Whether something else than a folder is there: looked at once, since other runs make and remove folders."""
    try:
        return not stat.S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError:
        return folder.is_symlink()  # to nowhere
    except OSError:
        return True  # a link to itself


def strange(folder: Path, path: str, wanted: str) -> LakeError:
    """What somebody reads in whose path is something else than a dataset of the wanted kind."""
    what, instead = "a file", "choose another path"
    if has_lance(folder):
        what, instead = "a Lance dataset", "say storage=lance, or choose another path"
    elif has_deep_lake(folder):
        what, instead = "a Deep Lake dataset", "say storage=local, or choose another path"
    elif folder.is_dir():
        what = f"files that are no {wanted} dataset"
    return LakeError(f"path {path}: holds {what}; nothing was touched, {instead}")


def has_deep_lake(folder: Path) -> bool:
    """Whether a Deep Lake dataset is there."""
    return (folder / DEEP_LAKE_LOG).is_dir()


def has_lance(folder: Path) -> bool:
    """Whether a Lance dataset is there, with a version at least."""
    return any(folder.glob("_versions/*.manifest"))


def emptied(folder: Path, names: Sequence[str]) -> None:
    """Take away some folders of a folder, there or not."""
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)
