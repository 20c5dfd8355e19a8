"""Holds Cargo.lock against a clone of RustSec's database of advisories: known weaknesses of what we are made of.

    git clone https://github.com/rustsec/advisory-db
    localstack/.run/tools/bin/python tests/supply_chain/audit.py advisory-db

Asks nobody over the network. Prints each advisory that applies, and what to do; those that a package has no maintainer, and
other notices, are listed apart. What was looked at and left is named in deny.toml, with the reason. The exit status is
1 if an advisory applies, 2 if the database could not be read.

The compiler counts as a package as well, in the version that Cargo.toml wants at least.
"""

import collections
import dataclasses
import datetime
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from semantic_version import Version

ROOT = Path(__file__).resolve().parent.parent.parent
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
# After so many days a database says little of today. cargo-audit and cargo-deny have the same bound.
STALE = datetime.timedelta(days=90)


class Unreadable(Exception):
    """The database is not as it should be: nothing may be taken from that."""


@dataclasses.dataclass(frozen=True)
class Advisory:
    id: str
    collection: str
    package: str
    title: str
    url: str
    aliases: tuple = ()
    # None where it is a vulnerability, else why it is told: unsound, unmaintained, notice.
    informational: str | None = None
    withdrawn: bool = False
    patched: tuple = ()
    unaffected: tuple = ()
    functions: tuple = ()
    systems: tuple = ()

    def applies(self, version):
        return not self.withdrawn and not any(meets(version, each) for each in self.patched + self.unaffected)

    def is_a_weakness(self):
        """Nobody has to act at once on a package that has lost its maintainer."""
        return self.informational in (None, "unsound")


@dataclasses.dataclass(frozen=True)
class Package:
    collection: str
    name: str
    version: str
    needed_by: tuple = ()


# --- versions ----------------------------------------------------------------------

# Sign, up to three numbers, pre-release; what stands behind a plus is of no account.
COMPARATOR = re.compile(
    r"\s*(>=|<=|>|<|=|\^|~|)\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?\s*"
)


def meets(version, requirement):
    """Whether a version is within bounds such as `>= 1.2.3, < 2.0.0`.

    By precedence alone, as the database means it: a pre-release of 2.0.0 is below 2.0.0. Cargo, when it
    chooses, takes no pre-release that nobody has asked for; but here nobody is asked.
    """
    here = Version(version).truncate("prerelease").precedence_key
    return all(low <= here if closed else low < here for low, closed in bounds(requirement, below=False)) and all(
        here <= high if closed else here < high for high, closed in bounds(requirement, below=True)
    )


def bounds(requirement, below):
    """The bounds from below, or from above, each with whether it is itself within."""
    found = []
    for comparator in requirement.split(","):
        parts = COMPARATOR.fullmatch(comparator)
        if not parts:
            raise Unreadable(f"{requirement}: not understood")
        sign, pre = parts[1], parts[5] or ""
        numbers = [int(each) for each in parts.groups()[1:4] if each is not None]
        low = key(numbers, pre)
        if sign in (">", ">=", "=") and not below:
            found.append((low, sign != ">"))
        elif sign in ("<", "<=", "=") and below:
            found.append((low, sign != "<"))
        elif sign in ("^", "~", ""):
            found.append((key(next_after(numbers, sign), "-0"), False) if below else (low, True))
    return found


def key(numbers, pre=""):
    return Version(".".join(map(str, (numbers + [0, 0])[:3])) + pre).precedence_key


def next_after(numbers, sign):
    """The first version that is not compatible any more: of 1.2.3 it is 2, of 0.2.3 it is 0.3; with a tilde 1.3 and 0.3."""
    if sign == "~":
        changes = min(1, len(numbers) - 1)
    else:
        changes = next((place for place, number in enumerate(numbers) if number), len(numbers) - 1)
    return [*numbers[:changes], numbers[changes] + 1]


# --- what is read --------------------------------------------------------------------


def advisory(text, collection):
    """An advisory from its file: a block of TOML, and Markdown."""
    parts = re.match(r"```toml\n(.*?)\n```\n(.*)", text, flags=re.S)
    if not parts:
        raise Unreadable("no block of TOML at the beginning")
    try:
        told = tomllib.loads(parts[1])
        about, versions, affected = told["advisory"], told["versions"], told.get("affected", {})
        heading = re.search(r"^# +(.+?) *$", parts[2], flags=re.M)
        made = Advisory(
            id=about["id"],
            collection=collection,
            package=about["package"],
            title=heading[1] if heading else "",
            url=about.get("url", ""),
            aliases=tuple(about.get("aliases", ())),
            informational=about.get("informational"),
            withdrawn="withdrawn" in about,
            patched=tuple(versions["patched"]),
            unaffected=tuple(versions.get("unaffected", ())),
            functions=tuple(affected.get("functions", ())),
            systems=(*affected.get("os", ()), *affected.get("arch", ())),
        )
    except (tomllib.TOMLDecodeError, KeyError) as fault:
        raise Unreadable(f"{type(fault).__name__}: {fault}") from fault
    # Whether it is understood is not to depend on which packages we have.
    for requirement in made.patched + made.unaffected:
        bounds(requirement, below=True)
    return made


def database(folder):
    """All advisories of a clone."""
    found = []
    for collection in ("crates", "rust"):
        for file in sorted((Path(folder) / collection).glob("*/*.md")):
            try:
                found.append(advisory(file.read_text(encoding="utf-8"), collection))
            except (Unreadable, OSError, UnicodeDecodeError) as fault:
                raise Unreadable(f"{file}: {fault}") from fault
    if not found:
        raise Unreadable(f"{folder}: nothing in crates/ and rust/. Is it a clone of https://github.com/rustsec/advisory-db?")
    return found


