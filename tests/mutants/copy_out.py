"""Copies a part of the crate, and what it imports, into a crate of its own (see `run`)."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Modules at the top of the crate.
MODULES = {
    "pure": ["clock", "crypto", "domain", "entropy", "keys"],
    "store": ["clock", "crypto", "disk", "domain", "entropy", "keys", "store"],
}
# Modules left out beneath those, as they need a client of AWS.
LEFT_OUT = {
    "src/keys": ["file", "parameter_store", "place", "secrets_manager", "source"],
    "src/store": ["dynamodb"],
}
TESTS = {"pure": ["properties"], "store": []}


def place(target: Path, text: str) -> None:
    """Writes the file if it would change, so that cargo builds no more than it must."""
    if not target.exists() or target.read_text() != text:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def manifest() -> str:
    """The crate's own manifest without benchmarks and lints. All dependencies stay, so that each is taken as it was built for the
    crate itself: a package that asks for fewer features would be another one."""
    text = (ROOT / "Cargo.toml").read_text()
    sections = re.split(r"(?m)^(?=\[)", text)
    return "".join(section for section in sections if not re.match(r"\[\[|\[lints", section)) + "\n[workspace]\n"


def suite_of_backends() -> dict[Path, str]:
    """The cases of tests/suite/store, by themselves and without DynamoDB."""
    suite = ROOT / "tests/suite"
    files = {Path("tests/store/main.rs"): "#![allow(warnings)]\nmod store;\n"}
    text = (suite / "store.rs").read_text()
    files[Path("tests/store/store.rs")] = re.sub(r"(?m)^ *conformance! \{ @backend (faulty_)?dynamodb .*\n", "", text)
    for file in (suite / "store").glob("*.rs"):
        text = file.read_text()
        if file.name == "fixture.rs":
            text = re.sub(r"(?m)^use aws_sdk_dynamodb.*\n| *dynamodb::\{self, DynamoStore\},\n", "", text)
            text = re.sub(r"(?ms)^    pub\(super\) async fn (faulty_)?dynamodb\(\).*?^    \}\n", "", text)
            text = re.sub(r"(?ms)^/// The table that the test run was given\..*?(?=^/// A new attempt id)", "", text)
        if file.name == "ambiguity.rs":
            text = re.sub(r".*fixture::dynamodb_store\(\).*\n", "", text).replace("[Self; 3]", "[Self; 2]")
        files[Path("tests/store/store") / file.name] = text
    return files


def main() -> None:
    part, into = sys.argv[1], Path(sys.argv[2]).resolve()
    wanted: dict[Path, str] = {}
    for module in MODULES[part]:
        for file in (*(ROOT / "src").glob(f"{module}.rs"), *(ROOT / "src" / module).rglob("*.rs")):
            place_in = file.relative_to(ROOT)
            if any(place_in.is_relative_to(folder) and place_in.relative_to(folder).parts[0].removesuffix(".rs") in names for folder, names in LEFT_OUT.items()):
                continue
            text = file.read_text()
            for folder, names in LEFT_OUT.items():
                if place_in == Path(folder) / "mod.rs":
                    text = re.sub(rf"(?m)^(pub )?mod ({'|'.join(names)});\n", "\n", text)
            wanted[place_in] = text
    wanted[Path("src/lib.rs")] = "//! A part of Cloakroom, by itself.\n" + "".join(f"pub mod {module};\n" for module in MODULES[part])
    for test in TESTS[part]:
        for file in (ROOT / "tests" / test).rglob("*.rs"):
            wanted[file.relative_to(ROOT)] = file.read_text()
    if part == "store":
        wanted |= suite_of_backends()
    for file in (ROOT / "tests/vectors").glob("*.json"):
        wanted[file.relative_to(ROOT)] = file.read_text()
    wanted[Path("Cargo.lock")] = (ROOT / "Cargo.lock").read_text()
    wanted[Path("Cargo.toml")] = manifest()
    wanted[Path(".cargo/mutants.toml")] = (ROOT / ".cargo/mutants.toml").read_text()
    for name, text in wanted.items():
        place(into / name, text)
    for folder in ("src", "tests"):
        for file in (into / folder).rglob("*"):
            if file.is_file() and file.relative_to(into) not in wanted:
                file.unlink()


main()
