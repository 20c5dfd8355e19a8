"""What was measured before: a file an entry, named by its day and commit."""

import json
from pathlib import Path

from machine import kind

FOLDER = Path(__file__).resolve().parent.parent / "history"


def entries(folder=FOLDER):
    """All of them, the oldest first."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*.json")]
    return sorted(found, key=lambda entry: entry["date"])


def last_like(entry, past):
    """The last one of a machine of the same kind: of a quiet one, if there is any."""
    same = [other for other in past if kind(other["machine"]) == kind(entry["machine"])]
    quiet = [other for other in same if other["during"]["quiet"]]
    return (quiet or same or [None])[-1]


def keep(entry, folder=FOLDER):
    folder.mkdir(exist_ok=True)
    file = folder / f"{entry['date'][:10]}-{entry['commit']}.json"
    file.write_text(text(entry), encoding="utf-8")
    return file


def text(entry):
    """JSON with a line for each figure that a person may want to see in a difference, and no more."""

    def lines(value, depth):
        is_leaf = not isinstance(value, dict) or all(not isinstance(each, dict) for each in value.values())
        if is_leaf or depth == 4:
            return json.dumps(value, ensure_ascii=False)
        pad = " " * (depth + 1)
        inner = (f"{pad}{json.dumps(name, ensure_ascii=False)}: {lines(each, depth + 1)}" for name, each in value.items())
        return "{\n" + ",\n".join(inner) + "\n" + " " * depth + "}"

    return lines(entry, 0) + "\n"
