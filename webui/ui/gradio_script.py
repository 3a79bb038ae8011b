"""Gradio's own script, where its work grows with the square of the page: three places are replaced while it is served.

Each place is named by its text in the pinned version. Where another version says it otherwise, that file is served as it is: the
page is slower then, and a test says so (docs/decisions/0029).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """In the file whose name begins with `file` (its hash follows), `old` becomes `new`; `more` is put at the file's end."""

    file: str
    old: str
    new: str
    more: str = ""


CHANGES = (
    # For each component all events of the page are searched for those that it begins: now they are sorted once.
    Change(
        "core-",
        "let n=t.filter(t=>t.targets.find(([t])=>t===e.id)).map(t=>{let n=t.targets.find(([t])=>t===e.id);"
        "return n?n[1]:null}).filter(Boolean);",
        "let n=[...(eventsByTarget(t).get(e.id)??[])];",
        """
        const eventsSorted = new WeakMap();
        function eventsByTarget(events) {
          if (eventsSorted.has(events)) return eventsSorted.get(events);
          const sorted = new Map();
          for (const { targets } of events) {
            for (const [id, name] of new Map([...targets].reverse())) {
              if (name) sorted.set(id, [...(sorted.get(id) ?? []), name]);
            }
          }
          eventsSorted.set(events, sorted);
          return sorted;
        }
        """,
    ),
    # To read or set one component the whole tree is walked until it is found: now what was found is kept.
    Change(
        "core-",
        "function Z(e,t){if(e.id===t)return e;if(e.children)for(let n of e.children){let e=Z(n,t);if(e)return e}return null}",
        "function Z(e,t){return nodeOf(e,t)}",
        """
        const nodesKept = new WeakMap();
        function nodeOf(root, id) {
          if (id === undefined || id === null) return null; // nearly all that is asked for while the page is built
          const kept = nodesKept.get(root)?.get(id);
          if (kept) return kept;
          const nodes = new Map();
          const walk = (node) => {
            if (!nodes.has(node.id)) nodes.set(node.id, node);
            for (const child of node.children ?? []) walk(child);
          };
          walk(root);
          nodesKept.set(root, nodes);
          return nodes.get(id) ?? null;
        }
        """,
    ),
    # What was kept is out of date where a part of the page is drawn anew (gr.render).
    Change("core-", "a.children=i.children,this.#f(i)}", "a.children=i.children,nodesKept.delete(this.root),this.#f(i)}"),
    # The page that was just built is built a second time, as if it had been sent again.
    Change("Blocks-", "v(),oe(()=>{O.reload(", "v()&&oe(()=>{O.reload("),
)


def is_changed(name: str) -> bool:
    """Whether the file of this name may be another than Gradio's."""
    return name.endswith(".js") and any(name.startswith(change.file) for change in CHANGES)


def quickened(name: str, text: str) -> str:
    """A file of Gradio's with its changes: all of them, or none where one has no place."""
    changes = [change for change in CHANGES if name.startswith(change.file)]
    if any(text.count(change.old) != 1 for change in changes):
        log.warning("Gradio's %s is not the one that is known, so the page opens more slowly.", name)
        return text
    for change in changes:
        text = text.replace(change.old, change.new) + change.more
    return text
