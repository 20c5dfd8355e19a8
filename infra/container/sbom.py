#!/usr/bin/env python3
"""What the program is made of: a CycloneDX 1.5 document of the crates that are compiled into it.

    infra/container/sbom.py > cloakroom.cdx.json

From `cargo metadata` and Cargo.lock alone, so that nothing has to be installed or
downloaded. Crates of tests and benches, and of other platforms, are not in it.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PLATFORM = "x86_64-unknown-linux-gnu"


def main():
    metadata = cargo_metadata()
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))
    checksums = {(each["name"], each["version"]): each.get("checksum") for each in lock["package"]}
    packages = {each["id"]: each for each in metadata["packages"]}
    root = metadata["resolve"]["root"]
    # What is resolved includes what tests switch on; the tree is of the program alone.
    in_tree = tree()
    compiled = {each for each, package in packages.items() if (package["name"], package["version"]) in in_tree}
    needs = {node["id"]: sorted(needed(node) & compiled) for node in metadata["resolve"]["nodes"] if node["id"] in compiled}
    json.dump(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {"component": component(packages[root], None) | {"type": "application"}},
            "components": [
                component(packages[each], checksums[packages[each]["name"], packages[each]["version"]])
                for each in sorted(compiled - {root}, key=lambda each: purl(packages[each]))
            ],
            "dependencies": [
                {"ref": purl(packages[each]), "dependsOn": [purl(packages[other]) for other in needs[each]]}
                for each in sorted(compiled, key=lambda each: purl(packages[each]))
            ],
        },
        sys.stdout,
        indent=1,
    )
    print()


def cargo_metadata():
    asked = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", PLATFORM]
    return json.loads(subprocess.run(asked, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def needed(node):
    """Crates that are in the program, or that made it (build scripts, macros); not those of tests."""
    return {each["pkg"] for each in node["deps"] if any(kind["kind"] in (None, "build") for kind in each["dep_kinds"])}


def tree():
    asked = ["cargo", "tree", "--locked", "--edges", "normal,build", "--target", PLATFORM, "--prefix", "none", "--format", "{p}"]
    told = subprocess.run(asked, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {(line.split()[0], line.split()[1].removeprefix("v")) for line in told.splitlines() if line}


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksum):
    told = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
        "licenses": [{"expression": package["license"].replace("/", " OR ")}] if package["license"] else [],
    }
    if checksum:
        told["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return told


if __name__ == "__main__":
    main()
