"""Buckets in which datasets lie (obstore, the extra `cloud`): what is in one, and locks.

Deep Lake 4.7 tries for 30 to 40 seconds before it says that a bucket is missing or that nobody answers. So they are
asked here first, and what is wrong is said within seconds.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal
from uuid import uuid4

from lakebox.core.urls import hushed
from lakebox.errors import ConfigError, LakeBusy, LakeError

log = logging.getLogger(__name__)

Vendor = Literal["S3Store", "GCSStore", "AzureStore"]

_WAIT = timedelta(seconds=5)
_MEANINGS = (
    ("169.254.169.254", "there are no credentials"),
    ("metadata", "there are no credentials"),
    ("404 Not Found", "there is no such bucket; create it, or correct path"),
    ("301 Moved", "the bucket is in another region; set storage.region"),
    ("401 ", "the credentials are refused"),
    ("403 ", "the credentials are refused, or may not do that"),
    ("400 Bad Request", "the request is refused; check region and credentials"),
    ("error sending request", "nobody answers; check the network, and storage.endpoint if you set it"),
)
"""What a vendor's error tells by, and what that means."""


@dataclass(frozen=True)
class Bucket:
    """A bucket or container."""

    vendor: Vendor
    name: str
    options: Mapping[str, str]
    """obstore's, without credentials: those it finds itself."""
    hint: str
    """Where credentials come from."""

    @cached_property
    def _store(self) -> Any:
        http = any(value.startswith("http:") for value in self.options.values())
        with self._said("opening it") as obstore:
            return getattr(obstore.store, self.vendor)(
                self.name, **self.options,
                client_options={"allow_http": http, "connect_timeout": timedelta(seconds=3), "timeout": _WAIT},
                retry_config={"max_retries": 2, "retry_timeout": _WAIT},
            )  # fmt: skip

    @contextmanager
    def _said(self, doing: str) -> Iterator[Any]:
        """obstore, whose errors within are told as what they mean."""
        try:
            import obstore.store
            from obstore.exceptions import BaseError
        except ImportError as error:
            raise ConfigError("datasets in buckets need obstore: pip install 'lakebox[cloud]'") from error
        try:
            yield obstore
        except (BaseError, ValueError, OSError) as error:
            text = str(error)
            meaning = next((said for sign, said in _MEANINGS if sign in text), hushed(text.partition("\n")[0])[:300])
            hint = f"; {self.hint}" if "credentials" in meaning else ""
            raise LakeError(f"bucket {self.name}: {doing}: {meaning}{hint}") from None

    def names(self, folder: str) -> set[str]:
        """Names of what lies directly in a folder; empty if there is no such folder.

        Raises:
            LakeError: the bucket cannot be read.
            ConfigError: obstore is not installed.
        """
        with self._said(f"looking into {folder}") as obstore:
            found = obstore.list_with_delimiter(self._store, folder)
        paths = [*found["common_prefixes"], *(str(one["path"]) for one in found["objects"])]
        return {path.rstrip("/").rpartition("/")[2] for path in paths}

    def read(self, key: str) -> tuple[bytes, Mapping[str, Any]] | None:
        """Content and facts (`e_tag`, `last_modified`) of an object; None if there is none."""
        with self._said(f"reading {key}") as obstore:
            try:
                found = obstore.get(self._store, key)
                return bytes(found.bytes()), found.meta
            except FileNotFoundError:
                return None

    def write(self, key: str, content: bytes, over: str | None) -> str | None:
        """Write an object, over the one with that `e_tag` or where there is none. Its `e_tag`; None if that has changed
        or there is one."""
        mode = "create" if over is None else {"e_tag": over}
        with self._said(f"writing {key}") as obstore:
            try:
                return str(obstore.put(self._store, key, content, mode=mode)["e_tag"])
            except (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError):
                return None

    def remove(self, key: str) -> None:
        """Remove an object; none is as well."""
        with self._said(f"removing {key}") as obstore:
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return


