"""What other people's code may become part of the program, as deny.toml and Cargo.toml say it.

deny.toml is in cargo-deny's own format, and whoever has that program runs it. Here the same is held against
`cargo metadata` and Cargo.lock, and some more: which default features are taken, and that nothing stands in
deny.toml that nothing needs. Each rule takes data and tells what is wrong, so that each is seen to find it.
"""

import functools
import json
import re
import subprocess
import tomllib
import unittest
from pathlib import Path

from license_expression import ExpressionError, get_spdx_licensing

ROOT = Path(__file__).resolve().parent.parent.parent

# What deny.toml may say: what is not read here would have no effect here, and nobody would notice.
READ = {
    "graph": {"all-features"},
    "advisories": {"yanked", "unsound", "ignore"},
    "licenses": {
        "include-dev",
        "allow",
        "unused-allowed-license",
        "exceptions",
        "unused-license-exception",
        "confidence-threshold",
    },
    "bans": {"multiple-versions", "multiple-versions-include-dev", "wildcards", "deny", "skip"},
    "sources": {"unknown-registry", "unknown-git", "allow-registry", "allow-git"},
}

# Of whom we take what they switch on by default, beyond the standard library, and why.
DEFAULTS_WANTED = {
    "base64": "SIMD, which lettre switches on anyhow; what is used of it here has no unsafe code",
    "clap": "help, usage, colours and suggestions, for people at the command line",
    "fjall": "LZ4: blocks on the disk of those who have stored something are compressed",
    "flate2": "the implementation in Rust; nothing is linked",
    "ring": "a fallback for old kernels, behind which ring 0.17 has no code any more",
    "sha2": "the SDK takes them anyhow",
    "subtle": "128-bit numbers, no more",
    "tempfile": "names that nobody guesses",
    "utoipa": "macros, which are asked for by name as well",
}


def load(file):
    return tomllib.loads((ROOT / file).read_text(encoding="utf-8"))


