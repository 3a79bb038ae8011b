"""The options of extensions in the schemas and requests of the HTTP APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.core.extras import ExtraKinds
from webui.core.params import FieldSpec, suggest
from webui.errors import InvalidRequest

#: Before the names of A1111's settings that a request overrides.
OVERRIDE = "override_settings."

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def extras_schema(kinds: ExtraKinds) -> dict[str, Any]:
    """JSON schema by extension and option. The request checks the values, whose words are better."""
    return {
        extension: {
            "type": "object",
            "additionalProperties": False,
            "properties": {name.partition(".")[2]: field_schema(spec) for name, spec in kinds.fields_of(extension).items()},
        }
        for extension in kinds.extensions
    }


def field_schema(spec: FieldSpec) -> dict[str, Any]:
    """A field's type, label, help, default and limits."""
    param = spec.param
    limits = {"minimum": param.low, "maximum": param.high, "multipleOf": param.multiple_of, "enum": list(param.choices) or None}
    found = {"description": ". ".join(filter(None, (param.label, param.help))), "default": spec.default}
    kind = _JSON_TYPES[spec.kind]
    return {"type": [kind, "null"] if spec.optional else kind} | found | {k: v for k, v in limits.items() if v is not None}


def from_scripts(scripts: Mapping[str, Any] | None, kinds: ExtraKinds) -> dict[str, Any]:
    """A1111's `alwayson_scripts` as values by full name: {"name": {"args": [values in order, or one object]}}.

    Raises:
        InvalidRequest: for a name that is no extension's, or arguments of another form.
    """
    values: dict[str, Any] = {}
    by_name = {extension.casefold(): extension for extension in kinds.extensions}
    for title, given in (scripts or {}).items():
        extension = by_name.get(str(title).casefold())
        if extension is None:
            hint = suggest(str(title), kinds.extensions)
            raise InvalidRequest(
                "alwayson_scripts",
                f"alwayson_scripts: A1111’s scripts are not supported yet, and no extension is called “{title!s:.80}”. {hint}",
            )
        args = given.get("args", []) if isinstance(given, Mapping) else None
        specs = kinds.fields_of(extension)
        names = list(specs)
        if args and isinstance(args, list) and isinstance(args[0], bool) and specs[names[0]].kind is not bool:
            args = args[1:] if args[0] else []  # A1111's scripts begin with whether they are switched on
        if not isinstance(args, list) or len(args) > len(names):
            raise InvalidRequest(
                "alwayson_scripts",
                f"{extension}: args was expected to be a list of at most {len(names)} values, or of one object.",
            )
        if len(args) == 1 and isinstance(args[0], Mapping):
            values |= {f"{extension}.{field}": value for field, value in args[0].items()}
        else:
            values |= dict(zip(names, args, strict=False))
    return values


def from_body(body: Any, kinds: ExtraKinds) -> dict[str, Any]:
    """What the fields of A1111's request say of extensions: those that a `Param` names as its `api`. "" is nothing."""
    given = {api: getattr(body, api) for api in body.model_fields_set}
    given |= {f"{OVERRIDE}{key}": value for key, value in (getattr(body, "override_settings", None) or {}).items()}
    found = {name: given.get(spec.param.api) for name, spec in kinds.fields.items() if spec.param.api}
    return {name: value for name, value in found.items() if value not in (None, "")}
