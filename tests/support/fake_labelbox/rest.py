"""What the SDK asks over REST, apart from masks: the feature schemas of ontologies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from .ontologies import completed
from .records import Json, Ontology
from .server import Request, Response
from .world import World

_ROUTES = (
    ("GET", r"/ontologies/([^/]+)", "show"),
    ("DELETE", r"/ontologies/([^/]+)", "delete"),
    ("POST", r"/ontologies/([^/]+)/feature-schemas/([^/]+)", "insert"),
    ("DELETE", r"/ontologies/([^/]+)/feature-schemas/([^/]+)", "remove"),
    ("PATCH", r"/feature-schemas/([^/]+)/definition", "rename"),
    ("PUT", r"/feature-schemas/([^/]+)", "upsert"),
)


class Rest:
    """Answers REST requests."""

    def __init__(self, world: World) -> None:
        self.world, self.org = world, world.org

    def answer(self, request: Request) -> Response:
        """Answer a request, 404 if nothing is known of it."""
        for method, pattern, name in _ROUTES:
            found = re.fullmatch("/api/v1" + pattern, request.path)
            if found and method == request.method:
                handle: Callable[..., Response] = getattr(self, name)
                return handle(*found.groups(), json.loads(request.body or b"{}"))
        self.world.unknown.append(f"{request.method} {request.path}")
        return _missing(request.path)

    def show(self, ontology_id: str, body: Json) -> Response:
        """The features of an ontology, and whether they are archived."""
        ontology = self.org.ontologies.get(ontology_id)
        if not ontology:
            return _missing(ontology_id)
        names = ("tools", "classifications", "relationships")
        nodes = {name: [{"archived": False, **one} for one in ontology.normalized.get(name, [])] for name in names}
        return Response.of_json(200, {"featureSchemaNodes": nodes})

    def delete(self, ontology_id: str, body: Json) -> Response:
        """Delete an ontology that no project uses."""
        if ontology_id not in self.org.ontologies:
            return _missing(ontology_id)
        if any(project.ontology_id == ontology_id for project in self.org.projects.values()):
            return Response.of_json(409, {"message": "the ontology is in use"})
        del self.org.ontologies[ontology_id]
        return Response(204)

    def rename(self, schema_id: str, body: Json) -> Response:
        """Give a feature another name; its ids stay."""
        features = [(one, root) for one, _, root in self._features() if root["featureSchemaId"] == schema_id]
        for ontology, root in features:
            root["instructions" if "instructions" in root else "name"] = body["title"]
            ontology.updated_at = self.org.clock.now()
        return Response.of_json(200, {}) if features else _missing(schema_id)

    def upsert(self, schema_id: str, body: Json) -> Response:
        """Replace a feature everywhere, or make a new one that is in no ontology yet."""
        given = json.loads(body["normalized"])
        feature = completed({"tools": [given], "classifications": []}, self.org.new_id)["tools"][0]
        for _, siblings, root in list(self._features()):
            if root["featureSchemaId"] == schema_id:
                siblings[siblings.index(root)] = feature
        self.org.features[feature["featureSchemaId"]] = feature
        return Response.of_json(200, {"schemaId": feature["featureSchemaId"]})

    def insert(self, ontology_id: str, schema_id: str, body: Json) -> Response:
        """Put a feature into an ontology, or move it there."""
        ontology = self.org.ontologies.get(ontology_id)
        feature = self.org.features.get(schema_id) or next(
            (r for _, _, r in self._features() if r["featureSchemaId"] == schema_id), None
        )
        if not ontology or not feature:
            return _missing(schema_id)
        self.remove(ontology_id, schema_id, {})
        ontology.normalized["tools" if "tool" in feature else "classifications"].insert(body["position"], feature)
        ontology.updated_at = self.org.clock.now()
        return Response.of_json(201, {})

    def remove(self, ontology_id: str, schema_id: str, body: Json) -> Response:
        """Take a feature out of an ontology."""
        for ontology, siblings, root in list(self._features()):
            if ontology.id == ontology_id and root["featureSchemaId"] == schema_id:
                siblings.remove(root)
                return Response.of_json(200, {"archived": False, "deleted": True})
        return _missing(schema_id)

    def _features(self) -> list[tuple[Ontology, list[Json], Json]]:
        return [
            (ontology, ontology.normalized[kind], root)
            for ontology in self.org.ontologies.values()
            for kind in ("tools", "classifications")
            for root in ontology.normalized[kind]
        ]


def _missing(what: str) -> Response:
    return Response.of_json(404, {"message": f"{what} not found"})