def dated(folder):
    """When the last advisory came into a clone, and by which commit; nothing where it is no repository of its own."""
    asked = ["git", "-C", str(folder), "log", "-1", "--format=%cs %h", "--", "crates"]
    told = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if told.returncode or not told.stdout.strip():
        return None, None
    date, commit = told.stdout.split()
    return datetime.date.fromisoformat(date), commit


def packages(lock, manifest):
    """What is in Cargo.lock from the registry, and the compiler."""
    needed_by = {}
    often = collections.Counter(each["name"] for each in lock["package"])
    for each in lock["package"]:
        for needed in each.get("dependencies", ()):
            # The version stands there where it would not be clear otherwise.
            name, _, rest = needed.partition(" ")
            needed_by.setdefault((name, rest.split(" ")[0] if often[name] > 1 else ""), []).append(each["name"])
    found = []
    for each in lock["package"]:
        if each.get("source") == REGISTRY:
            by = needed_by.get((each["name"], each["version"] if often[each["name"]] > 1 else ""), [])
            found.append(Package("crates", each["name"], each["version"], tuple(sorted(set(by)))))
    wanted = manifest["package"]["rust-version"]
    wanted += ".0" * (2 - wanted.count("."))
    return found + [Package("rust", name, wanted) for name in ("cargo", "rustdoc", "std")]


def left(deny):
    """Advisories that were looked at and left, with the reason."""
    return {each["id"]: each["reason"] for each in deny["advisories"]["ignore"]}


# --- what is told --------------------------------------------------------------------


def what_to_do(advisory, package):
    if package.collection == "rust":
        better = " or ".join(advisory.patched) or "another compiler"
        return f"build with {better}: raise rust-version in Cargo.toml, and the Dockerfile"
    if not advisory.patched:
        return "no version is better: do without it, or, if this does not concern us, name it in deny.toml and say why"
    direct = "cloakroom" in package.needed_by
    raising = "raise it in Cargo.toml" if direct else f"raise what needs it ({', '.join(package.needed_by)}) as far as needed"
    update = f"cargo update {package.name}@{package.version}"
    return f"{' or '.join(advisory.patched)}: {raising}, then {update}"


def described(advisory, package):
    lines = [f"{advisory.id}: {package.name} {package.version}: {advisory.title}"]
    if advisory.informational:
        lines.append(f"kind: {advisory.informational}")
    if advisory.aliases:
        lines.append(f"also known as: {', '.join(advisory.aliases)}")
    if advisory.functions:
        lines.append(f"if this is called: {', '.join(advisory.functions)}")
    if advisory.systems:
        lines.append(f"on: {', '.join(advisory.systems)}")
    if package.needed_by:
        lines.append(f"needed by: {', '.join(package.needed_by)}")
    lines.append(f"to do: {what_to_do(advisory, package)}")
    if advisory.url:
        lines.append(f"more: {advisory.url}")
    return "\n    ".join(lines)


def report(advisories, packages, left, date=None, commit=None, today=None):
    """What to print, and whether anything applies."""
    by_name = {}
    for each in packages:
        by_name.setdefault((each.collection, each.name), []).append(each)
    about = [each for each in advisories if (each.collection, each.package) in by_name]
    applying = [
        (each, package) for each in about for package in by_name[each.collection, each.package] if each.applies(package.version)
    ]
    told = [(each, package) for each, package in applying if each.id not in left]
    weaknesses = [pair for pair in told if pair[0].is_a_weakness()]
    notices = [pair for pair in told if not pair[0].is_a_weakness()]
    lines = [f"{f'database of {date} ({commit})' if date else 'undated database'}: {len(advisories):,} advisories"]
    if date and today - date > STALE:
        lines.append(f"that is {(today - date).days} days ago: git pull there, or this says little")
    withdrawn = sum(each.withdrawn for each in about)
    ours = f"packages of ours ({len(packages)} with the compiler)"
    lines.append(f"{len(about)} are about {ours}, of which {withdrawn} were withdrawn")
    for title, pairs in (("APPLIES:", weaknesses), ("for your notice:", notices)):
        if pairs:
            lines += ["", title, *(described(*pair) for pair in sorted(pairs, key=lambda pair: pair[0].id))]
    if left:
        lines += ["", "looked at and left, as deny.toml says:"]
        still = {each.id for each, _ in applying}
        for id, why in left.items():
            lines.append(f"{id}: {why}" if id in still else f"{id} does not apply (any more): it goes from there")
    lines += ["", f"{len(weaknesses)} to do" if weaknesses else "nothing applies"]
    return "\n".join(lines), bool(weaknesses)


def main(*arguments):
    if len(arguments) != 1:
        print("Usage: audit.py ADVISORY-DB, a clone of https://github.com/rustsec/advisory-db", file=sys.stderr)
        return 2
    lock, manifest, deny = (
        tomllib.loads((ROOT / file).read_text(encoding="utf-8")) for file in ("Cargo.lock", "Cargo.toml", "deny.toml")
    )
    try:
        advisories = database(arguments[0])
    except Unreadable as fault:
        print(f"audit.py: {fault}", file=sys.stderr)
        return 2
    ours = packages(lock, manifest)
    text, applies = report(advisories, ours, left(deny), *dated(arguments[0]), datetime.date.today())
    print(text)
    return int(applies)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
