"""The image and the unit, as far as they can be looked at without a builder and an init.

That the program runs in what `infra/container/assemble` makes, under the same restrictions,
is held by tests/suite/program/contained.rs.
"""

import json
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

from stacks import GIVEN, INFRA, ROOT, resources, template, text

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
UNIT = (INFRA / "systemd" / "cloakroom.service").read_text(encoding="utf-8")


def stage(name):
    (found,) = [each for each in re.split(r"^(?=FROM )", DOCKERFILE, flags=re.M) if re.match(rf"FROM \S+ AS {name}\n", each)]
    return found


class Image(unittest.TestCase):
    def test_the_broker_is_nobody_on_nothing(self):
        broker = stage("broker")
        self.assertTrue(broker.startswith("FROM scratch "))
        self.assertIn("\nUSER 65532:65532\n", broker)
        self.assertIn('CMD ["/usr/local/bin/cloakroom", "health"]', broker)
        self.assertNotIn("RUN ", broker)
        self.assertNotIn("ADD ", DOCKERFILE)

    def test_the_folder_for_data_is_the_brokers_in_a_volume_as_well(self):
        # Docker and Fargate give a volume the owner that the folder has in the image, where VOLUME names its path.
        # A folder that comes with what is copied before keeps its owner, whatever --chown says.
        broker, folder = stage("broker"), "/var/lib/cloakroom"
        self.assertIn(f"&& mv /image{folder} /data\n", stage("build"))
        self.assertIn(f"\nCOPY --from=build --chown=65532:65532 --chmod=0700 /data {folder}\n", broker)
        self.assertIn(f'\nVOLUME ["{folder}"]\n', broker)
        task = resources(template.load(text("service")), GIVEN["service"])["Task"]["Properties"]
        (container,) = task["ContainerDefinitions"]
        self.assertEqual(container["MountPoints"], [{"SourceVolume": "data", "ContainerPath": folder}])
        self.assertEqual(task["Volumes"], [{"Name": "data"}])

    def test_bases_are_named_in_full(self):
        bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.M)) - {"scratch"}
        wanted = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]["rust-version"]
        self.assertEqual({re.sub(r"\.\d+-", "-", base, count=1) for base in bases}, {f"rust:{wanted}-bookworm"})

    def test_the_context_has_what_cargo_wants_and_no_more(self):
        kept = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), flags=re.M)
        self.assertEqual(set(kept), {"Cargo.toml", "Cargo.lock", "src", "benches", "tests", "infra/container"})
        with tempfile.TemporaryDirectory() as context:
            for name in kept:
                to = Path(context) / name
                to.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, to)
            asked = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]
            subprocess.run(asked, cwd=context, check=True, stdout=subprocess.DEVNULL)
        # What is compiled in lies in the context, too.
        for file in (ROOT / "src").rglob("*.rs"):
            for included in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', file.read_text(encoding="utf-8")):
                self.assertTrue((file.parent / included).resolve().is_relative_to(ROOT / "src"), f"{file}: {included}")

    def test_what_it_is_made_of_is_told(self):
        made = subprocess.run([INFRA / "container" / "sbom.py"], check=True, stdout=subprocess.PIPE).stdout
        told = json.loads(made)
        named = {each["name"]: each for each in told["components"]}
        self.assertTrue({"actix-web", "argon2", "ring", "aws-sdk-s3"} <= set(named))
        # Of tests alone.
        self.assertFalse({"fantoccini", "rqrr", "cloakroom"} & set(named))
        for each in told["components"]:
            self.assertTrue(each["licenses"] and each["hashes"], each)
        validated = (
            "import sys; from cyclonedx.schema import SchemaVersion; from cyclonedx.validation.json import JsonStrictValidator; "
            "sys.exit(JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read()) and 'not valid')"
        )
        # checkov brings CycloneDX's own validator.
        python = ROOT / "localstack" / ".run" / "checkov" / "bin" / "python"
        for document, code in ((made, 0), (made.replace(b'"library"', b'"book"', 1), 1)):
            self.assertEqual(subprocess.run([python, "-c", validated], input=document, stderr=subprocess.PIPE).returncode, code)


class Unit(unittest.TestCase):
    WANTED = {
        "DynamicUser": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "StateDirectory": "cloakroom",
        "MemoryDenyWriteExecute": "yes",
        "RestrictNamespaces": "yes",
        "UMask": "0077",
    }

    def test_it_is_as_closed_as_the_container(self):
        said = dict(re.findall(r"^(\w+)=(.*)$", UNIT, flags=re.M))
        self.assertEqual({name: said.get(name) for name in self.WANTED}, self.WANTED)
        self.assertRegex(UNIT, r"(?m)^SystemCallFilter=@system-service$")
        self.assertRegex(UNIT, r"(?m)^LoadCredential=root-keys.json:")
        self.assertNotRegex(UNIT, r"(?m)^(ReadWritePaths|ExecStartPre=[+!-])")

    def test_systemd_understands_it_and_finds_it_closed(self):
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder) / "cloakroom.service"
            # The program need not be installed where this runs.
            unit.write_text(UNIT.replace("/usr/local/bin/cloakroom", "/bin/true"), encoding="utf-8")
            verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
            self.assertEqual((verified.returncode, verified.stdout, verified.stderr), (0, "", ""))
            # In tenths: 1.4 when this was written; the network is what it is for.
            rated = ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit]
            self.assertEqual(subprocess.run(rated, stdout=subprocess.DEVNULL).returncode, 0)


if __name__ == "__main__":
    unittest.main()
