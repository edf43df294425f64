"""Presigners: how a private address becomes a request that its server accepts. Config group `presigner`."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from lakebox.core.ports import Request
from lakebox.core.urls import unsigned
from lakebox.errors import FetchError


class Plain(BaseModel):
    """Addresses are fetched as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def request(self, url: str) -> Request:
        """The address without any header."""
        return Request(url)


class LabelboxKey(BaseModel):
    """Labelbox's own API hosts get the API key; every other host gets the address as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key_env: str = Field(default="LABELBOX_API_KEY", description="Environment variable that holds the key")
    hosts: list[str] = Field(default_factory=list, description="More hosts that get the key: private deployments")

    def request(self, url: str) -> Request:
        """The request; the key is read from the environment now and kept nowhere.

        Raises:
            FetchError: the address needs the key and there is none.
        """
        if not self._trusted(url):
            return Request(url)
        key = os.environ.get(self.api_key_env)
        if not key:
            raise FetchError(
                f"{unsigned(url)}: needs Labelbox's API key; set the environment variable {self.api_key_env}"
            )
        return Request(url, {"Authorization": f"Bearer {key}"})

    def _trusted(self, url: str) -> bool:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if "\\" in url or "@" in parts.netloc:  # readers of such addresses do not agree on the host
            return False
        own = parts.scheme == "https" and host.startswith("api.") and host.endswith(".labelbox.com")
        return own or host in self.hosts
