"""What `audit.py` finds in databases of a few made-up advisories, and what it says then."""

import contextlib
import datetime
import io
import os
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

import audit

LOCK = """
[[package]]
name = "cloakroom"
version = "0.1.0"
dependencies = ["fast", "slow 1.0.0", "slow 2.0.0"]

[[package]]
name = "fast"
version = "1.4.2"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = ["slow 1.0.0"]

[[package]]
name = "slow"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = ["deep"]

[[package]]
name = "slow"
version = "2.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "deep"
version = "0.3.0-rc.1"
source = "registry+https://github.com/rust-lang/crates.io-index"
"""
MANIFEST = {"package": {"rust-version": "1.95"}}


def written(id, package, more="", versions="patched = []", title="It is weak"):
    head = f'[advisory]\nid = "{id}"\npackage = "{package}"\ndate = "2026-01-02"\n{more}\n[versions]\n{versions}\n'
    return f"```toml\n{head}```\n\n# {title}\n\nMuch more.\n"


def made(id, package, **told):
    return audit.advisory(written(id, package, **told), "crates")


class Versions(unittest.TestCase):
    def test_bounds_are_understood_as_the_database_means_them(self):
        for requirement, within, without in (
            (">= 1.2.3", "1.2.3 1.2.4 2.0.0 1.3.0-alpha", "1.2.2 1.2.3-rc.1 0.9.9"),
            ("> 1.2.3", "1.2.4 1.2.4-alpha", "1.2.3 1.2.3+build"),
            ("< 1.2.3", "1.2.2 1.2.3-rc.1 0.1.0", "1.2.3 1.2.3+build 2.0.0"),
            ("<= 1.2.3", "1.2.3 1.2.3+build 0.1.0", "1.2.4 1.2.4-alpha"),
            ("=1.2.3", "1.2.3 1.2.3+build", "1.2.3-rc.1 1.2.4 1.2.2"),
            (">= 1.2.3, < 2.0.0", "1.2.3 1.9.9 2.0.0-alpha", "1.2.2 2.0.0"),
            ("< 2.0.0, >=1.2.3", "1.2.3 1.9.9", "1.2.2 2.0.0"),
            ("^1.2.3", "1.2.3 1.9.9", "1.2.2 2.0.0 2.0.0-alpha"),
            ("^ 1.2.3", "1.2.3 1.9.9", "1.2.2 2.0.0"),
            ("1.2.3", "1.2.3 1.9.9", "1.2.2 2.0.0"),
            ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0 0.3.0-alpha 1.0.0"),
            ("^0.0.3", "0.0.3", "0.0.2 0.0.4 0.0.4-alpha"),
            ("^0.0", "0.0.1 0.0.9", "0.1.0"),
            ("^0", "0.1.0 0.9.9", "1.0.0"),
            ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0 1.3.0-alpha"),
            ("~1", "1.0.0 1.9.0", "2.0.0"),
            (">= 0.12", "0.12.0 0.13.0", "0.11.9 0.12.0-alpha"),
            ("< 300.0", "111.0.0", "300.0.0"),
            (">= 0.3.0-beta.1", "0.3.0-beta.1 0.3.0-beta.2 0.3.0-rc.1 0.3.0", "0.3.0-alpha.9 0.2.9"),
            (">= 1.0.0-9", "1.0.0-10", "1.0.0-8"),
            (">= 1.2.3+build", "1.2.3", "1.2.2"),
        ):
            for version in within.split():
                self.assertTrue(audit.meets(version, requirement), f"{version} {requirement}")
            for version in without.split():
                self.assertFalse(audit.meets(version, requirement), f"{version} {requirement}")

    def test_what_is_not_understood_is_no_answer(self):
        for requirement in ("", "*", "1.*", "!= 1.2.3", ">= 1.2.3.4", ">= x", "< 1 || > 2", ">= 1.2.3,"):
            with self.assertRaises(audit.Unreadable, msg=requirement):
                audit.meets("1.2.3", requirement)


