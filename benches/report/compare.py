"""Whether anything is worse than it was, beyond what differs from round to round.

What is compared is relative wherever it can be: to the bare handler, to SHA-256 in the same process, to a store that
is empty. So a slower day of the same machine is not taken for slower code. Memory and starts are as they are.
"""

from dataclasses import dataclass

# Less than this is not called a change.
MARGIN = 0.10
# Ranges of few rounds lie apart by chance, too, where there are hundreds of them: by so much of the wider one they do not.
APART = 0.5


@dataclass(frozen=True)
class Spread:
    """Of several rounds."""

    median: float
    least: float
    most: float

    @staticmethod
    def read(figure):
        return Spread(figure["median"], figure["least"], figure["most"])

    def over(self, yardstick):
        return Spread(self.median / yardstick, self.least / yardstick, self.most / yardstick)


@dataclass(frozen=True)
class Figure:
    name: str
    spread: Spread
    more_is_better: bool = False


@dataclass(frozen=True)
class Change:
    name: str
    before: Spread
    now: Spread
    # "worse", "better", or "" for what cannot be told from noise.
    verdict: str

    @property
    def factor(self):
        return self.now.median / self.before.median if self.before.median else float("inf")


def figures(entry):
    """All that is compared, each under a name that is the same in every entry."""
    for operation, about in entry["operations"].items():
        for connections, rounds in about["connections"].items():
            name = f"{operation}, {connections} at once: "
            yield Figure(name + "requests/s, of the bare handler's", Spread.read(rounds["ratio"]), more_is_better=True)
            yield Figure(name + "processor time, of the bare handler's", Spread.read(rounds["processor_ratio"]))
            yield Figure(name + "99th percentile, of the bare handler's", Spread.read(rounds["p99_ratio"]))
        if rounds := about.get("fixed_rate"):
            yield Figure(f"{operation}, by the clock: median, of the bare handler's", Spread.read(rounds["p50_ratio"]))
            name = f"{operation}, by the clock: 99th percentile, of the bare handler's"
            yield Figure(name, Spread.read(rounds["p99_ratio"]))
    yield from _primitives(entry["primitives_us"])
    yield from _outstanding(entry["outstanding"]["steps"])
    for name, start in entry["start"].items():
        yield Figure(f"{name}: ms until ready", Spread.read(start["ready_ms"]))
        yield Figure(f"{name}: MB, idle", Spread.read(start["idle_mb"]))
    yield Figure("MB after a round of load", Spread.read(entry["memory"]["loaded_mb"]))


YARDSTICK, DISK = "SHA-256 of 4 KiB", "write 4 KiB and fsync"


def _primitives(primitives):
    yardstick = primitives[YARDSTICK]["median"]
    for name, figure in primitives.items():
        if name not in (YARDSTICK, DISK):
            yield Figure(f"{name}: of {YARDSTICK}", Spread.read(figure).over(yardstick))


def _outstanding(steps):
    # What waits for the disk is held against the same with no tokens at all.
    empty = next(step for step in reversed(steps) if step["tokens"] == 0)
    for step in steps:
        about = f"{step['keys']:,} keys, {step['tokens']:,} tokens: "
        for name, figure in step["us"].items():
            spread = Spread.read(figure)
            if name not in ("mint a share", "redeem a share"):
                yield Figure(f"{about}{name}: of {YARDSTICK}", spread.over(step["yardstick_us"]["median"]))
            elif step["tokens"] > 0:
                yield Figure(f"{about}{name}: of the same with none", spread.over(empty["us"][name]["median"]))
        resident = step["resident_mb"]
        yield Figure(f"{about}MB", Spread(resident, resident, resident))


def judged(before, now):
    """What each figure has become that both entries have."""
    known = {figure.name: figure for figure in figures(before)}
    return [
        Change(figure.name, known[figure.name].spread, figure.spread, _verdict(known[figure.name].spread, figure))
        for figure in figures(now)
        if figure.name in known
    ]


def _verdict(before, figure):
    now = figure.spread
    gap = APART * max(before.most - before.least, now.most - now.least)
    rose = now.least > before.most + gap and now.median > before.median * (1 + MARGIN)
    fell = now.most < before.least - gap and now.median < before.median * (1 - MARGIN)
    if not (rose or fell):
        return ""
    return "better" if rose == figure.more_is_better else "worse"


def table(changes, say=print):
    """Those that changed, the worst first; how many did not."""
    told = sorted((change for change in changes if change.verdict), key=lambda change: change.verdict, reverse=True)
    if told:
        width = max(len(change.name) for change in told)
        say(f"{'':7}{'':{width}}  {'before (least to most)':>28}  {'now (least to most)':>28}  factor")
    for change in told:
        before, now = (_shown(spread) for spread in (change.before, change.now))
        say(f"{change.verdict:7}{change.name:{width}}  {before:>28}  {now:>28}  {change.factor:6.2f}")
    same = len(changes) - len(told)
    say(f"{same} of {len(changes)} figures are as they were, or differ by less than {MARGIN:.0%} or than their rounds do.")


def _shown(spread):
    return f"{spread.median:.4g} ({spread.least:.4g} to {spread.most:.4g})"
