"""Builds every mutant that cargo-mutants names into one program, each behind a switch of its own (see `run`).

    switches.py make LIST FOLDER ORIGINAL FILES BUILD...   writes into FOLDER the sources of ORIGINAL with switches, and builds them
    switches.py judge LIST FOLDER FILES                    runs the tests with one switch after another

LIST is what `cargo mutants --list --json` says; of it those mutants are taken whose file FILES matches. A mutant that the
compiler does not take is left out, and so is what cannot be behind a switch: most of them are no mutants for cargo-mutants
either (a type without a default), the others, constants among them, are for it alone.
"""

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

# From the tightest.
PRECEDENCE = [("*", "/", "%"), ("+", "-"), ("<<", ">>"), ("&",), ("^",), ("|",), ("==", "!=", "<", ">", "<=", ">="), ("&&",), ("||",)]
ASSIGNING = {"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
LEVEL = {operator: level for level, operators in enumerate(PRECEDENCE) for operator in operators}
TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|b?r\#*".*?"\#*|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^u]|\\u\{[^}]*\}|[^'\\])'|'[A-Za-z_]\w*|[A-Za-z_]\w*!?(?!=)|"""
    r"""[0-9](?:[0-9a-zA-Z_]|\.(?=[0-9]))*|\.\.=|\.\.\.|<<=|>>=|\.\.|::|->|=>|==|!=|<=|>=|&&|\|\||[-+*/%^&|]=|<<|.""",
    re.S | re.X,
)
OPEN, CLOSE = "([{", ")]}"
STOPS_LEFT = {",", ";", ":", "=", "=>", "return", "if", "while", "match", "in", "else", "let", "..", "..=", "move", "break", "->"} | ASSIGNING
STOPS_RIGHT = {",", ";", "=", "=>", "else", "..", "..="} | ASSIGNING


def tokens_of(text: str) -> list[tuple[int, str]]:
    found = [(match.start(), match[0]) for match in TOKEN.finditer(text)]
    return [(at, token) for at, token in found if not token.isspace() and not token.startswith(("//", "/*"))]


def level(token: str) -> int | None:
    return 9 if token in ASSIGNING else LEVEL.get(token)


def is_binary(tokens: list[tuple[int, str]], index: int) -> bool:
    """Whether an operator stands between two operands, and not before one."""
    if index == 0:
        return False
    before = tokens[index - 1][1]
    return bool(re.match(r"[\w\"')\]}?]", before[-1])) and before not in STOPS_LEFT


def left_end(tokens: list[tuple[int, str]], index: int, mine: int) -> int:
    depth = 0
    at = index - 1
    while at >= 0:
        token = tokens[at][1]
        if token in CLOSE:
            depth += 1
        elif token in OPEN:
            if depth == 0:
                return at + 1
            depth -= 1
            # A block before is another statement, unless it is an operand.
            if depth == 0 and token == "{" and (at == 0 or tokens[at - 1][1] in (";", "}", "{")):
                return at
        elif depth == 0:
            if token in STOPS_LEFT:
                return at + 1
            if token == "|" and (at == 0 or not is_binary(tokens, at)):
                return at + 1
            if token == "|" and closes_closure(tokens, at):
                return at + 1
            if token == "||" and not is_binary(tokens, at):
                return at + 1
            other = level(token)
            if other is not None and other > mine and is_binary(tokens, at):
                return at + 1
        at -= 1
    return 0


def closes_closure(tokens: list[tuple[int, str]], at: int) -> bool:
    """Whether this bar ends the parameters of a closure."""
    back = at - 1
    while back >= 0 and tokens[back][1] not in (";", "{", "}", "=", "=>"):
        if tokens[back][1] == "|":
            return not is_binary(tokens, back)
        back -= 1
    return False


