"""Draw which room imports from which, into docs/architecture.md.

python docs/make_graph.py            write the diagram
python docs/make_graph.py --check    say whether the page shows the imports of today
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from test_structure import FILES, ROOMS, at_import, imported, module, tree  # noqa: E402

PAGE = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- imports: written by docs/make_graph.py -->\n"
END = "<!-- end of imports -->\n"

Graph = dict[str, set[str]]


def imports() -> tuple[Graph, Graph]:
    """Each room to the rooms it imports from: when it is loaded, and later or for types alone."""
    first: Graph = {}
    later: Graph = {}
    for path in FILES:
        room = module(path)[1] if len(module(path)) > 1 else ""
        if room not in ROOMS:
            continue  # the package itself and `python -m reelpulse`
        source = tree(path)
        at_once = _rooms(list(at_import(source.body)), path)
        first.setdefault(room, set()).update(at_once - {room})
        later.setdefault(room, set()).update(_rooms(list(ast.walk(source)), path) - {room})
    return first, {room: later[room] - first[room] for room in later}


def _rooms(nodes: list[ast.AST] | list[ast.stmt], path: Path) -> set[str]:
    names = [name.split(".") for node in nodes for name in imported(node, path)]
    return {parts[1] for parts in names if parts[0] == "reelpulse" and parts[1:2]} & set(ROOMS)


def reduced(edges: Graph, paths: Graph) -> Graph:
    """Leave out the edges that a longer way through `paths` tells already."""
    return {
        room: {
            target
            for target in targets
            if not any(target in reached(paths, step) for step in paths[room] - {target})
        }
        for room, targets in edges.items()
    }


def reached(graph: Graph, room: str) -> set[str]:
    """All rooms on the ways from one, itself left out."""
    found: set[str] = set()
    ahead = set(graph.get(room, ()))
    while ahead:
        found |= ahead
        ahead = set().union(*(graph.get(step, set()) for step in ahead)) - found
    return found


def diagram() -> str:
    """The Mermaid text, rooms and arrows in the order of the rooms."""
    first, later = imports()
    every = {room: first[room] | later[room] for room in first}
    solid, dashed = reduced(first, every), reduced(later, every)
    rooms = [room for room in ROOMS if room in first]
    lines = ["```mermaid", "flowchart BT"]
    for arrow, edges in (("-->", solid), ("-.->", dashed)):
        lines += [
            f"    {room} {arrow} {target}"
            for room in rooms
            for target in rooms
            if target in edges[room]
        ]
    return "\n".join([*lines, "```", ""])


def drawn(page: str) -> str:
    """The page with the diagram of today between its two markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{diagram()}\n{END}{after}"


def main() -> int:
    """Write the page, or with ``--check`` tell whether it is current; gives the exit status."""
    text = PAGE.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        print(f"{PAGE}: lacks the markers that the diagram goes between")
        return 1
    if "--check" in sys.argv[1:]:
        if drawn(text) != text:
            print(f"{PAGE}: shows other imports than the code has: run docs/make_graph.py")
            return 1
        return 0
    PAGE.write_text(drawn(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
