"""The Labelbox SDK: the only module that imports labelbox and lbox. Connecting, patience, and the errors it raises.

What the SDK leaves open, found by running 7.17: it does not look at `Retry-After`, gives up at once on 429 and on a
dropped connection, and has no way to hand in a session. Its session can be had, so patience is mounted there.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict, Field, PositiveFloat, PrivateAttr, SecretStr

from lakebox.adapters.labelbox_session import Patient
from lakebox.core.component import Component
from lakebox.core.urls import hushed
from lakebox.errors import ConfigError, SourceError

if TYPE_CHECKING:
    import labelbox

LABELBOX = "https://api.labelbox.com"

for _name in ("labelbox", "lbox"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # what they raise is said once; answers hold signed addresses


class Account(Component):
    """Whose Labelbox, and where it is. Building it does no I/O; the key stays in the environment."""

    model_config = ConfigDict(hide_input_in_errors=True)

    api_key_env: str = Field(
        default="LABELBOX_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable that holds the API key; never the key itself",
    )  # fmt: skip
    endpoint: str = Field(default=f"{LABELBOX}/graphql", pattern="^https?://", description="GraphQL endpoint")
    rest_endpoint: str = Field(default=f"{LABELBOX}/api/v1", pattern="^https?://", description="REST endpoint")
    patience: PositiveFloat = Field(
        default=120.0, description="Seconds that one request may wait for a busy service before it counts as failed"
    )

    _key: SecretStr | None = PrivateAttr(default=None)

    def with_key(self, key: str) -> Self:
        """The same account with a key that a script holds, in memory only. For scripts; configurations have no key."""
        own = self.model_copy()
        own._key = SecretStr(key)
        return own

    @cached_property
    def client(self) -> labelbox.Client:
        """The SDK's client, connected when first used.

        Raises:
            ConfigError: the environment holds no key.
        """
        import labelbox

        key = self._key.get_secret_value() if self._key else os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise ConfigError(
                f"Labelbox needs an API key: set the environment variable {self.api_key_env}"
                " (Labelbox: Workspace settings > API keys); nothing was touched"
            )
        client = labelbox.Client(api_key=key, endpoint=self.endpoint, rest_endpoint=self.rest_endpoint)
        for scheme in ("http://", "https://"):
            client.connection.mount(scheme, Patient(self.patience))
        return client

    @contextmanager
    def asked(self, doing: str) -> Iterator[labelbox.Client]:
        """The client, with the SDK's errors translated.

        Args:
            doing: what is being done to which thing, to begin the message with.

        Raises:
            ConfigError: the environment holds no key.
            SourceError: one line that says what was found and what to do.
        """
        from google.api_core.exceptions import RetryError
        from lbox import exceptions as lbx

        client = self.client
        try:
            yield client
        except SourceError as error:
            raise SourceError(f"{doing}: {error}") from None
        except lbx.ProcessingWaitTimeout:
            raise SourceError(f"{doing}: Labelbox is still processing the data rows; try again later") from None
        except RetryError:  # the SDK tried for its own two minutes
            raise SourceError(f"{doing}: Labelbox keeps failing; try again later") from None
        except (lbx.LabelboxError, lbx.MalformedQueryException, lbx.OperationNotAllowedException) as error:
            raise SourceError(f"{doing}: {self._explained(error)}") from None  # the cause may quote addresses
        except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
            text = f"Labelbox answered in an unexpected way ({type(error).__name__})"
            raise SourceError(f"{doing}: {text}; try again, and check source.endpoint ({self.endpoint})") from error

    @property
    def _whose(self) -> str:
        return "the API key that was given" if self._key else f"the API key in {self.api_key_env}"

    def _explained(self, error: Exception) -> str:
        from lbox import exceptions as lbx

        text = hushed(str(getattr(error, "message", "") or error)).strip().splitlines()
        said = text[0][:300] if text else type(error).__name__
        refused = re.match(r"401\b", said) or isinstance(error, lbx.AuthenticationError)
        match error:
            case _ if refused:
                return f"Labelbox refused {self._whose}; check it, and {self.endpoint}"
            case lbx.AuthorizationError():
                return f"{self._whose} may not do this: {said}"
            case lbx.ResourceNotFoundError():
                return "no such thing, or the API key may not see it; check the id and whose key it is"
            case lbx.ApiLimitError():
                return f"Labelbox is still busy after {self.patience:g} s (rate limit); try again later"
            case lbx.NetworkError() if status := re.search(r"answer (\d+) to", said):
                return f"Labelbox failed (answer {status[1]}); try again later"
            case lbx.NetworkError() | lbx.TimeoutError():
                return f"{self.endpoint} cannot be reached, or its answer was lost; check the network and the endpoint"
            case lbx.InternalServerError():
                return f"Labelbox keeps failing ({said}); try again later"
        return f"Labelbox says: {said}"


def datasets_named(client: labelbox.Client, name: str) -> Iterable[labelbox.Dataset]:
    """Datasets of exactly this name."""
    import labelbox

    return (one for one in client.get_datasets(where=labelbox.Dataset.name == name) if one.name == name)


def projects_named(client: labelbox.Client, name: str) -> Iterable[labelbox.Project]:
    """Projects of exactly this name."""
    import labelbox

    return (one for one in client.get_projects(where=labelbox.Project.name == name) if one.name == name)


def sdk_media_type(name: str) -> labelbox.MediaType:
    """The SDK's word for `video` or `image`."""
    import labelbox

    return labelbox.MediaType[name.title()]


def ontology_by_id(client: labelbox.Client, ontology_id: str) -> labelbox.Ontology | None:
    """The ontology of an id; None if there is none that the key may see."""
    from lbox import exceptions as lbx

    try:
        return client.get_ontology(ontology_id)
    except lbx.ResourceNotFoundError:
        return None


def normalized(ontology: labelbox.Ontology) -> dict[str, Any]:
    """Labelbox's normalized JSON of an ontology, with its id."""
    return {"id": ontology.uid, **ontology.normalized}