@functools.cache
def metadata():
    asked = ["cargo", "metadata", "--locked", "--format-version", "1", "--all-features"]
    return json.loads(subprocess.run(asked, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def named(package):
    return f"{package['name']} {package['version']}"


# --- licences --------------------------------------------------------------------

SPDX = get_spdx_licensing()


def satisfied(expression, allowed):
    """Whether these licences are enough for what the expression asks for."""
    if isinstance(expression, SPDX.AND):
        return all(satisfied(each, allowed) for each in expression.args)
    if isinstance(expression, SPDX.OR):
        return any(satisfied(each, allowed) for each in expression.args)
    return expression.render() in allowed


def parsed(licence):
    """An expression as SPDX has it; in crates' older spelling a slash is a choice."""
    return SPDX.parse(licence.replace("/", " OR "), validate=True)


def licence_faults(packages, told):
    """`told` is the table of deny.toml."""
    allowed, exceptions = set(told["allow"]), {each["crate"]: set(each["allow"]) for each in told.get("exceptions", [])}
    asked, faults = [], []
    for package in packages:
        try:
            asked.append((package, parsed(package["license"] or "")))
        except ExpressionError as fault:
            faults.append(f"{named(package)}: {package['license']} is nothing that SPDX knows: {fault}")
            continue
        if asked[-1][1] is None:
            faults.append(f"{named(package)} says no licence")
            asked.pop()
    for package, expression in asked:
        if not satisfied(expression, allowed | exceptions.get(package["name"], set())):
            faults.append(f"{named(package)} is under {package['license']}, which deny.toml does not allow")
    for licence in sorted(allowed):
        without = allowed - {licence}
        if all(satisfied(expression, without | exceptions.get(package["name"], set())) for package, expression in asked):
            faults.append(f"no package needs {licence}: it goes from deny.toml")
    for name, more in exceptions.items():
        of_name = [expression for package, expression in asked if package["name"] == name]
        for licence in sorted(more):
            if all(satisfied(expression, allowed | more - {licence}) for expression in of_name):
                faults.append(f"{name} needs no exception for {licence}: it goes from deny.toml")
    return faults


def exception_faults(told, names_in_program):
    """Exceptions are for what takes part in tests."""
    return [f"{each['crate']} is in the program" for each in told.get("exceptions", []) if each["crate"] in names_in_program]


# --- sources ---------------------------------------------------------------------


def source_faults(lock, manifest, ours, told):
    """`ours` are the names of packages of this repository, `told` the table of deny.toml."""
    faults = [f"Cargo.toml has [{table}]: crates from elsewhere" for table in ("patch", "replace") if table in manifest]
    allowed = {f"registry+{url}" for url in told["allow-registry"]} | {f"git+{url}" for url in told["allow-git"]}
    for package in lock["package"]:
        source = package.get("source")
        if source is None:
            if package["name"] not in ours:
                faults.append(f"{named(package)} is from a path")
        elif source not in allowed:
            faults.append(f"{named(package)} is from {source}")
        elif not re.fullmatch("[0-9a-f]{64}", package.get("checksum", "")):
            faults.append(f"{named(package)} has no checksum")
    return faults


# --- bans ------------------------------------------------------------------------


def plain(name):
    """A name without a version: nothing else is understood here."""
    if not re.fullmatch(r"[\w-]+", name):
        raise ValueError(f"deny.toml bans {name}: write the name alone")
    return name


def banned_faults(packages, told):
    banned = {plain(each["crate"]): each["reason"] for each in told["deny"]}
    return [f"{named(package)} is banned: {banned[package['name']]}" for package in packages if package["name"] in banned]


def wildcard_faults(declared):
    """`declared` are the dependencies of Cargo.toml."""
    return [f"{each['name']} = \"{each['req']}\": any version at all" for each in declared if "*" in each["req"]]


def duplicate_faults(packages, needed_by, told):
    """`needed_by` says of each package by whom, `told` is the table of deny.toml."""
    skipped, faults = {}, []
    for each in told["skip"]:
        name, _, version = each["crate"].partition("@")
        if not version or not each.get("reason"):
            faults.append(f"{each['crate']}: skip one version, and say why")
        skipped[name, version] = each.get("reason")
    versions = {}
    for package in packages:
        versions.setdefault(package["name"], []).append(package)
    for name, several in sorted(versions.items()):
        left = [package for package in several if (name, package["version"]) not in skipped]
        if len(left) > 1:
            by = "; ".join(f"{package['version']} for {', '.join(needed_by[named(package)])}" for package in left)
            faults.append(
                f"{name} is there in {len(left)} versions ({by}). Everybody who builds this compiles each, and each is one more "
                "that an advisory can be about: raise or lower what brings one, or name the older under `skip` in deny.toml, and why"
            )
    for name, version in skipped:
        several = [package["version"] for package in versions.get(name, [])]
        if version not in several or len(several) == 1:
            faults.append(f"{name} {version} is there no more, or alone: it goes from `skip` in deny.toml")
    return faults


# --- features --------------------------------------------------------------------

# Everything here has the standard library anyhow.
STANDARD_LIBRARY = {"std", "alloc"}


def defaults(package):
    """What its default features switch on, in itself and in others, beyond the standard library."""
    features, reached, open_ends = package["features"], set(), ["default"]
    while open_ends:
        for each in features.get(open_ends.pop(), []):
            if each not in reached:
                reached.add(each)
                open_ends.append(each)
    return {each for each in reached if each.rpartition("/")[2] not in STANDARD_LIBRARY}


def default_feature_faults(declared, chosen, wanted):
    """`declared` are the dependencies of Cargo.toml, `chosen` the package that each became, `wanted` the reasons."""
    taken = {}
    for each in declared:
        if each["uses_default_features"]:
            if more := defaults(chosen[each["name"]]):
                taken[each["name"]] = more
    return [
        f"{name} brings {', '.join(sorted(more))} by default: say default-features = false, or here why that is wanted"
        for name, more in sorted(taken.items())
        if name not in wanted
    ] + [f"{name} takes no such defaults: it goes from this list" for name in wanted if name not in taken]


# --- lists of other languages ------------------------------------------------------

NPM = "https://registry.npmjs.org/"


def pip_faults(lists):
    """`lists` are the texts by name: each line one exact version, as nothing is added to them."""
    return [
        f"{name}: {line}"
        for name, text in lists.items()
        for line in text.splitlines()
        if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)
    ]


def npm_faults(lock):
    """Every package by its hash, and none from elsewhere than the registry."""
    faults = []
    for place, package in lock["packages"].items():
        if place and not package.get("integrity", "").startswith("sha512-"):
            faults.append(f"{place} has no hash")
        if package.get("link") or not package.get("resolved", NPM).startswith(NPM):
            faults.append(f"{place} is from elsewhere")
    return faults


# --- what deny.toml says of itself -------------------------------------------------


def unread(deny):
    return [
        f"[{table}] {key}"
        for table, keys in deny.items()
        for key in (keys if isinstance(keys, dict) else {""})
        if key not in READ.get(table, ())
    ]


def unexplained(deny):
    """Advisories that are ignored without a reason."""
    ignored = deny["advisories"]["ignore"]
    return [each for each in ignored if not isinstance(each, dict) or not each.get("id") or not each.get("reason")]


class Dependencies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deny, cls.lock, cls.manifest = load("deny.toml"), load("Cargo.lock"), load("Cargo.toml")
        cls.packages, resolved = metadata()["packages"], metadata()["resolve"]
        cls.by_id = {each["id"]: each for each in cls.packages}
        cls.nodes = {each["id"]: each for each in resolved["nodes"]}
        cls.root = resolved["root"]
        cls.declared = cls.by_id[cls.root]["dependencies"]

    def nothing(self, faults):
        if faults:
            self.fail("\n".join(map(str, faults)))

    def test_deny_toml_says_nothing_that_is_not_read(self):
        self.nothing(unread(self.deny))
        self.nothing(unexplained(self.deny))
        # Whoever runs cargo-deny is told the same.
        said = {(table, key): value for table, keys in self.deny.items() for key, value in keys.items()}
        for strict in (
            ("advisories", "yanked"),
            ("licenses", "unused-allowed-license"),
            ("licenses", "unused-license-exception"),
            ("bans", "multiple-versions"),
            ("bans", "wildcards"),
            ("sources", "unknown-registry"),
            ("sources", "unknown-git"),
        ):
            self.assertEqual(said[strict], "deny", strict)
        for on in (("graph", "all-features"), ("licenses", "include-dev"), ("bans", "multiple-versions-include-dev")):
            self.assertIs(said[on], True, on)

    def test_every_package_is_under_a_licence_that_is_allowed(self):
        self.nothing(licence_faults(self.packages, self.deny["licenses"]))

    def test_nothing_under_an_exceptional_licence_is_in_the_program(self):
        reached, open_ends = set(), [self.root]
        while open_ends:
            each = open_ends.pop()
            if each not in reached:
                reached.add(each)
                others = self.nodes[each]["deps"]
                open_ends += [dep["pkg"] for dep in others if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])]
        names = {self.by_id[each]["name"] for each in reached}
        # The walk goes somewhere, and not into what tests need.
        self.assertTrue({"ring", "actix-web", "cc"} <= names and not {"fantoccini", "rqrr"} & names)
        self.nothing(exception_faults(self.deny["licenses"], names))

    def test_the_bill_of_materials_lists_every_licence(self):
        made = subprocess.run([ROOT / "infra" / "container" / "sbom.py"], check=True, stdout=subprocess.PIPE).stdout
        listed = json.loads(made)["components"]
        self.assertGreater(len(listed), 200)
        allowed = set(self.deny["licenses"]["allow"])
        for each in listed:
            (licence,) = each["licenses"]
            self.assertTrue(satisfied(SPDX.parse(licence["expression"], validate=True), allowed), each["name"])

    def test_every_package_is_from_the_registry_with_its_checksum(self):
        ours = {self.by_id[each]["name"] for each in metadata()["workspace_members"]}
        self.assertEqual(ours, {"cloakroom"})
        self.nothing(source_faults(self.lock, self.manifest, ours, self.deny["sources"]))

    def test_nothing_is_there_that_is_banned(self):
        self.nothing(banned_faults(self.packages, self.deny["bans"]))

    def test_no_requirement_takes_any_version(self):
        self.nothing(wildcard_faults(self.declared))

    def test_no_package_is_there_in_two_versions_but_those_with_a_reason(self):
        needed_by = {}
        for node in self.nodes.values():
            for dep in node["deps"]:
                needed_by.setdefault(named(self.by_id[dep["pkg"]]), []).append(named(self.by_id[node["id"]]))
        self.nothing(duplicate_faults(self.packages, needed_by, self.deny["bans"]))

    def test_default_features_are_taken_where_they_are_wanted(self):
        chosen = {}
        for dep in self.nodes[self.root]["deps"]:
            chosen[self.by_id[dep["pkg"]]["name"]] = self.by_id[dep["pkg"]]
        self.nothing(default_feature_faults(self.declared, chosen, DEFAULTS_WANTED))

    def test_what_tests_install_is_pinned(self):
        lists = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "localstack").glob("requirements-*.txt")}
        self.assertGreater(len(lists), 5)
        self.nothing(pip_faults(lists))
        lock = json.loads((ROOT / "localstack" / "openid-provider" / "package-lock.json").read_text(encoding="utf-8"))
        self.assertGreater(len(lock["packages"]), 20)
        self.nothing(npm_faults(lock))


