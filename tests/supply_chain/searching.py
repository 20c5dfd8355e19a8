"""Looks for secrets in every file, in every version of every file, and in every message of a commit.

    localstack/.run/tools/bin/python tests/supply_chain/searching.py
    localstack/.run/tools/bin/python tests/supply_chain/searching.py --as-known     as lines for known_secrets.toml

What has a known form is found: keys of clouds and services (detect-secrets), private keys, and what this program hands out.
A password that looks like any other text is not, nor what lies in a picture. No finding repeats the secret: it says
where it is, of which kind, and a hash, by which `known_secrets.toml` knows it if it is none.
"""

import bisect
import collections
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

ROOT = Path(__file__).resolve().parent.parent.parent
KNOWN = Path(__file__).resolve().parent / "known_secrets.toml"

# --- forms -------------------------------------------------------------------------

# Those that judge by entropy or by the name of a variable, or that look for no secret.
WITHOUT = {"Base64 High Entropy String", "Hex High Entropy String", "Secret Keyword", "Public IP (ipv4)"}

LETTER = "[A-Za-z0-9_-]"
# See crypto/opaque.rs, crypto/sealed.rs, crypto/webhook_signature.rs and keys/document.rs.
OURS = {
    "Cloakroom API key": rf"crk_(?:live|test)_{LETTER}{{43}}",
    "Cloakroom link, file request or console session": rf"cr[lfc]_{LETTER}{{43}}",
    "Cloakroom sealed token": rf"(?:crs|cst|csb|crm|cet)_{LETTER}{{100,}}",
    "secret of a webhook": r"whsec_[A-Za-z0-9+/]{32,}",
    "root key": rf'"secret" *: *"{LETTER}{{43}}"',
}
# What the detectors do not know.
MORE = {
    # Without an envelope, by how the bytes begin in base64 and in hexadecimal: PKCS #8, PKCS #1, SEC 1.
    "private key": "|".join(
        (
            r"M[A-H][A-Za-z0-9+/_-]CAQ[AE]wBQYDK2V[A-Za-z0-9+/_-]{40,}",
            r"MI[E-H][A-Za-z0-9+/_-]AgE[AB]MB[A-Za-z0-9+/_-]G[A-Za-z0-9+/_-]{40,}",
            r"MII[A-Za-z0-9+/_-]{3}IBADANBgkqhkiG9w0BAQ[A-Za-z0-9+/_-]{40,}",
            r"MII[A-Za-z0-9+/_-]{3}IBAAKC[A-Za-z0-9+/_-]{40,}",
            r"MHcCAQEEI[A-Za-z0-9+/_-]{40,}",
            r"MI[E-H][A-Za-z0-9+/_-]AgEBB[DE][A-Za-z0-9+/_-]{40,}",
            r"30(?:[0-7][0-9a-f]|81[0-9a-f]{2}|82[0-9a-f]{4})02010[01]30[01][0-9a-f]06[0-9a-f]{40,}",
            r"3082[0-9a-f]{4}0201000282[0-9a-f]{40,}",
            r"30(?:[0-7][0-9a-f]|81[0-9a-f]{2})02010104[234][0-9a-f]{65,}",
        )
    ),
    "Private Key": r"BEGIN ENCRYPTED PRIVATE[ ]KEY|PuTTY-User-Key-File-(?!2)\d",
    "GitHub Token": r"github_pat_[A-Za-z0-9_]{40,}",
    "NPM tokens": r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])",
    "Slack Token": r"xapp-\d-[A-Za-z0-9]+-\d+-[a-f0-9]{32,}",
    "Google API key": r"AIza[A-Za-z0-9_-]{35}",
    "HashiCorp Vault token": r"hv[sb]\.[A-Za-z0-9_-]{24,}",
    "crates.io token": r"cio[A-Za-z0-9]{32}(?![A-Za-z0-9])",
    "Docker Hub token": r"dckr_[op]at_[A-Za-z0-9_-]{20,}",
    "age key": r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
}


@dataclasses.dataclass(frozen=True)
class Form:
    kind: str
    pattern: re.Pattern
    # Whether what has the form is what it looks like.
    is_genuine: object


def forms():
    genuine = lambda text: True
    found = []
    for kind, detector in sorted(get_mapping_from_secret_type_to_class().items()):
        if kind not in WITHOUT:
            found += [Form(kind, each, getattr(detector, "is_formally_valid", genuine)) for each in detector.denylist]
    for kind, pattern in (OURS | MORE).items():
        found.append(Form(kind, re.compile(f"(?<![A-Za-z0-9])(?:{pattern})"), genuine))
    return found


def matches(lines):
    """Of many different lines, those in which something is found: kind, and where in the line it begins and ends.

    All lines are searched as one text, which is many times faster. A match may run across an end of a line there, and
    hide another: so every line that it touches is searched by itself.
    """
    starts, place = [], 0
    for line in lines:
        starts.append(place)
        place += len(line) + 1
    text = "\n".join(lines)
    found = collections.defaultdict(list)
    for form in forms():
        touched = set()
        for match in form.pattern.finditer(text):
            first, last = (bisect.bisect_right(starts, place) - 1 for place in match.span())
            touched.update(range(first, last + 1))
        for number in touched:
            for match in form.pattern.finditer(lines[number]):
                if form.is_genuine(match[0]):
                    found[number].append((form.kind, *match.span()))
    return found


