"""Measures, compares with what was measured before, and draws a page: see `benches/run`, which builds and calls this.

    python3 benches/report/main.py --throughput PROGRAM --outstanding PROGRAM [--quick|--long] [--check] [--keep]
    python3 benches/report/main.py --page FILE      the page of figures that were taken before
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import compare
import history
import machine
import page

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "target" / "benchmarks"

SCHEMA = 1
# The shapes are always the same, or entries would not compare; only how long and how often differs.
CONNECTIONS = (1, 16, 64, 256, 1024)
FIXED_RATE_CONNECTIONS = 64
# Seconds of a round, rounds; API keys and tokens at the end.
MODES = {
    "quick": {"seconds": 0.2, "rounds": 2, "keys": 1_000, "tokens": 10_000},
    "usual": {"seconds": 0.8, "rounds": 5, "keys": 10_000, "tokens": 1_000_000},
    "long": {"seconds": 2, "rounds": 9, "keys": 10_000, "tokens": 10_000_000},
}


def run(program, *arguments):
    """What a benchmark writes as JSON; what it tells people goes to people."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([program, *map(str, arguments), "--json", file.name], check=True)
        return json.loads(Path(file.name).read_text(encoding="utf-8"))


def measure(throughput, outstanding, mode):
    shape = MODES[mode]
    watch = machine.Watch()
    made = run(
        throughput,
        *("--connections", ",".join(map(str, CONNECTIONS)), "--fixed-rate", FIXED_RATE_CONNECTIONS),
        *("--seconds", shape["seconds"], "--rounds", shape["rounds"]),
        *(("--quick",) if mode == "quick" else ()),
        # They have a command of their own, and minutes.
        *("--except", "limits", "--except", "guesses"),
    )
    stored = run(outstanding, "--keys", shape["keys"], "--tokens", shape["tokens"])
    return {
        "schema": SCHEMA,
        "date": machine.now(),
        **machine.commit(ROOT),
        "mode": mode,
        "machine": machine.about(),
        "during": watch.ended(),
        "shapes": {
            "connections": CONNECTIONS,
            "rounds": shape["rounds"],
            "seconds": shape["seconds"],
            "fixed_rate_connections": FIXED_RATE_CONNECTIONS,
        },
        **{name: made[name] for name in ("operations", "ceilings_per_second", "primitives_us", "start", "memory", "idle")},
        "outstanding": stored,
    }


def report(entry, past):
    """The page, and what has changed since the last entry of a machine of the same kind, if there is any."""
    base = history.last_like(entry, past)
    changes = compare.judged(base, entry) if base else []
    same = [other for other in past if machine.kind(other["machine"]) == machine.kind(entry["machine"])]
    return page.render(entry, same, changes, base), changes, base


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--throughput")
    asked.add_argument("--outstanding")
    modes = asked.add_mutually_exclusive_group()
    modes.add_argument("--quick", dest="mode", action="store_const", const="quick", default="usual")
    modes.add_argument("--long", dest="mode", action="store_const", const="long")
    asked.add_argument("--check", action="store_true")
    asked.add_argument("--keep", action="store_true")
    asked.add_argument("--page", type=Path)
    given = asked.parse_args()
    if given.keep and given.mode == "quick":
        asked.error("figures of a quick run are too rough to be kept")

    # Read before, so that an entry is never compared with itself.
    past = history.entries()
    if given.page:
        entry = json.loads(given.page.read_text(encoding="utf-8"))
        past = [other for other in past if other["date"] < entry["date"]]
    else:
        entry = measure(given.throughput, given.outstanding, given.mode)
    html, changes, base = report(entry, past)

    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "figures.json").write_text(history.text(entry), encoding="utf-8")
    (OUT / "index.html").write_text(html, encoding="utf-8")
    print(f"\nfigures: {OUT / 'figures.json'}\npage:    {OUT / 'index.html'}")
    if given.keep:
        print(f"kept:    {history.keep(entry)}")
    return told(entry, base, changes, given.check)


def told(entry, base, changes, is_checked):
    """Says what has changed; answers what the program ends with."""
    during = entry["during"]
    if not during["quiet"]:
        print(f"\nThe machine was not quiet: others took {during['others']:.1%} of it, {during['stolen']:.1%} was stolen.")
    if base is None:
        print("\nThere is no entry in benches/history of a machine of this kind.")
        return 2 if is_checked else 0
    mood = "" if base["during"]["quiet"] else ", of a busy machine"
    print(f"\nbeside {base['date'][:10]} {base['commit']}{mood}:")
    compare.table(changes)
    if entry["mode"] == "quick":
        print("This was a quick run, of two short rounds: look again without --quick.")
    is_worse = any(change.verdict == "worse" for change in changes)
    return 1 if is_checked and is_worse else 0


if __name__ == "__main__":
    sys.exit(main())