def right_end(tokens: list[tuple[int, str]], index: int, mine: int) -> int:
    depth = 0
    at = index + 1
    while at < len(tokens):
        token = tokens[at][1]
        if token in OPEN:
            if depth == 0 and token == "{" and at > index + 1 and not tokens[index + 1][1] in ("match", "if", "unsafe"):
                return at
            depth += 1
        elif token in CLOSE:
            if depth == 0:
                return at
            depth -= 1
        elif depth == 0 and at > index + 1:
            if token in STOPS_RIGHT:
                return at
            other = level(token)
            if other is not None and other >= mine and is_binary(tokens, at) and mine != 9:
                return at
        at += 1
    return len(tokens)


class Source:
    """A file, and what is to be changed in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = [0]
        for line in text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.tokens = tokens_of(text)
        self.index = {at: number for number, (at, _) in enumerate(self.tokens)}

    def at(self, place: dict) -> int:
        return self.lines[place["line"] - 1] + place["column"] - 1

    def end_of(self, token: int) -> int:
        at, text = self.tokens[token - 1]
        return at + len(text)


def changes(source: Source, mutants: list[tuple[int, dict]]) -> list[tuple[int, int, list]]:
    """Spans with how their text becomes another; spans nest or lie apart."""
    sites: dict[tuple, list[tuple[int, dict]]] = defaultdict(list)
    for number, mutant in mutants:
        start, end = source.at(mutant["span"]["start"]), source.at(mutant["span"]["end"])
        sites[(start, end, mutant["genre"])].append((number, mutant))
    found = []
    for (start, end, genre), here in sites.items():
        numbers = [number for number, _ in here]
        if genre == "FnValue":
            for number, mutant in here:
                found.append((start, start, ("insert", f"if crate::mutant({number}) {{ return {mutant['replacement']}; }}\n")))
        elif genre == "MatchArmGuard":
            arms = "".join(f"if crate::mutant({number}) {{ {mutant['replacement']} }} else " for number, mutant in here)
            found.append((start, end, ("wrap", f"({arms}{{ ", " })")))
        elif genre == "UnaryOperator" and source.text[start:end] == "!":
            found.append((start, end, ("replace", f"!crate::mutant({numbers[0]}) ^ ")))
        elif genre == "MatchArm":
            depth, guard = 0, None
            for index in range(source.index[start], len(source.tokens)):
                at, token = source.tokens[index]
                if token in OPEN:
                    depth += 1
                elif token in CLOSE:
                    depth -= 1
                elif depth == 0 and token == "if":
                    guard = at
                elif depth == 0 and token == "=>":
                    if guard is None:
                        found.append((at, at, ("insert", f"if !crate::mutant({numbers[0]}) ")))
                    else:
                        found.append((guard + 2, guard + 2, ("insert", f" !crate::mutant({numbers[0]}) && ")))
                    break
        elif genre == "StructField":
            depth, base = 0, None
            index = source.index[start]
            while index < len(source.tokens):
                at, token = source.tokens[index]
                if token in OPEN:
                    depth += 1
                elif token in CLOSE:
                    depth -= 1
                    if depth < 0:
                        break
                elif depth == 0 and token == "..":
                    base = at + 2
                index += 1
            text = source.text[start:end].rstrip().rstrip(",")
            if base is not None:
                own = source.text[base : source.tokens[index][0]].strip()
                name, colon, value = text.partition(":")
                name = name.strip()
                if colon:
                    value_at = start + text.index(":") + 1
                    found.append((value_at, start + len(text), ("wrap", f" if crate::mutant({numbers[0]}) {{ ({own}).{name} }} else {{ ", " }")))
                else:
                    found.append((start + len(text), start + len(text), ("insert", f": if crate::mutant({numbers[0]}) {{ ({own}).{name} }} else {{ {name} }}")))
        elif genre == "BinaryOperator" and start in source.index:
            token = source.index[start]
            mine = level(source.text[start:end])
            if mine is None:
                continue
            first, last = left_end(source.tokens, token, mine), right_end(source.tokens, token, mine)
            if first >= token or last <= token + 1:
                continue
            found.append((source.tokens[first][0], source.end_of(last), ("binary", start, end, [(number, mutant["replacement"]) for number, mutant in here])))
    return found


def rewritten(source: Source, found: list) -> str:
    # The outermost first; those that insert before others of the same place.
    found = sorted(found, key=lambda change: (change[0], -change[1], 0 if change[2][0] == "insert" else 1))

    def text_of(start: int, end: int, inner: list) -> str:
        out, at = [], start
        position = 0
        while position < len(inner):
            change = inner[position]
            nested, following = [], position + 1
            if change[0] != change[1]:
                while following < len(inner) and inner[following][0] < change[1] and inner[following][1] <= change[1]:
                    nested.append(inner[following])
                    following += 1
            if change[0] < at or change[1] > end:
                position += 1
                continue
            out.append(source.text[at : change[0]])
            kind = change[2]
            if kind[0] == "insert":
                out.append(kind[1])
            elif kind[0] == "replace":
                out.append(kind[1])
            elif kind[0] == "wrap":
                out.append(kind[1] + text_of(change[0], change[1], nested) + kind[2])
            else:
                _, operator, after, others = kind
                left = text_of(change[0], operator, [one for one in nested if one[1] <= operator])
                right = text_of(after, change[1], [one for one in nested if one[0] >= after])
                arms = "".join(f"if crate::mutant({number}) {{ {left} {other} {right} }} else " for number, other in others)
                out.append(f"({arms}{{ {left} {source.text[operator:after]} {right} }})")
            at = change[1]
            position = following
        out.append(source.text[at:end])
        return "".join(out)

    return text_of(0, len(source.text), found)


SWITCH = """
/// Whether the mutant with this number is the one that is tried.
pub fn mutant(number: u32) -> bool {
    static TRIED: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *TRIED.get_or_init(|| std::env::var("MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(u32::MAX)) == number
}
"""


def make(mutants: list[dict], folder: Path, original: Path, build: list[str]) -> None:
    left_out: set[int] = set()
    if (folder / "left_out.json").exists():
        known = set(json.loads((folder / "left_out.json").read_text()))
        left_out |= {number for number, mutant in enumerate(mutants) if mutant["name"] in known}
    # Constants are worked out when there is no switch yet.
    left_out |= {number for number, mutant in enumerate(mutants) if mutant["function"] is None}
    library = (original / "src/lib.rs").read_text()
    (folder / "src/lib.rs").write_text("#![allow(warnings)]\n" + library + SWITCH)
    by_file: dict[str, list[tuple[int, dict]]] = defaultdict(list)
    for number, mutant in enumerate(mutants):
        by_file[mutant["file"]].append((number, mutant))
    # What calls a function that has a switch is no constant either; moments stand in constants of tests.
    for other in (original / "src").rglob("*.rs"):
        place = folder / other.relative_to(original)
        text = re.sub(r"\bconst fn\b", "fn", other.read_text())
        if str(other.relative_to(original)) not in by_file and other.name not in ("lib.rs", "instant.rs") and place.read_text() != text:
            place.write_text(text)
    keep_const: set[tuple[str, int]] = set()
    for attempt in range(40):
        placed: set[int] = set()
        for file, here in by_file.items():
            source = Source((original / file).read_text())
            text = rewritten(source, changes(source, [one for one in here if one[0] not in left_out]))
            text = re.sub(r"\bconst fn\b", "fn", text) if not any(kept == file for kept, _ in keep_const) else text
            placed |= {int(number) for number in re.findall(r"crate::mutant\((\d+)\)", text)}
            target = folder / file
            if not target.exists() or target.read_text() != text:
                target.write_text(text)
        left_out |= set(range(len(mutants))) - placed
        done = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
        fresh: set[int] = set()
        others = []
        for line in done.stdout.splitlines():
            message = json.loads(line)
            if message.get("reason") != "compiler-message" or message["message"]["level"] != "error":
                continue
            message = message["message"]
            spans = [span for span in message["spans"] if span["is_primary"]] or message["spans"]
            blamed = False
            for span in spans:
                file = span["file_name"]
                if file not in by_file:
                    continue
                data = (folder / file).read_bytes()
                within = re.findall(rb"crate::mutant\((\d+)\)", data[span["byte_start"] : span["byte_end"]])
                before = re.findall(rb"crate::mutant\((\d+)\)", data[: span["byte_start"]])
                if "in constants" in message["message"] or "in constant functions" in message["message"] or "in statics" in message["message"]:
                    if not within:
                        keep_const.add((file, 0))
                        blamed = True
                        continue
                for number in within or before[-1:]:
                    fresh.add(int(number))
                    blamed = True
            if not blamed and spans:
                others.append(message["rendered"][:400])
        print(f"build {attempt}: {len(placed)} of {len(mutants)} mutants in it, {len(fresh)} to be left out", flush=True)
        if done.returncode == 0:
            built = [json.loads(line).get("executable") for line in done.stdout.splitlines()]
            (folder / "programs.json").write_text(json.dumps([program for program in built if program]))
            break
        if not fresh and not others and not keep_const:
            print(done.stderr[-2000:])
            sys.exit(1)
        if not fresh:
            print("\n".join(others)[:3000], flush=True)
            if attempt > 1 and not fresh and not keep_const:
                sys.exit(1)
        left_out |= fresh
        (folder / "left_out.json").write_text(json.dumps(sorted(mutants[number]["name"] for number in left_out)))
    (folder / "left_out.json").write_text(json.dumps(sorted(mutants[number]["name"] for number in left_out)))


def judge(mutants: list[dict], folder: Path) -> None:
    programs: list[str] = json.loads((folder / "programs.json").read_text())
    names = set(json.loads((folder / "left_out.json").read_text()))
    left_out = {number for number, mutant in enumerate(mutants) if mutant["name"] in names}
    results_file = folder / "results.json"
    results: dict[str, str] = json.loads(results_file.read_text()) if results_file.exists() else {}

    def runs(program: str, number: int, filters: list[str], patience: int) -> str:
        environment = {"MUTANT": str(number), "PATH": "/usr/bin:/bin", "PROPTEST_RNG_SEED": "1", "PROPTEST_CASES": "64", "HOME": "/root", "CARGO_MANIFEST_DIR": str(folder)}
        try:
            done = subprocess.run([program, "-q", *filters], cwd=folder, env=environment, capture_output=True, timeout=patience, check=False)
        except subprocess.TimeoutExpired:
            return "timeout"
        return "missed" if done.returncode == 0 else "caught"

    for program in programs:
        assert runs(program, 4_000_000_000, [], 1200) == "missed", f"{program} fails with no mutant"
    for number, mutant in enumerate(mutants):
        if number in left_out or results.get(mutant["name"], "missed") != "missed":
            continue
        module = mutant["file"].removeprefix("src/").removesuffix(".rs").replace("/mod", "").replace("/", "::") + "::"
        result = runs(programs[0], number, [module], 60)
        for program in programs:
            if result == "missed":
                result = runs(program, number, [], 300)
        results[mutant["name"]] = result
        results_file.write_text(json.dumps(results))
        if result != "caught":
            print(f"{result}: {mutant['name']}", flush=True)
    told: dict[str, Counter] = defaultdict(Counter)
    for number, mutant in enumerate(mutants):
        told[mutant["file"]]["not built" if number in left_out else results.get(mutant["name"], "not tried")] += 1
    for file, counts in sorted(told.items()):
        print(file, dict(counts))


if __name__ == "__main__":
    how, listed, into = sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]).resolve()
    if how == "make":
        matching = re.compile(sys.argv[5])
        make([mutant for mutant in listed if matching.search(mutant["file"])], into, Path(sys.argv[4]).resolve(), sys.argv[6:])
    else:
        matching = re.compile(sys.argv[4])
        judge([mutant for mutant in listed if matching.search(mutant["file"])], into)
