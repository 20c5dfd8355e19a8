"""Puts infra/edge/viewer-request.js into infra/edge.yaml, where CloudFormation wants it.

    inline_function.py            says whether they are equal; exit status 1 if not
    inline_function.py --write    makes them equal
"""

import sys
from pathlib import Path

INFRA = Path(__file__).resolve().parent.parent / "infra"
TEMPLATE = INFRA / "edge.yaml"
INDENT = " " * 8
BEGIN, END = f"{INDENT}// BEGIN viewer-request.js\n", f"{INDENT}// END viewer-request.js\n"


def main(*arguments):
    template = TEMPLATE.read_text(encoding="utf-8")
    before, rest = template.split(BEGIN)
    _, after = rest.split(END)
    code = (INFRA / "edge" / "viewer-request.js").read_text(encoding="utf-8")
    indented = "".join(f"{INDENT}{line}" if line.strip() else line for line in code.splitlines(keepends=True))
    wanted = before + BEGIN + indented + END + after
    if arguments == ("--write",):
        TEMPLATE.write_text(wanted, encoding="utf-8")
    elif template != wanted:
        sys.exit("infra/edge.yaml has another function than infra/edge/viewer-request.js: localstack/inline_function.py --write")


if __name__ == "__main__":
    main(*sys.argv[1:])
