"""Reads what cargo says it has built, and what llvm-cov says was reached (see `run`)."""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Where each line that nothing reaches is named.
NAMED = ("src/domain/", "src/crypto/", "src/store/", "src/service/")


def executables() -> None:
    """The test programs, and the program itself where a test starts it."""
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message.get("executable"):
            print(message["executable"])


def tests_begin(file: Path) -> int:
    """From which line on a file is tests: they are not what is to be reached."""
    lines = file.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.strip() == "#[cfg(test)]" and number + 1 < len(lines) and re.match(r"\s*(pub\S* )?mod \w+ \{", lines[number + 1]):
            return number + 1
    return len(lines) + 1


def is_test(file: str) -> bool:
    """Whether all of it is."""
    return file.startswith("src/crypto/vectors/") or file in {"src/crypto/wycheproof.rs", "src/store/faulty.rs"}


def report(lcov: Path, missed: Path) -> None:
    """Prints how much was reached, by folder, and writes down what was not."""
    hits: dict[str, dict[int, int]] = defaultdict(dict)
    file = ""
    for line in lcov.read_text().splitlines():
        if line.startswith("SF:"):
            path = Path(line[3:])
            file = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
        elif line.startswith("DA:") and file.startswith("src/") and not is_test(file):
            number, count = (int(value) for value in line[3:].split(",")[:2])
            hits[file][number] = max(count, hits[file].get(number, 0))
    folders: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    with missed.open("w") as out:
        for file in sorted(hits):
            last = tests_begin(ROOT / file)
            source = (ROOT / file).read_text().splitlines()
            folder = "/".join(file.split("/")[:2]) if file.count("/") > 1 else "src (files)"
            for number, count in sorted(hits[file].items()):
                if number >= last:
                    continue
                folders[folder][0] += count > 0
                folders[folder][1] += 1
                if not count and file.startswith(NAMED):
                    out.write(f"{file}:{number}: {source[number - 1].strip()}\n")
    reached, all_of_it = (sum(folder[index] for folder in folders.values()) for index in (0, 1))
    for name, (some, every) in (*sorted(folders.items()), ("all of src", (reached, all_of_it))):
        print(f"{name:16} {some:6} of {every:6} lines  {100 * some / every:5.1f} %")


if sys.argv[1] == "executables":
    executables()
else:
    report(Path(sys.argv[2]), Path(sys.argv[3]))
