"""Both APIs against their own description: requests made from it at random, sensible and not, get an answer that it allows.

SCHEMA_EXAMPLES=100 in the environment has schemathesis try so many requests of each route rather than a few.
"""

from __future__ import annotations

import json
import os
import random
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.api.conftest import ADDRESS

ROUNDS = 6

#: Streams that never end, and what would ask the network or work on files for long.
LEFT_OUT = (
    "/events", "/api/v1/models/download", "/api/v1/models/hash", "/api/v1/extensions/", "/api/v1/history/open", "/open-folder",
)  # fmt: skip

#: What the rules beside the schemas refuse is no mistake: a script that there is not, a file that is no picture.
ALLOWED = [positive_data_acceptance]

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "2"))

ODD: tuple[Any, ...] = (None, "", "x" * 300, "é\u0000", "../../etc/passwd", -1, 0, 2**70, 1e300, True, [], {}, [[]], {"a": [1]})
METHODS = ("get", "post", "put", "delete", "patch")


class Maker:
    """Values for JSON schemas: mostly such as they describe, sometimes others."""

    def __init__(self, schemas: dict[str, Any], seed: str) -> None:
        self._schemas, self.chance = schemas, random.Random(seed)

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        if self.chance.random() < 0.15:
            return self.chance.choice(ODD)
        if "$ref" in schema:
            return self.value(self._schemas[schema["$ref"].rpartition("/")[2]], depth)
        if choices := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
            return self.chance.choice(choices)
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                return self.value(self.chance.choice(schema[several]), depth)
        kind = schema.get("type", "object")
        return getattr(self, f"_{self.chance.choice(kind) if isinstance(kind, list) else kind}")(schema, depth)

    def _null(self, schema: dict[str, Any], depth: int) -> None:
        return None

    def _boolean(self, schema: dict[str, Any], depth: int) -> bool:
        return self.chance.random() < 0.5

    def _integer(self, schema: dict[str, Any], depth: int) -> int:
        low = schema.get("minimum", 0)
        return self.chance.randint(int(low), int(min(schema.get("maximum", low + 9), low + 9)))

    def _number(self, schema: dict[str, Any], depth: int) -> float:
        low = schema.get("minimum", 0)
        return self.chance.uniform(low, min(schema.get("maximum", low + 1), low + 9))

    def _string(self, schema: dict[str, Any], depth: int) -> str:
        return "".join(self.chance.choices(string.ascii_letters + " .,:;/<>|", k=self.chance.randint(0, 12)))

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        return [self.value(schema.get("items", {}), depth + 1) for _ in range(self.chance.randint(0, 2) if depth < 4 else 0)]

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        needed = schema.get("required", ())
        named = schema.get("properties", {})
        return {
            name: self.value(inner, depth + 1)
            for name, inner in named.items()
            if (name in needed and self.chance.random() < 0.9) or (depth < 4 and self.chance.random() < 4 / (4 + len(named)))
        }


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        if not any(part in path for part in LEFT_OUT):
            yield from ((method, path, operation) for method, operation in methods.items() if method in METHODS)


def ask(client: TestClient, make: Maker, method: str, path: str, operation: dict[str, Any]) -> Any:
    query: dict[str, Any] = {}
    for parameter in operation.get("parameters", ()):
        if not parameter.get("required") and make.chance.random() < 0.5:
            continue
        value = make.value(parameter.get("schema", {}))
        text = value if isinstance(value, str) else json.dumps(value)
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(text[:100], safe="") or "0")
        elif parameter["in"] == "query":
            query[parameter["name"]] = text
    bodies = operation.get("requestBody", {}).get("content", {})
    if "application/json" in bodies:
        body = json.dumps(make.value(bodies["application/json"].get("schema", {})))
        return client.request(method, path, params=query, content=body, headers={"Content-Type": "application/json"})
    data = make.chance.randbytes(make.chance.randint(0, 40)) if method in ("post", "put") else None
    return client.request(method, path, params=query, content=data)


@pytest.mark.parametrize("start", ["/sdapi/v1/", "/internal/", "/api/v1/"])
def test_what_is_asked_at_random_is_answered_or_refused_in_words(shared_client: TestClient, start: str):
    described = shared_client.get("/openapi.json").json()
    tried = 0
    for method, path, operation in operations(described):
        if not path.startswith(start):
            continue
        make = Maker(described["components"]["schemas"], f"{method} {path}")
        for _ in range(ROUNDS):
            answer = ask(shared_client, make, method, path, operation)
            tried += 1
            what = f"{answer.request.method} {answer.request.url} {answer.request.content!r:.300}: {answer.text:.300}"
            assert answer.status_code < 500, what
            if answer.status_code >= 400:
                told = answer.json()
                assert set(told) == {"error", "detail", "field", "body", "errors"} and told["detail"], what
            else:
                kinds = operation["responses"].get(str(answer.status_code), {}).get("content", {"": None})
                kind = answer.headers.get("content-type", "").partition(";")[0]
                assert any(kind == known or known in ("", f"{kind.partition('/')[0]}/*") for known in kinds), what
    assert tried > 5 * ROUNDS - 1


@pytest.mark.timeout(600 + 60 * EXAMPLES)
def test_every_answer_is_as_the_description_says(shared_client: TestClient):
    """By schemathesis: statuses, media types, and bodies against their schemas; no route fails inside."""
    headers = {"Host": ADDRESS.removeprefix("http://")}
    described = schemathesis.openapi.from_asgi("/openapi.json", shared_client.app, headers=headers)
    few = settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    tried = 0
    for found in described.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if any(part in operation.path for part in LEFT_OUT):
            continue

        @few
        @given(case=operation.as_strategy())
        def answered(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers, excluded_checks=ALLOWED)

        answered()
        tried += 1
    assert tried > 100


def test_every_body_that_is_posted_has_examples_that_it_takes(shared_client: TestClient):
    described = shared_client.get("/openapi.json").json()
    tried = 0
    for path, methods in described["paths"].items():
        body = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            continue
        schema = body["schema"]
        named = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        assert named.get("examples"), path
        for example in named["examples"]:
            jsonschema_rs.validate({**schema, "components": described["components"]}, example)
            tried += 1
    assert tried > 20


def test_every_operation_says_what_it_is_for_and_answers_under_a_name_of_its_own(shared_client: TestClient):
    described = shared_client.get("/openapi.json").json()
    names = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))
    assert all(operation.get("summary") for methods in described["paths"].values() for operation in methods.values())
