"""No secret is in this repository, nor ever was; and a search that is seen to find what is planted.

What `searching.py` finds has to be in `known_secrets.toml`, where each is named by file and hash, with the reason.
"""

import base64
import contextlib
import functools
import io
import os
import re
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

import searching
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

ADVICE = """
{}
Is it a secret? Then it is everybody's from now on: replace it where it is good for something, and only then take it out.
Is it none? Then name it in tests/supply_chain/known_secrets.toml (searching.py --as-known), with the reason."""


class Repository(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.groups = tomllib.loads(searching.KNOWN.read_text(encoding="utf-8"))["group"]
        cls.known = searching.known(cls.groups)
        # What somebody else has begun on another branch is judged there.
        cls.found = searching.search(searching.ROOT, ("--tags",))

    def test_no_file_no_version_of_one_and_no_message_has_a_secret_in_it(self):
        new = [each for each in self.found if (each.path, each.hash) not in self.known]
        if new:
            self.fail(ADVICE.format("\n".join(searching.described(each, searching.ROOT) for each in new)))

    def test_what_is_known_is_there_and_has_a_reason(self):
        self.assertTrue(all(group["reason"] for group in self.groups))
        self.assertEqual(len(self.known), sum(len(hashes) for group in self.groups for hashes in group["files"].values()))
        # A clone without its history has not all that was ever there.
        asked = ("rev-parse", "--is-shallow-repository")
        if searching.is_repository(searching.ROOT) and searching.git(searching.ROOT, *asked, text=True).strip() == "false":
            gone = self.known - {(each.path, each.hash) for each in self.found}
            self.assertFalse(gone, "found no more: they go from known_secrets.toml")

    def test_the_forms_of_our_own_are_those_of_the_program(self):
        sources = "".join(file.read_text(encoding="utf-8") for file in (searching.ROOT / "src").rglob("*.rs"))
        prefixes = set(re.findall(r'"(c[a-z]{2}_(?:live_|test_)?|whsec_)"', sources))
        self.assertGreaterEqual(len(prefixes), 11)
        for prefix in sorted(prefixes):
            kinds = {kind for found in searching.matches([prefix + "a" * 43, prefix + "b" * 252]).values() for kind, *_ in found}
            self.assertTrue(kinds & set(searching.OURS), prefix)


# --- what is planted -----------------------------------------------------------------

# Each put together here, so that this file has none of them in it.
PLANTED = {
    "AWS Access Key": ["AKIA" + "Q" * 16, "aws_secret_access_" + 'key = "' + "aB3/" * 10 + '"'],
    "Artifactory Credentials": [" AKC" + "p1" * 20, '"AP' + "A" + "p1" * 10 + '"'],
    "Azure Storage Account access key": ["Account" + "Key=" + "aB3+" * 21 + "aa=="],
    "Basic Auth Credentials": ["https:/" + "/somebody:" + "secretly@host.example/"],
    "Cloudant Credentials": ["cloudant_" + "password=" + "ab" * 32, "cloudant_" + "apikey=" + "ab" * 12],
    "Discord Bot Token": ["M" + "a" * 23 + "." + "b" * 6 + "." + "c" * 27],
    "GitHub Token": ["ghp_" + "a" * 36, "ghs_" + "B" * 36, "github_pat_" + "a1" * 30],
    "GitLab Token": ["glpat-" + "a" * 20, "glrt-" + "a" * 20],
    "IBM COS HMAC Credentials": ["cos_hmac_" + "secret_access_key: " + "ab" * 24],
    "IBM Cloud IAM Key": ["ibm_cloud_iam_api_" + "key=" + "a" * 44],
    "JSON Web Token": [".".join(base64.urlsafe_b64encode(each).decode() for each in (b'{"alg":1}', b'{"sub":1}', b"abc"))],
    "Mailchimp Access Key": ["ab" * 16 + "-us12"],
    "NPM tokens": ["//registry.example/:_auth" + "Token=npm_" + "a" * 36, "npm_" + "a1B" * 12],
    "OpenAI Token": ["sk-" + "a" * 20 + "T3Blbk" + "FJ" + "b" * 20],
    "PyPI Token": ["pypi-AgEIcHlwaS5" + "vcmc" + "a" * 80],
    "SendGrid API Key": ["SG." + "a" * 22 + "." + "b" * 43],
    "Slack Token": ["xoxb-" + "1234-5678-abcdef", "https://hooks.slack.com/" + "services/T1/B2/abc", "xapp-1-A1B2-123-" + "0a" * 32],
    "SoftLayer Credentials": ["softlayer_" + "api_key=" + "ab" * 32],
    "Square OAuth Secret": ["sq0csp-" + "a" * 43],
    "Stripe Access Key": ["sk_" + "live_" + "a" * 24, "rk_" + "live_" + "a" * 24],
    "Telegram Bot Token": ["12345678:" + "a" * 35],
    "Twilio API Key": ["AC" + "a1" * 16, "SK" + "a1" * 16],
    "Google API key": ["AIza" + "a" * 35],
    "HashiCorp Vault token": ["hvs." + "a" * 24],
    "crates.io token": ["cio" + "a1" * 16],
    "Docker Hub token": ["dckr_pat_" + "a" * 27],
    "age key": ["AGE-SECRET-KEY-1" + "Q" * 58],
    "Cloakroom API key": ["crk_live_" + "a" * 43, "crk_test_" + "-_" * 21 + "A"],
    "Cloakroom link, file request or console session": [f"cr{each}_" + "a" * 43 for each in "lfc"],
    "Cloakroom sealed token": [f"{each}_" + "a" * 200 for each in ("crs", "cst", "csb", "crm", "cet")],
    "secret of a webhook": ["whsec_" + "aB3/" * 11, "whsec_" + "a" * 32],
    "root key": ['{"kid":"01020304","secret":' + '"' + "a" * 43 + '"}'],
}


@functools.cache
def private_keys():
    """Keys that are drawn here, in every form in which they are handed around."""
    made = []
    for key in (
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
    ):
        written = lambda encoding, form, lock=NoEncryption(): key.private_bytes(encoding, form, lock)
        older = [] if isinstance(key, ed25519.Ed25519PrivateKey) else [PrivateFormat.TraditionalOpenSSL]
        made += [written(Encoding.PEM, form) for form in (PrivateFormat.PKCS8, PrivateFormat.OpenSSH, *older)]
        made.append(written(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
        for der in (written(Encoding.DER, form) for form in (PrivateFormat.PKCS8, *older)):
            made += [base64.b64encode(der), base64.urlsafe_b64encode(der), der.hex().encode()]
    return [("Private Key" if b"-----" in each else "private key", each.decode()) for each in made]


class Searching(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name, "repository")
        self.root.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *asked):
        said = {"NAME": "a", "EMAIL": "a@b"}
        someone = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in said.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment = inherited | someone | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        told = subprocess.run(["git", *asked], cwd=self.root, check=True, env=environment, stdout=subprocess.PIPE, text=True)
        return told.stdout.strip()

    def write(self, path, content):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, message="x"):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "--short", "HEAD")

    def found(self, root=None):
        return [(each.path, each.line, each.kind) for each in searching.search(root or self.root)]

    def test_every_form_is_planted(self):
        kinds = {form.kind for form in searching.forms()}
        self.assertGreater(len(kinds), 30)
        self.assertEqual(kinds, {*PLANTED, *(kind for kind, _ in private_keys())})

    def test_a_planted_secret_of_each_form_is_found(self):
        self.commit()
        planted = [(kind, text) for kind, texts in PLANTED.items() for text in texts] + list(private_keys())
        for number, (kind, text) in enumerate(planted):
            self.write(f"{number:03}", text)
        found = {}
        for path, line, kind in self.found():
            found.setdefault(path, set()).add((line, kind))
        for number, (kind, text) in enumerate(planted):
            self.assertIn((1, kind), found.get(f"{number:03}", ()), f"{kind}: {text[:9]}…")

    def test_a_secret_is_found_wherever_it_stands_in_a_line(self):
        for kind, texts in PLANTED.items():
            for text in texts:
                for line in (text, f"let x = \"{text.strip()}\";", f"before {text.strip()} after", f"  {text.strip()}"):
                    found = searching.matches(["nothing", line, "nothing", "AKIA", "Q" * 16])
                    self.assertEqual({number for number in found}, {1}, f"{kind}: {line[:20]}…")
                    self.assertIn(kind, {each[0] for each in found[1]})

    def test_what_is_no_secret_is_not_found(self):
        for line in (
            "crk_live_…",
            "crk_test_" + "a" * 42,
            "crs_" + "a" * 40,
            "whsec_",
            "https://host.example:8443/a@b",
            "-----BEGIN PUBLIC KEY-----",
            "shr_0199b1c2d3e4f5061728394a5b6c7d8e",
            "eyJhbGciOiJub25l." + "abc.def",
            '"secret": "…"',
            "sha512-" + "aB3/" * 21 + "aa==",
        ):
            self.assertEqual(searching.matches([line]), {}, line)

    def test_what_was_taken_out_again_is_found_where_it_was(self):
        self.write("a/key.txt", "one\ntwo " + PLANTED["GitHub Token"][0] + "\n")
        since = self.commit()
        self.write("a/key.txt", "one\n")
        self.commit()
        self.assertEqual(self.found(), [("a/key.txt", 2, "GitHub Token")])
        (finding,) = searching.search(self.root)
        told = searching.described(finding, self.root)
        where = rf"^a/key\.txt:2 \(object [0-9a-f]{{10}}, since commit {since}\)"
        self.assertRegex(told, where + ": GitHub Token, hash [0-9a-f]{16}$")
        self.assertNotIn(PLANTED["GitHub Token"][0], told)

    def test_other_branches_tags_and_messages_are_searched(self):
        on_a_branch, apart = PLANTED["AWS Access Key"][0], PLANTED["GitHub Token"][0]
        in_a_message, on_a_tag = PLANTED["Twilio API Key"]
        self.commit("Begin")
        self.git("switch", "--quiet", "--create", "other")
        self.write("b", on_a_branch)
        self.commit("Try")
        self.git("switch", "--quiet", "main")
        self.commit(f"Say\n\ntoo much: {in_a_message}")
        self.git("tag", "--annotate", "--message", on_a_tag, "v1")
        self.git("switch", "--quiet", "--detach")
        self.write("c", apart)
        self.commit("Apart")
        self.assertEqual(
            [(path, kind) for path, _, kind in self.found()],
            [("(commit)", "Twilio API Key"), ("(tag)", "Twilio API Key"), ("b", "AWS Access Key"), ("c", "GitHub Token")],
        )

    def test_files_that_nobody_has_committed_yet_are_searched_and_ignored_ones_are_not(self):
        self.write(".gitignore", "/ignored\n")
        self.commit()
        for name in ("ignored", "new", "Grüße und mehr"):
            self.write(name, PLANTED["GitHub Token"][0])
        self.assertEqual(self.found(), [("Grüße und mehr", 1, "GitHub Token"), ("new", 1, "GitHub Token")])

    def test_what_was_unpacked_from_an_archive_is_searched_without_a_history(self):
        folder = Path(self.folder.name, "unpacked")
        for name in ("src/key", "target/key", "localstack/.run/key"):
            file = folder / name
            file.parent.mkdir(parents=True)
            file.write_text(PLANTED["GitHub Token"][0])
        self.assertEqual(self.found(folder), [("src/key", 1, "GitHub Token")])

    def test_what_is_no_text_is_left_out_and_bad_text_is_not(self):
        self.write("picture", b"\0" + PLANTED["GitHub Token"][0].encode())
        self.write("latin-1", b"\xe4 " + PLANTED["GitHub Token"][0].encode() + b"\r\n")
        self.commit()
        self.assertEqual(self.found(), [("latin-1", 1, "GitHub Token")])

    def test_a_shallow_clone_is_searched_as_far_as_it_goes(self):
        for text in PLANTED["GitHub Token"][:2]:
            self.write(f"of-{text[:3]}", text)
            self.commit()
            (self.root / f"of-{text[:3]}").unlink()
        self.commit()
        self.write("here", PLANTED["AWS Access Key"][0])
        self.commit()
        clone = Path(self.folder.name, "clone")
        self.git("clone", "--quiet", "--depth=1", self.root.as_uri(), str(clone))
        self.assertEqual(len(self.found()), 3)
        self.assertEqual(self.found(clone), [("here", 1, "AWS Access Key")])

    def test_a_secret_is_known_by_its_file_and_its_hash_alone(self):
        known_one, other = PLANTED["GitHub Token"][:2]
        self.write("a", known_one)
        self.commit()
        (finding,) = searching.search(self.root)
        known = searching.known([{"reason": "so", "files": {"a": [finding.hash]}}])
        self.write("a", f"\n\n{known_one}\n{other}\n")
        self.write("b", known_one)
        new = [(each.path, each.line) for each in searching.search(self.root) if (each.path, each.hash) not in known]
        self.assertEqual(new, [("a", 4), ("b", 1)])

    def test_a_key_is_another_when_other_bytes_are_in_its_envelope(self):
        pems = [text for kind, text in private_keys() if kind == "Private Key" and "BEGIN PRIVATE" in text]
        self.commit()
        for number, pem in enumerate(pems):
            self.write(str(number), pem)
        self.assertEqual(len(pems), 4)
        found = searching.search(self.root)
        self.assertEqual(len({each.hash for each in found if each.kind == "Private Key"}), 4)

    def test_the_command_prints_no_secret_and_says_that_there_is_one(self):
        planted = [text for texts in PLANTED.values() for text in texts]
        self.commit()
        for arguments, status in (((), 0), ((), 1), (("--as-known",), 0)):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                self.assertEqual(searching.main(*arguments, repository=self.root), status)
            self.assertGreaterEqual(len(re.findall("[0-9a-f]{16}", out.getvalue())), len(planted) if self.found() else 0)
            for text in planted:
                self.assertNotIn(text.strip(), out.getvalue())
            self.write("a", "\n".join(planted))


if __name__ == "__main__":
    unittest.main()
