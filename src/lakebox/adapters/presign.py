"""Presigners: how a private address becomes a request that its server accepts. Config group `presigner`.

Those that need a vendor's signature are in `object_store`.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr, SecretStr

from lakebox.core.addresses import Address, Endpoint, Variable, climbs, is_signed, read
from lakebox.core.component import Component
from lakebox.core.ports import Presigner, Request
from lakebox.core.urls import unsigned
from lakebox.errors import FetchError

STRICT = ConfigDict(hide_input_in_errors=True, arbitrary_types_allowed=True)
"""Inputs are hidden: somebody may have given a secret where its variable's name belongs."""


class Plain(Component):
    """Addresses are fetched as they are."""

    model_config = STRICT

    def request(self, url: str) -> Request:
        """The address without any header."""
        return Request(url)


class LabelboxKey(Component):
    """Labelbox's own API hosts get the API key; every other host gets the address as it is."""

    model_config = STRICT

    api_key_env: Variable = Field(default="LABELBOX_API_KEY", description="Environment variable that holds the key")
    hosts: list[str] = Field(
        default_factory=list, description="More hosts (or host:port) that get the key: private deployments"
    )
    endpoint: Endpoint | None = Field(
        default=None, description="The source's GraphQL endpoint: its server gets the key"
    )
    rest_endpoint: Endpoint | None = Field(default=None, description="The source's REST endpoint, likewise")
    _key: SecretStr | None = PrivateAttr(default=None)

    def with_key(self, key: str) -> Self:
        """The same with a key that a script holds, in memory only."""
        own = self.model_copy()
        own._key = SecretStr(key)
        return own

    def request(self, url: str) -> Request:
        """The request; the key is read from the environment now and kept nowhere.

        Raises:
            FetchError: the address needs the key and there is none.
        """
        if not self.trusts(url):
            return Request(url)
        key = self._key.get_secret_value() if self._key else os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise FetchError(
                f"{unsigned(url)}: needs Labelbox's API key; set the environment variable {self.api_key_env}"
            )
        return Request(url, {"Authorization": f"Bearer {key}"})

    def trusts(self, url: str) -> bool:
        """Whether the address is one that gets the key."""
        parts = read(url)
        if parts is None:
            return False
        own = parts.scheme == "https" and parts.host.startswith("api.") and parts.host.endswith(".labelbox.com")
        configured = [read(endpoint) for endpoint in (self.endpoint, self.rest_endpoint) if endpoint]
        return own or any(at and at.origin == parts.origin for at in configured) or self._named(parts)

    def _named(self, parts: Address) -> bool:
        host = f"[{parts.host}]" if ":" in parts.host else parts.host
        return bool({parts.host, host, f"{host}:{parts.port}"} & {entry.lower() for entry in self.hosts})


def _container(url: str) -> str:
    if not urlsplit(url).path.strip("/"):
        raise ValueError("must name a container: https://<account>.blob.core.windows.net/<container>")
    return url


class AzureSas(Component):
    """Files of one Azure container get its shared access signature, a token that somebody made beforehand."""

    model_config = STRICT

    container: Annotated[Endpoint, AfterValidator(_container)] = Field(
        description="https://<account>.blob.core.windows.net/<container>"
    )
    token_env: Variable = Field(
        default="AZURE_STORAGE_SAS_TOKEN", description="Environment variable that holds the token"
    )
    otherwise: Presigner = Field(default_factory=LabelboxKey, description="For all other addresses")

    def request(self, url: str) -> Request:
        """The address with the token, which is read from the environment now and kept nowhere.

        Raises:
            FetchError: there is no token, it is none, or it has expired.
        """
        if is_signed(url) or not self._within(url):
            return self.otherwise.request(url)
        token = self._token(url)
        expires = _expiry(token)
        if expires is not None and expires <= time.time():
            raise FetchError(
                f"{unsigned(url)}: the SAS token in {self.token_env} expired at"
                f" {datetime.fromtimestamp(expires, UTC):%Y-%m-%d %H:%M:%S} UTC; make a new one"
            )
        address = url.partition("#")[0]
        return Request(f"{address}{'&' if '?' in address else '?'}{token}", expires=expires)

    def _within(self, url: str) -> bool:
        """Whether the address is below the container: same server, same path, segment by segment."""
        parts, own = read(url), read(self.container)
        if parts is None or own is None or parts.origin != own.origin or climbs(parts.path):
            return False
        folder = own.path.split("/")
        path = parts.path.split("/")
        same = [unquote(item) for item in path[: len(folder)]] == [unquote(item) for item in folder]
        return same and any(path[len(folder) :])

    def _token(self, url: str) -> str:
        token = os.environ.get(self.token_env, "").strip().lstrip("?&")
        if not token:
            raise FetchError(
                f"{unsigned(url)}: needs a SAS token for its container; set the environment variable {self.token_env}"
            )
        if "sig" not in parse_qs(token) or "#" in token or not token.isascii() or len(token.split()) > 1:
            raise FetchError(
                f"{unsigned(url)}: the value of {self.token_env} is no SAS token (sv=...&sig=...), or not a whole one"
            )
        return token


def _expiry(token: str) -> float | None:
    """When a token ends, in seconds since 1970; None if a stored access policy says so and not the token."""
    try:
        end = datetime.fromisoformat(parse_qs(token)["se"][0])
    except (KeyError, ValueError):
        return None
    return (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp()


class Rule(Component):
    """One line of `ByHost`."""

    model_config = STRICT

    host: str = Field(description="Pattern with * and ?: of host, host:port or scheme://host")
    presigner: Presigner

    def matches(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether the pattern is one of this server."""
        pattern = self.host.lower()
        if "://" in pattern:
            return fnmatchcase(f"{scheme}://{host}", pattern)
        return scheme in ("http", "https") and (fnmatchcase(host, pattern) or fnmatchcase(f"{host}:{port}", pattern))


class ByHost(Component):
    """The first rule whose pattern fits the address's host decides."""

    model_config = STRICT

    rules: list[Rule] = Field(description="In order: {host: pattern, presigner: {_target_: ...}}")
    otherwise: Presigner = Field(default_factory=LabelboxKey, description="Where no rule fits")

    def request(self, url: str) -> Request:
        """The request of the presigner that is in charge.

        Raises:
            FetchError: that presigner cannot make one.
        """
        return self._presigner(url).request(url)

    def _presigner(self, url: str) -> Presigner:
        if (parts := read(url)) is not None:
            server: tuple[str, str, int | None] = parts.origin
        else:
            scheme, _, rest = url.partition("://")
            if scheme in ("http", "https"):  # readers do not agree on the host of such an address
                return self.otherwise
            server = scheme.lower(), rest.partition("/")[0].lower(), None
        return next((rule.presigner for rule in self.rules if rule.matches(*server)), self.otherwise)