class Advisories(unittest.TestCase):
    def test_patched_and_unaffected_versions_are_none_of_its_business(self):
        weak = made("R-1", "fast", versions='patched = [">= 1.4.3, < 2.0.0", ">= 2.1.0"]\nunaffected = ["< 1.0.0"]')
        for version in ("1.0.0", "1.4.2", "2.0.0"):
            self.assertTrue(weak.applies(version), version)
        for version in ("0.9.9", "1.4.3", "2.1.0"):
            self.assertFalse(weak.applies(version), version)
        # A pre-release of what is patched is not patched; one of what is unaffected is below it.
        self.assertTrue(weak.applies("2.1.0-rc.1"))
        self.assertFalse(weak.applies("1.0.0-rc.1"))

    def test_without_a_patch_every_version_is_meant(self):
        self.assertTrue(made("R-1", "fast").applies("99.0.0"))

    def test_what_was_withdrawn_is_not_meant(self):
        self.assertFalse(made("R-1", "fast", more='withdrawn = "2026-02-03"').applies("1.4.2"))

    def test_a_file_that_is_not_understood_is_no_answer(self):
        good = written("R-1", "fast")
        audit.advisory(good, "crates")
        for doctored in (
            good.replace("```toml", "```"),
            good.replace('package = "fast"', ""),
            good.replace('id = "R-1"', "id = R-1"),
            good.replace("[versions]", "[version]"),
            good.replace("patched = []", 'patched = ["*"]'),
            good.replace("patched = []", 'patched = []\nunaffected = ["soon"]'),
            "",
        ):
            with self.assertRaises(audit.Unreadable, msg=doctored):
                audit.advisory(doctored, "crates")


class Reports(unittest.TestCase):
    def setUp(self):
        self.packages = audit.packages(tomllib.loads(LOCK), MANIFEST)

    def told(self, *advisories, left={}, **when):
        return audit.report(advisories, self.packages, left, **when)

    def test_packages_of_the_registry_count_and_the_compiler(self):
        self.assertEqual(
            [(each.name, each.version, each.needed_by) for each in self.packages],
            [
                ("fast", "1.4.2", ("cloakroom",)),
                ("slow", "1.0.0", ("cloakroom", "fast")),
                ("slow", "2.0.0", ("cloakroom",)),
                ("deep", "0.3.0-rc.1", ("slow",)),
                *((name, "1.95.0", ()) for name in ("cargo", "rustdoc", "std")),
            ],
        )

    def test_nothing_applies(self):
        others = made("R-1", "other"), made("R-2", "fast", versions='patched = [">= 1.4.2"]')
        # The same name in the other collection is another thing.
        text, applies = self.told(*others, made("R-3", "std"), audit.advisory(written("R-4", "fast"), "rust"))
        self.assertFalse(applies)
        self.assertIn("undated database: 4 advisories\n1 are about packages of ours (7 with the compiler)", text)
        self.assertIn("nothing applies", text)

    def test_what_applies_is_told_with_what_to_do(self):
        more = 'aliases = ["CVE-2026-1"]\nurl = "https://example.com/1"\n'
        more += '[affected]\nos = ["windows"]\nfunctions = { "fast::run" = ["< 2"] }'
        text, applies = self.told(made("R-1", "fast", more=more, versions='patched = [">= 1.5.0", "^1.4.3"]'))
        self.assertTrue(applies)
        self.assertIn("R-1: fast 1.4.2: It is weak\n    also known as: CVE-2026-1\n", text)
        self.assertIn("if this is called: fast::run\n    on: windows\n    needed by: cloakroom\n", text)
        self.assertIn("to do: >= 1.5.0 or ^1.4.3: raise it in Cargo.toml, then cargo update fast@1.4.2\n", text)
        self.assertIn("    more: https://example.com/1\n", text)
        self.assertTrue(text.endswith("1 to do"))
        text, _ = self.told(made("R-1", "deep", versions='patched = [">= 0.3.0"]'))
        self.assertIn("to do: >= 0.3.0: raise what needs it (slow) as far as needed, then cargo update deep@0.3.0-rc.1", text)
        text, _ = self.told(made("R-1", "fast"))
        self.assertIn("to do: no version is better: do without it, or", text)

    def test_of_several_versions_those_are_told_that_are_meant(self):
        text, _ = self.told(made("R-1", "slow", versions='patched = [">= 2.0.0"]'))
        self.assertIn("R-1: slow 1.0.0", text)
        self.assertNotIn("slow 2.0.0", text)

    def test_the_compiler_is_a_package(self):
        weak = audit.advisory(written("CVE-1", "std", versions='patched = [">= 1.95.1"]'), "rust")
        text, applies = self.told(weak)
        self.assertTrue(applies)
        self.assertIn("CVE-1: std 1.95.0", text)
        self.assertIn("to do: build with >= 1.95.1", text)

    def test_notices_are_listed_apart_and_fail_nothing(self):
        kind = lambda id, kind: made(id, "fast", more=f'informational = "{kind}"')
        text, applies = self.told(kind("R-1", "unmaintained"), kind("R-2", "notice"))
        self.assertFalse(applies)
        self.assertNotIn("APPLIES", text)
        self.assertIn("for your notice:\nR-1: fast 1.4.2: It is weak\n    kind: unmaintained\n", text)
        text, applies = self.told(kind("R-1", "unmaintained"), kind("R-2", "unsound"))
        self.assertTrue(applies)
        self.assertIn("APPLIES:\nR-2: fast", text)
        self.assertIn("for your notice:\nR-1: fast", text)

    def test_what_was_looked_at_and_left_is_said_with_the_reason(self):
        weak = made("R-1", "fast"), made("R-2", "slow", versions='patched = [">= 1.0.0"]')
        text, applies = self.told(*weak, left={"R-1": "not called", "R-2": "once was"})
        self.assertFalse(applies)
        self.assertIn("R-1: not called\nR-2 does not apply (any more): it goes from there", text)
        self.assertEqual(audit.left({"advisories": {"ignore": [{"id": "R-1", "reason": "not called"}]}}), {"R-1": "not called"})

    def test_an_old_database_says_so(self):
        new_year = datetime.date(2026, 1, 1)
        told = lambda days: self.told(date=new_year, commit="0123", today=new_year + datetime.timedelta(days))[0]
        self.assertIn("database of 2026-01-01 (0123)", told(90))
        self.assertNotIn("days ago", told(90))
        self.assertIn("91 days ago", told(91))