@dataclass
class Lease:
    """A lock in a bucket: an object that is written only where there is none, and again and again while the lock is
    held. One that nobody wrote for `seconds` is a dead run's, and so is one of a process of this machine that is gone.
    """

    bucket: Bucket
    key: str
    path: str
    """Of the dataset, for messages."""
    seconds: float
    _content: bytes = field(default_factory=lambda: _holder(), init=False)
    _tag: str = field(default="", init=False)
    _renewed: float = field(default=0.0, init=False)
    """When it was written last, by this machine's monotonic clock."""
    _ended: threading.Event = field(default_factory=threading.Event, init=False)
    _lost: bool = field(default=False, init=False)

    def take(self) -> None:
        """Take the lock, and keep it.

        Raises:
            LakeBusy: another run has it.
        """
        begun = time.monotonic()
        self._tag = self.bucket.write(self.key, self._content, None) or self._taken_over()
        self._renewed = begun
        self._keeper = threading.Thread(target=self._keep, name="lakebox-lease", daemon=True)
        self._keeper.start()

    def _taken_over(self) -> str:
        found = self.bucket.read(self.key)
        if found is None:  # given back meanwhile
            tag = self.bucket.write(self.key, self._content, None)
        else:
            content, facts = found
            if content == self._content:  # written, and the answer was lost on the way
                return str(facts["e_tag"])
            age = (datetime.now(UTC) - facts["last_modified"]).total_seconds()
            if age < self.seconds and not _is_gone(content):
                raise LakeBusy(
                    f"path {self.path}: another run ({_named(content)}) is writing this dataset; nothing was touched,"
                    f" run again when it has ended. The lock of a run that died counts for {self.seconds:.0f} s"
                )
            tag = self.bucket.write(self.key, self._content, facts["e_tag"])
        if tag is None:
            raise LakeBusy(f"path {self.path}: another run has just begun to write this dataset; nothing was touched")
        return tag

    def _keep(self) -> None:
        while not self._ended.wait(self.seconds / 4):
            begun = time.monotonic()
            try:
                tag = self.bucket.write(self.key, self._content, self._tag) or self._written()
            except LakeError as error:
                log.warning("path %s: its lock cannot be renewed: %s", self.path, error)
                continue
            if tag is None:
                self._lost = True
                return
            self._tag, self._renewed = tag, begun

    def _written(self) -> str | None:
        """The `e_tag` of what is there if it is this lock: it was written, and the answer was lost on the way."""
        found = self.bucket.read(self.key)
        return str(found[1]["e_tag"]) if found and found[0] == self._content else None

    def check(self) -> None:
        """See that the lock is still held.

        Raises:
            LakeError: it was not renewed in time, so that another run may have taken it.
        """
        if self._lost or time.monotonic() - self._renewed > self.seconds:
            raise LakeError(
                f"path {self.path}: its lock was not renewed for {self.seconds:.0f} s, and another run may have taken"
                " it; what was committed is safe, run again"
            )

    def give_back(self) -> None:
        """Let others have it."""
        self._ended.set()
        self._keeper.join()
        if not self._lost:
            self.bucket.remove(self.key)


def _holder() -> bytes:
    """Who holds a lock; the token tells this lock from every other, also of the same process."""
    return json.dumps({"host": socket.gethostname(), "process": os.getpid(), "token": uuid4().hex}).encode()


def _named(content: bytes) -> str:
    held = _read(content)
    return f"process {held.get('process')} on {held.get('host')}"


def _is_gone(content: bytes) -> bool:
    """Whether the holder was a process of this machine that has ended."""
    held = _read(content)
    if held.get("host") != socket.gethostname() or not isinstance(held.get("process"), int):
        return False
    try:
        os.kill(held["process"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _read(content: bytes) -> dict[str, Any]:
    try:
        held = json.loads(content)
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}