# --- texts -------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Text:
    path: str
    # The object of git that it is, or nothing where it is a file of the checkout.
    origin: str | None
    lines: tuple


def git(repository, *asked, **more):
    """What git says. Whoever else the checkout belongs to: it is only read."""
    command = ["git", "-c", "safe.directory=*", "-C", repository, *asked]
    # A hook of git's own would name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(command, check=True, env=environment, **({"stdout": subprocess.PIPE} | more)).stdout


def is_repository(folder):
    """Whether it has a history. What was unpacked from an archive has none."""
    return Path(folder, ".git").exists()


def names(folder):
    """Of the files that git has or would take; without it, of those that lie in none of the folders that it would leave out."""
    if is_repository(folder):
        told = git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return os.fsdecode(told).split("\0")
    left_out = {"target", "data", "advisory-db", ".cargo", ".run", "__pycache__"}
    found = []
    for above, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in left_out]
        found += [str(Path(above, each).relative_to(folder)) for each in files]
    return found


def checked_out(repository):
    """Every file, as it is on the disk now."""
    for path in names(repository):
        file = Path(repository, path)
        if path and file.is_file() and not file.is_symlink():
            try:
                content = file.read_bytes()
            except FileNotFoundError:
                # Somebody works here meanwhile.
                continue
            yield path, None, content


def history(repository, branches):
    """Every object that the checkout and these lead to, once: versions of files, and messages."""
    if not is_repository(repository):
        return
    paths = {}
    for line in git(repository, "rev-list", "--objects", *branches, "HEAD").decode(errors="replace").splitlines():
        object, _, path = line.partition(" ")
        paths.setdefault(object, path)
    with tempfile.TemporaryFile() as wanted, tempfile.TemporaryFile() as told:
        wanted.write("".join(f"{object}\n" for object in paths).encode())
        wanted.seek(0)
        git(repository, "cat-file", "--batch", stdin=wanted, stdout=told)
        told.seek(0)
        for object, path in paths.items():
            head = told.readline().decode().split()
            if len(head) != 3:
                raise ValueError(f"{' '.join(head)}: some of the history is not here. Clone it whole, or with --depth")
            content = told.read(int(head[2]) + 1)[:-1]
            if head[1] != "tree":
                yield path if head[1] == "blob" else f"({head[1]})", object, content


def texts(*sources):
    """Each source's texts. Equal lines are one object, and are decoded once: a history is nearly all repetition."""
    once = {}
    for path, origin, content in (each for source in sources for each in source):
        if b"\0" in content:
            continue
        lines = []
        for line in content.split(b"\n"):
            known = once.get(line)
            if known is None:
                known = once[line] = line.decode(errors="replace")
            lines.append(known)
        yield Text(path, origin, tuple(lines))


# --- findings ----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Finding:
    path: str
    hash: str
    kind: str
    origin: str | None
    line: int


def hash_of(evidence):
    return hashlib.sha256(evidence.encode()).hexdigest()[:16]


def evidence(kind, lines, number, start, end):
    """What makes one finding another than the next. Of a key in an envelope that is what is in it."""
    if kind == "Private Key":
        return "\n".join((lines[number][start:], *lines[number + 1 : number + 3]))
    return lines[number][start:end]


def findings(all_texts):
    """Each secret of each file once, where it was met first."""
    all_texts = list(all_texts)
    different = list(dict.fromkeys(line for text in all_texts for line in text.lines))
    hits = {different[number]: found for number, found in matches(different).items()}
    met = {}
    for text in all_texts:
        for number, line in enumerate(text.lines):
            for kind, start, end in hits.get(line, ()):
                hash = hash_of(evidence(kind, text.lines, number, start, end))
                met.setdefault((text.path, hash), Finding(text.path, hash, kind, text.origin, number + 1))
    return sorted(met.values(), key=lambda each: (each.path, each.line, each.hash))


def search(repository, branches=("--all",)):
    return findings(texts(checked_out(repository), history(repository, branches)))


def known(groups):
    """Which findings are no secrets, by file and hash."""
    return {(path, hash) for group in groups for path, hashes in group["files"].items() for hash in hashes}


def described(finding, repository):
    """One line, in which the secret is not."""
    where = "as it is now"
    if finding.origin:
        asked = ["log", "--all", "HEAD", "--reverse", "--format=%h", f"--find-object={finding.origin}"]
        since = git(repository, *asked, text=True).split() if not finding.path.startswith("(") else []
        where = f"object {finding.origin[:10]}" + (f", since commit {since[0]}" if since else "")
    return f"{finding.path}:{finding.line} ({where}): {finding.kind}, hash {finding.hash}"


def main(*arguments, repository=ROOT):
    found = search(repository)
    excused = known(tomllib.loads(KNOWN.read_text(encoding="utf-8"))["group"])
    new = [each for each in found if (each.path, each.hash) not in excused]
    if arguments == ("--as-known",):
        for path in dict.fromkeys(each.path for each in new):
            print(json.dumps(path), "=", json.dumps([each.hash for each in new if each.path == path]))
        return 0
    for each in new:
        print(described(each, repository))
    print(f"{len(found)} have the form of a secret, {len(found) - len(new)} of which {KNOWN.name} knows")
    return int(bool(new))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