class Program(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, place, text):
        to = Path(self.folder.name) / place
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text, encoding="utf-8")

    def run_it(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = audit.main(*arguments)
        return status, out.getvalue(), err.getvalue()

    def test_exit_status(self):
        self.file("crates/other/R-1.md", written("R-1", "no-package-of-ours"))
        status, out, _ = self.run_it(self.folder.name)
        self.assertEqual(status, 0, out)
        self.file("crates/ring/R-2.md", written("R-2", "ring"))
        status, out, _ = self.run_it(self.folder.name)
        self.assertEqual(status, 1)
        self.assertIn("R-2: ring ", out)
        self.file("crates/other/R-3.md", "# Not what was expected")
        status, out, err = self.run_it(self.folder.name)
        self.assertEqual((status, out), (2, ""))
        self.assertIn("R-3.md: no block of TOML", err)

    def test_an_empty_folder_is_no_database(self):
        status, out, err = self.run_it(self.folder.name)
        self.assertEqual((status, out), (2, ""))
        self.assertIn("Is it a clone of", err)
        self.assertEqual(self.run_it()[0], 2)

    def test_a_clone_tells_its_date(self):
        self.assertEqual(audit.dated(self.folder.name), (None, None))
        self.file("crates/other/R-1.md", written("R-1", "other"))
        said = {"NAME": "a", "EMAIL": "a@b", "DATE": "2026-03-04T05:06:07Z"}
        someone = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in said.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment = inherited | someone | {"GIT_CONFIG_GLOBAL": os.devnull}
        for asked in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "x"]):
            subprocess.run(["git", "-C", self.folder.name, *asked], check=True, env=environment)
        date, commit = audit.dated(self.folder.name)
        self.assertEqual(date, datetime.date(2026, 3, 4))
        self.assertRegex(commit, "^[0-9a-f]{7,}$")


if __name__ == "__main__":
    unittest.main()