def package(name, version="1.0.0", licence="MIT", features=None):
    return {"name": name, "version": version, "license": licence, "features": features or {}}


class WhatTheRulesFind(unittest.TestCase):
    """Each rule, against what it is there for."""

    def found(self, faults, *parts):
        """There is one fault for each part, which has it in it."""
        self.assertEqual(len(faults), len(parts), faults)
        for fault, part in zip(faults, parts):
            self.assertIn(part, fault)

    def test_licences(self):
        told = {"allow": ["MIT"], "exceptions": []}
        of = lambda *licences: licence_faults([package(f"p{place}", licence=each) for place, each in enumerate(licences)], told)
        self.assertEqual(of("MIT"), [])
        for enough in ("MIT OR GPL-3.0-only", "GPL-3.0-only/MIT", "Apache-2.0 / MIT", "(MIT OR Zlib) AND MIT", "Zlib AND ISC OR MIT"):
            self.assertEqual(of("MIT", enough), [], enough)
        for too_little in ("GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT WITH LLVM-exception", "(Zlib OR ISC) AND MIT"):
            self.found(of("MIT", too_little), f"p1 1.0.0 is under {too_little}, which")
        self.found(of("MIT", "Mine"), "nothing that SPDX knows")
        self.found(of("MIT", None), "p1 1.0.0 says no licence")
        self.found(of("MIT", ""), "p1 1.0.0 says no licence")

    def test_licences_and_exceptions_that_nothing_needs(self):
        packages = [package("p"), package("q", licence="MPL-2.0 OR MIT"), package("r", licence="MPL-2.0")]
        told = lambda allow, *exceptions: {"allow": allow, "exceptions": [{"crate": c, "allow": a} for c, a in exceptions]}
        self.assertEqual(licence_faults(packages, told(["MIT"], ("r", ["MPL-2.0"]))), [])
        self.found(licence_faults(packages, told(["MIT"])), "r 1.0.0 is under MPL-2.0")
        self.found(licence_faults(packages, told(["MIT", "ISC"], ("r", ["MPL-2.0"]))), "no package needs ISC")
        for name in ("q", "gone"):
            exceptions = ("r", ["MPL-2.0"]), (name, ["MPL-2.0"])
            self.found(licence_faults(packages, told(["MIT"], *exceptions)), f"{name} needs no exception for MPL-2.0")
        self.found(licence_faults(packages, told(["MIT"], ("r", ["MPL-2.0", "ISC"]))), "r needs no exception for ISC")
        self.found(exception_faults(told([], ("r", [])), {"p", "r"}), "r is in the program")

    def test_sources(self):
        registry = "https://github.com/rust-lang/crates.io-index"
        told = {"allow-registry": [registry], "allow-git": []}
        good = {"name": "p", "version": "1.0.0", "source": f"registry+{registry}", "checksum": "ab" * 32}
        ours = {"name": "cloakroom", "version": "0"}
        of = lambda manifest={}, **doctored: source_faults({"package": [good | doctored, ours]}, manifest, {"cloakroom"}, told)
        self.assertEqual(of(), [])
        self.found(of(source="registry+https://registry.example/index"), "p 1.0.0 is from registry+https://registry.example")
        self.found(of(source="git+https://github.com/rust-lang/crates.io-index#0123"), "p 1.0.0 is from git+")
        self.found(of(source=None), "p 1.0.0 is from a path")
        for checksum in ("", "ab" * 31, "AB" * 32):
            self.found(of(checksum=checksum), "p 1.0.0 has no checksum")
        self.found(of({"patch": {"crates-io": {}}}), "Cargo.toml has [patch]")
        self.found(of({"replace": {}}), "Cargo.toml has [replace]")

    def test_bans(self):
        packages = [package("openssl"), package("openssl-sys")]
        self.found(banned_faults(packages, {"deny": [{"crate": "openssl-sys", "reason": "of C"}]}), "openssl-sys 1.0.0 is banned: of C")
        for spelling in ("openssl-sys@1.0.0", "openssl-sys:<2"):
            with self.assertRaises(ValueError):
                banned_faults(packages, {"deny": [{"crate": spelling, "reason": "of C"}]})

    def test_wildcards(self):
        declared = [{"name": name, "req": req} for name, req in (("p", "^1.2"), ("q", "*"), ("r", "1.*"))]
        self.found(wildcard_faults(declared), 'q = "*"', 'r = "1.*"')

    def test_duplicates(self):
        packages = [package("p", each) for each in ("1.0.0", "2.0.0", "3.0.0")] + [package("q")]
        needed_by = {f"p {each}.0.0": [f"whoever {each}"] for each in (1, 2, 3)}
        of = lambda *skipped: duplicate_faults(packages, needed_by, {"skip": [{"crate": each, "reason": "so"} for each in skipped]})
        self.assertEqual(of("p@1.0.0", "p@2.0.0"), [])
        self.found(of("p@1.0.0"), "p is there in 2 versions (2.0.0 for whoever 2; 3.0.0 for whoever 3). Everybody")
        self.found(of(), "p is there in 3 versions")
        self.found(of("p@1.0.0", "p@2.0.0", "q@1.0.0"), "q 1.0.0 is there no more, or alone")
        self.found(of("p@1.0.0", "p@2.0.0", "p@0.9.0"), "p 0.9.0 is there no more")
        self.found(of("p@1.0.0", "p@2.0.0", "p"), "p: skip one version", "p  is there no more")
        unexplained = {"skip": [{"crate": "p@1.0.0", "reason": "so"}, {"crate": "p@2.0.0"}]}
        self.found(duplicate_faults(packages, needed_by, unexplained), "p@2.0.0: skip one version, and say why")

    def test_default_features(self):
        features = {"default": ["std", "fast"], "std": ["alloc", "other/std"], "alloc": [], "fast": ["dep:c", "other?/fast"]}
        chosen = {"p": package("p", features=features), "q": package("q", features={"default": ["std"], "std": []})}
        asking = lambda name, on: {"name": name, "uses_default_features": on}
        self.assertEqual(defaults(chosen["p"]), {"fast", "dep:c", "other?/fast"})
        self.assertEqual(default_feature_faults([asking("p", False), asking("q", True)], chosen, {}), [])
        self.found(default_feature_faults([asking("p", True)], chosen, {}), "p brings dep:c, fast, other?/fast by default")
        self.assertEqual(default_feature_faults([asking("p", True)], chosen, {"p": "so"}), [])
        self.found(default_feature_faults([asking("p", False)], chosen, {"p": "so"}), "p takes no such defaults")
        self.found(default_feature_faults([asking("q", True)], chosen, {"q": "so"}), "q takes no such defaults")

    def test_lists_of_other_languages(self):
        self.assertEqual(pip_faults({"a": "p==1.0\nP.q_r-s==2026.10.19.post1\n"}), [])
        for line in ("p", "p>=1.0", "p==1.*", "p==1.0 ; python_version > '3'", "-r other.txt", "p @ https://pypi.example/p.whl", ""):
            self.found(pip_faults({"a": f"q==1\n{line}\n"}), f"a: {line}")
        good = {"integrity": "sha512-abc"}
        of = lambda doctored: npm_faults({"packages": {"": {}, "node_modules/p": doctored}})
        self.assertEqual(of(good), [])
        self.found(of({}), "node_modules/p has no hash")
        self.found(of({"integrity": "sha1-abc"}), "node_modules/p has no hash")
        self.found(of(good | {"resolved": "git+ssh://git@github.com/p/p.git"}), "node_modules/p is from elsewhere")
        self.found(of(good | {"link": True}), "node_modules/p is from elsewhere")

    def test_settings_that_are_not_read(self):
        self.assertEqual(unread({"bans": {"wildcards": "deny"}}), [])
        wrong = {"bans": {"wildcard": "deny"}, "ban": {"deny": []}, "version": 2}
        self.assertEqual(unread(wrong), ["[bans] wildcard", "[ban] deny", "[version] "])
        ignoring = lambda each: unexplained({"advisories": {"ignore": [each]}})
        self.assertEqual(ignoring({"id": "RUSTSEC-2023-0071", "reason": "so"}), [])
        for each in ("RUSTSEC-2023-0071", {"id": "RUSTSEC-2023-0071"}, {"crate": "p@1.0.0", "reason": "so"}):
            self.assertEqual(ignoring(each), [each])


if __name__ == "__main__":
    unittest.main()
