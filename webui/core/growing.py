"""Tables of the program that extensions add to while it runs: samplers, schedule types, readers of other programs' texts.

They belong to the process, as the program's own entries do: a name means the same wherever it is looked up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar, overload

Item = TypeVar("Item")


class Growing(Sequence[Item]):
    """The program's own items, then those of each extension. What was taken out of it stays as it was; ask anew."""

    def __init__(self, own: Iterable[Item], names: Callable[[Item], Iterable[str]]) -> None:
        """
        Args:
            names: all that an item is called; letters' case does not count.
        """
        self._own, self._names = tuple(own), names
        self._added: dict[str, tuple[Item, ...]] = {}
        self._lock = threading.Lock()
        self._settle()

    def _settle(self) -> None:
        self._items = (*self._own, *(item for items in self._added.values() for item in items))
        self._by_name = {name.casefold(): item for item in reversed(self._items) for name in self._names(item)}

    def add(self, owner: str, items: Iterable[Item]) -> None:
        """Have these of that owner, and no others of it.

        Raises:
            ValueError: a name is somebody else's, or is there twice; says which.
        """
        items = tuple(items)
        with self._lock:
            others = (*self._own, *(item for name, added in self._added.items() if name != owner for item in added))
            taken = {name.casefold() for item in others for name in self._names(item)}
            for item in items:
                own = {name.casefold(): name for name in self._names(item)}
                if clash := next((own[key] for key in own if key in taken), None):
                    raise ValueError(f"there is another “{clash}”")
                taken |= own.keys()
            self._added |= {owner: items}
            self._settle()

    @property
    def owners(self) -> tuple[str, ...]:
        return tuple(self._added)

    def added(self, owner: str) -> tuple[Item, ...]:
        return self._added.get(owner, ())

    def remove(self, owner: str) -> None:
        with self._lock:
            if self._added.pop(owner, None) is not None:
                self._settle()

    def find(self, name: str) -> Item | None:
        return self._by_name.get(name.strip().casefold())

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, index: int | slice) -> Item | tuple[Item, ...]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    @property
    def items(self) -> tuple[Item, ...]:
        """All of them; the same object until one is added or removed."""
        return self._items


class Listing(Sequence[str], Generic[Item]):
    """Texts of a growing table's items, such as the names that a field can have."""

    def __init__(
        self,
        table: Growing[Item],
        text: Callable[[Item], str],
        first: Iterable[str] = (),
        fits: Callable[[Item], bool] = lambda item: True,
    ) -> None:
        """
        Args:
            first: what stands before them.
            fits: which items count.
        """
        self._table, self._text, self._first, self._fits = table, text, tuple(first), fits
        self._read: tuple[tuple[Item, ...], tuple[str, ...]] | None = None

    @property
    def _texts(self) -> tuple[str, ...]:
        """Written out once for each state of the table: every request that is made looks some of its values up here."""
        items, read = self._table.items, self._read
        if read is None or read[0] is not items:
            read = items, (*self._first, *(self._text(item) for item in items if self._fits(item)))
            self._read = read
        return read[1]

    def __contains__(self, value: object) -> bool:
        return value in self._texts

    def after(self, *first: str) -> Listing[Item]:
        """The same with others before them."""
        return Listing(self._table, self._text, first, self._fits)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self._texts[index]

    def __len__(self) -> int:
        return len(self._texts)
