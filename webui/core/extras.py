"""Options of extensions in a request: frozen dataclasses of `Param`s, told apart by the extension that they belong to.

One field has one name everywhere (form, error, plot axis): "vignette.strength", the extension's and the field's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from webui.core.params import FieldSpec, check_value, params_of, suggest
from webui.errors import InvalidRequest

Kind = TypeVar("Kind")

_OWNER = "__extension__"


@dataclass(frozen=True)
class ExtraValues:
    """An extension's options as plain values, as they stand in a stored job and cross to the engine: neither needs its code."""

    extension: str
    values: tuple[tuple[str, object], ...]


def extension_of(kind: type) -> str:
    """The name of the extension that registered these options. Raise TypeError where none did."""
    name = vars(kind).get(_OWNER)
    if name is None:
        raise TypeError(f"{kind.__name__} is nobody's options: return it from register_params.")
    return name


def find_extra(extras: Iterable[object], kind: type[Kind]) -> Kind | None:
    """The options of that kind; None where the request has none of them.

    Raises:
        InvalidRequest: they were stored by another version of the extension, which had other fields.
    """
    for extra in extras:
        if isinstance(extra, kind):
            return extra
        if isinstance(extra, ExtraValues) and extra.extension == vars(kind).get(_OWNER):
            own = {name: value for name, value in extra.values if name in params_of(kind)}
            return _built(kind, own) if own else None
    return None


def extras_to_json(extras: Iterable[object]) -> dict[str, dict[str, Any]]:
    """By extension and field: {"vignette": {"strength": 0.5}}."""
    found: dict[str, dict[str, Any]] = {}
    for extra in extras:
        if isinstance(extra, ExtraValues):
            found.setdefault(extra.extension, {}).update(extra.values)
        else:
            values = {name: getattr(extra, name) for name in params_of(type(extra))}
            found.setdefault(extension_of(type(extra)), {}).update(values)
    return found


def extras_from_json(values: object) -> tuple[object, ...]:
    """The inverse, as plain values; a tuple is one already. Raise InvalidRequest for anything else."""
    if isinstance(values, tuple):
        return values
    if not isinstance(values, Mapping) or not all(isinstance(each, Mapping) for each in values.values()):
        raise InvalidRequest("extras", 'The options of extensions look like {"name": {"field": value}}.')
    return tuple(ExtraValues(str(name), tuple(each.items())) for name, each in values.items())


def with_extras(values: Mapping[str, Any]) -> dict[str, Any]:
    """A request's values by name, in which those of extensions ("vignette.strength") have become `extras`."""
    plain = {name: value for name, value in values.items() if "." not in name}
    nested: dict[str, dict[str, Any]] = {}
    for name in values.keys() - plain.keys():
        extension, _, field = name.partition(".")
        nested.setdefault(extension, {})[field] = values[name]
    return {**plain, "extras": extras_from_json(nested)} if nested else plain


class ExtraKinds:
    """Which options there are: those of the extensions that are loaded and switched on. Shared; it changes with them."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[type, ...]] = {}
        #: What the header of an extension's closed accordion says: "{checkpoint} at {switch_at}". By extension.
        self.summaries: dict[str, str] = {}
        #: Changes the entries that were read from an infotext, by key, before fields take them. May raise PluginError.
        self.alter_settings: Callable[[dict[str, str]], dict[str, str]] = dict

    def __iter__(self) -> Iterator[type]:
        return (kind for kinds in list(self._kinds.values()) for kind in kinds)

    @property
    def extensions(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    @property
    def fields(self) -> dict[str, FieldSpec]:
        """By their full names, which the specs carry too."""
        return {name: spec for extension in self.extensions for name, spec in self.fields_of(extension).items()}

    def fields_of(self, extension: str) -> dict[str, FieldSpec]:
        found = (spec for kind in self._kinds.get(extension, ()) for spec in params_of(kind).values())
        return {name: replace(spec, name=name) for spec in found for name in [f"{extension}.{spec.name}"]}

    def add(self, extension: str, kinds: Iterable[type], taken: Iterable[str] = ()) -> None:
        """Count these among the options.

        Args:
            taken: infotext keys that are somebody else's.

        Raises:
            ValueError: they cannot be; says why.
        """
        kinds = tuple(kinds)
        names: set[str] = set()
        keys = {*taken, *(spec.param.infotext for spec in self.fields.values() if spec.param.infotext)}
        for kind in kinds:
            _check_kind(kind)
            for spec in params_of(kind).values():
                if spec.name in names:
                    raise ValueError(f"has two options that are called “{spec.name}”")
                if spec.param.infotext in keys:
                    raise ValueError(
                        f"the option “{spec.name}” takes the infotext key “{spec.param.infotext}”, which is another's"
                    )
                names.add(spec.name)
                keys |= {spec.param.infotext} - {None}
        for kind in kinds:
            setattr(kind, _OWNER, extension)
        if kinds:
            self._kinds[extension] = kinds

    def remove(self, extension: str) -> None:
        self._kinds.pop(extension, None)
        self.summaries.pop(extension, None)

    def checked(self, extras: Iterable[object]) -> tuple[object, ...]:
        """The options as their own dataclasses; those that stand wholly at their defaults are left out.

        Raises:
            InvalidRequest: for an extension that is not there, a field that it has not, or a value that is not allowed.
        """
        found: list[object] = []
        for extension, values in extras_to_json(extras).items():
            known = {name.partition(".")[2] for name in self.fields_of(extension)}
            if extension not in self._kinds:
                raise InvalidRequest(
                    "extras", f"There is no extension “{extension:.80}” with options. {suggest(extension, self.extensions)}"
                )
            for name in values:
                if name not in known:
                    hint = suggest(str(name), tuple(known))
                    raise InvalidRequest(f"{extension}.{name}", f"The extension {extension} has no option “{name!s:.80}”. {hint}")
            for kind in self._kinds[extension]:
                options = _built(kind, {name: value for name, value in values.items() if name in params_of(kind)})
                if any(getattr(options, name) != spec.default for name, spec in params_of(kind).items()):
                    found.append(options)
        return tuple(found)


def _built(kind: type[Kind], values: Mapping[str, object]) -> Kind:
    specs, prefix = params_of(kind), f"{extension_of(kind)}."
    typed: dict[str, Any] = {}
    for name, value in values.items():
        check_value(replace(specs[name], name=prefix + name), value)
        typed[name] = float(value) if specs[name].kind is float and type(value) is int else value
    try:
        return kind(**typed)
    except InvalidRequest as error:  # of a check of its own
        raise type(error)(prefix + error.field.removeprefix(prefix), str(error)) from error


def _check_kind(kind: object) -> None:
    if not (isinstance(kind, type) and is_dataclass(kind) and kind.__dataclass_params__.frozen):  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError(f"{kind!r:.80} is no frozen dataclass")
    specs = params_of(kind)
    for field in fields(kind):
        if field.name not in specs:
            raise ValueError(f"the option “{field.name}” has no Param")
        if specs[field.name].kind not in (str, int, float, bool):
            raise ValueError(f"the option “{field.name}” is neither text, a number nor a switch")
        if field.default is MISSING:
            raise ValueError(f"the option “{field.name}” has no default")
        try:
            check_value(specs[field.name], field.default)
        except InvalidRequest as error:
            raise ValueError(f"the default of “{field.name}” is not allowed: {error}") from error
