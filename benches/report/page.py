"""One page of an entry: what was measured, what has changed, and how it went over the history.

It has everything in it and fetches nothing, so that it can be sent and kept.
"""

from html import escape
from pathlib import Path

from chart import Axis, Line, dots, even_axis, log_axis, microseconds, number, plot
from compare import MARGIN, Spread

CSS = Path(__file__).resolve().parent / "page.css"
# As wide as they are apart on the drawing; each is ten times rarer than the one before.
PERCENTILES = tuple((10**power, text) for power, text in ((0, "0"), (1, "90"), (2, "99"), (3, "99.9"), (4, "99.99"), (5, "99.999")))
STYLES = ("here", "store", "c", "d", "e", "f", "g", "bare")


def render(entry, past, changes, base):
    """HTML: `past` are entries of machines of the same kind, `changes` what became of `base`'s figures."""
    sections = [
        _head(entry),
        _changes(changes, base),
        _summary(entry),
        _throughput(entry),
        _by_the_clock(entry),
        _latencies(entry),
        _outstanding(entry),
        _memory(entry),
        _primitives(entry),
        _history([*past, entry]),
    ]
    title = f"Cloakroom: measured {entry['date'][:10]} at {entry['commit']}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{CSS.read_text(encoding='utf-8')}</style><body>{''.join(sections)}</body></html>\n"
    )


def _section(heading, told, inner):
    return f"<section><h2>{escape(heading)}</h2><p>{told}</p>{inner}</section>"


def _plots(figures):
    return f'<div class="plots">{"".join(figures)}</div>'


def _head(entry):
    machine, during = entry["machine"], entry["during"]
    changed = ", with changes that are not committed" if entry["uncommitted_changes"] else ""
    facts = [
        ("measured", entry["date"].replace("T", " ").replace("Z", " UTC")),
        ("commit", entry["commit"] + changed),
        ("processors", f"{machine['processors']} × {machine['model']}"),
        ("memory", f"{machine['memory_gb']} GB"),
        ("kernel", machine["kernel"]),
        ("load before, after", f"{during['load_before'][0]}, {during['load_after'][0]}"),
        ("processor time of others", f"{during['others']:.1%}"),
        ("stolen", f"{during['stolen']:.1%}"),
        ("took", f"{during['minutes']} minutes ({entry['mode']})"),
    ]
    listed = "".join(f"<li>{escape(name)} <b>{escape(str(value))}</b></li>" for name, value in facts)
    busy = (
        ""
        if during["quiet"]
        else '<p class="busy">The machine had other work meanwhile. Ratios may be used with care; latencies and rates '
        "say little.</p>"
    )
    return (
        f'<h1>How fast Cloakroom is</h1><ul class="facts">{listed}</ul>{busy}<p>Client, bare handler and broker share these '
        "processors. Every figure stands beside what a bare actix handler does with the same requests, or beside the "
        "primitive it rests on, in the same run.</p>"
    )


def _changes(changes, base):
    if base is None:
        return _section("Since the last entry", "There is no entry of a machine of this kind yet.", "")
    told = [change for change in changes if change.verdict]
    quiet = "" if base["during"]["quiet"] else " That machine was busy."
    about = (
        f"Beside {escape(base['commit'])} of {base['date'][:10]}, a machine of the same kind.{quiet} Named is what differs by more "
        f"than {MARGIN:.0%} and lies outside of everything its rounds did: {len(told)} of {len(changes)} figures."
    )
    rows = "".join(
        f'<tr><td>{escape(change.name)}</td><td>{change.before.median:.4g}</td><td>{change.now.median:.4g}</td>'
        f'<td class="{change.verdict}">{change.factor:.2f} × {change.verdict}</td></tr>'
        for change in sorted(told, key=lambda change: change.verdict, reverse=True)
    )
    head = "<tr><th>figure</th><th>before</th><th>now</th><th></th></tr>"
    return _section("Since the last entry", about, f'<div class="scroll"><table>{head}{rows}</table></div>' if told else "")


# --- operations --------------------------------------------------------------------


def pinned(entry):
    """The number of connections of which tables tell."""
    return str(max(count for count in entry["shapes"]["connections"] if count <= 256))


def _summary(entry):
    connections = pinned(entry)
    rows, marks = [], []
    for name, operation in entry["operations"].items():
        rounds = operation["connections"][connections]
        ratio, latency, bare = Spread.read(rounds["ratio"]), rounds["latency_us"], rounds["bare_latency_us"]
        cells = [
            f"{rounds['bare_per_second']['median']:,.0f}",
            f"{rounds['per_second']['median']:,.0f}",
            f"{ratio.median:.3f} ({ratio.least:.3f} to {ratio.most:.3f})",
            f"{operation['aim']:.3f}" if operation["aim"] else "",
            f"{rounds['bare_processor_us']['median']:.1f}",
            f"{rounds['processor_us']['median']:.1f}",
            *(microseconds(latency[part]) for part in ("p50", "p90", "p99", "p99.9", "max")),
            microseconds(bare["p99"]),
        ]
        rows.append(f"<tr><td>{escape(name)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
        marks.append((name, "here", ratio, f"{ratio.median:.3f}"))
    heads = ("operation", "bare/s", "here/s", "ratio (least to most)", "aim", "bare, CPU µs", "CPU µs", "p50", "p90", "p99", "p99.9", "max", "bare p99")
    table = f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{''.join(rows)}</table>"
    ends = [end for _, _, ratio, _ in marks for end in (ratio.least, ratio.most, 1)]
    across = log_axis(ends, "of the bare handler's requests per second")
    figure = dots(f"Ratios at {connections} connections", across, marks, aim=1 / 3)
    shapes = entry["shapes"]
    told = (
        f"{connections} connections, {shapes['rounds']} rounds of {shapes['seconds']} s in turns with the bare handler. Whiskers: the "
        "least and the most of the rounds; dashed: the aim of a third, for those operations that have one."
    )
    return _section("Operations", told, f'<div class="scroll">{table}</div><br>{_plots([figure])}')


def _throughput(entry):
    figures = []
    ceilings = {"mint a share": "mint", "redeem a share": "redeem"}
    counts = [str(count) for count in entry["shapes"]["connections"]]
    across = Axis(
        int(counts[0]), int(counts[-1]), "connections", is_log=True, marks=tuple((int(count), count) for count in counts)
    )
    for name, operation in entry["operations"].items():
        rounds = operation["connections"]

        def line(label, style, figure, rounds=rounds):
            return Line(label, style, tuple((int(count), *_three(rounds[count][figure])) for count in counts))

        lines = [line("bare handler", "bare", "bare_per_second"), line("Cloakroom", "here", "per_second")]
        if name in ceilings:
            alone = entry["ceilings_per_second"]
            points = tuple((int(count), *_three(alone[count][ceilings[name]])) for count in counts)
            lines.insert(1, Line("its store alone, durable", "store", points))
        values = [value for each in lines for point in each.points for value in point[1:]]
        figures.append(plot(name, across, log_axis(values, "requests per second"), lines))
    told = "As fast as they are answered (a closed loop). Both axes are logarithmic; shaded: the least and the most of the rounds."
    return _section("Throughput against connections", told, _plots(figures))


def _three(figure):
    return figure["median"], figure["least"], figure["most"]


def distribution(buckets):
    """Pairs of a latency in µs, the middle of a bucket, and the percent of requests in it: with an empty one at each end."""
    total = sum(buckets["counts"]) or 1
    middle = lambda place: 2 ** ((buckets["first"] + place - 0.5) / 8) / 1000
    return [(middle(place), 100 * count / total) for place, count in enumerate((0, *buckets["counts"], 0))]


def tail(buckets):
    """Pairs of how rare (one in so many took longer) and a latency in µs, the end of a bucket."""
    total, passed, points = sum(buckets["counts"]), 0, []
    for place, count in enumerate(buckets["counts"]):
        passed += count
        if count:
            longer = max(total - passed, 0.5)
            points.append((total / longer, 2 ** ((buckets["first"] + place + 1) / 8) / 1000))
    return points


def _by_the_clock(entry):
    figures = []
    for name, operation in entry["operations"].items():
        rounds = operation.get("fixed_rate")
        if rounds is None:
            continue
        both = [("bare handler", "bare", rounds["bare_latency_us"]), ("Cloakroom", "here", rounds["latency_us"])]
        rows = [(label, style, distribution(latency["buckets"])) for label, style, latency in both]
        across = log_axis([point[0] for _, _, points in rows for point in points], "latency", microseconds)
        up = even_axis([point[1] for _, _, points in rows for point in points], "percent of requests")
        lines = [Line(label, style, tuple(points), has_dots=False, is_filled=True) for label, style, points in rows]
        figures.append(plot(f"{name}, {rounds['intended_per_second']:,.0f} per second", across, up, lines))
    told = (
        f"Sent by the clock over {entry['shapes']['fixed_rate_connections']} connections, at half the rate that Cloakroom reached with as "
        "many, to both (an open loop). A latency counts <strong>from when the request was to be sent</strong>, so that whoever came while "
        "the server stalled has waited. Some 50 µs of each are the client's own waking up."
    )
    return _section("Latency at a fixed rate", told, _plots(figures))


def _latencies(entry):
    connections, figures = pinned(entry), []
    for name, operation in entry["operations"].items():
        closed, paced = operation["connections"][connections], operation.get("fixed_rate")
        rows = [
            ("bare, closed loop", "bare", closed["bare_latency_us"], False),
            ("Cloakroom, closed loop", "here", closed["latency_us"], False),
        ]
        if paced:
            rows += [
                ("bare, by the clock", "bare", paced["bare_latency_us"], True),
                ("Cloakroom, by the clock", "here", paced["latency_us"], True),
            ]
        lines = [
            Line(label, style, tuple(tail(latency["buckets"])), is_dashed=dashed, has_dots=False)
            for label, style, latency, dashed in rows
        ]
        rarest = max(point[0] for line in lines for point in line.points)
        across = Axis(1, max(1e3, rarest), "percentile", is_log=True, marks=PERCENTILES)
        up = log_axis([point[1] for line in lines for point in line.points], "latency", microseconds)
        figures.append(plot(name, across, up, lines))
    told = (
        f"What this part of the requests did not exceed; each step to the right is ten times rarer. Closed loop: {connections} connections "
        "that send as soon as they are answered, so that a stall delays at most one request of each, and <strong>the tail looks better than "
        "it is for somebody who does not wait for others</strong> (coordinated omission). By the clock: as above."
    )
    return _section("Latency by percentile", told, _plots(figures))


# --- tokens, memory, primitives -------------------------------------------------------


def _with_tokens(entry):
    """Steps with all keys, and where their number of tokens lies on an axis on which none has a place as well."""
    steps = entry["outstanding"]["steps"]
    steps = [step for step in steps if step["keys"] == steps[-1]["keys"]]
    first = min(step["tokens"] for step in steps if step["tokens"])
    nothing = first / 10
    marks = tuple((step["tokens"] or nothing, number(step["tokens"]) if step["tokens"] else "none") for step in steps)
    across = Axis(nothing, max(step["tokens"] for step in steps), "outstanding tokens", is_log=True, marks=marks)
    return steps, across, lambda step: step["tokens"] or nothing


def _outstanding(entry):
    steps, across, place = _with_tokens(entry)

    def lines(names):
        return [
            Line(name, style, tuple((place(step), *_three(step["us"][name])) for step in steps))
            for name, style in zip(names, STYLES, strict=False)
        ]

    def figure(title, names):
        rows = lines(names)
        values = [value for line in rows for point in line.points for value in point[1:]]
        return plot(title, across, log_axis(values, "each", microseconds), rows)

    names = list(steps[0]["us"])
    commits = [name for name in names if name in ("mint a share", "redeem a share")]
    figures = [
        figure("What every request pays", [name for name in names if name not in commits]),
        figure("What is made durable, 64 at once", commits),
    ]
    told = (
        f"In one process, on the embedded store, without HTTP, with {steps[-1]['keys']:,} API keys. What is redeemed was minted before all "
        "the others."
    )
    return _section("Cost against outstanding tokens", told, _plots(figures))


def _memory(entry):
    steps, across, place = _with_tokens(entry)
    points = tuple((place(step), step["resident_mb"]) for step in steps)
    up = even_axis([point[1] for point in points], "MB resident")
    tokens = plot("A store with outstanding tokens", across, up, [Line("after minting them", "here", points)])
    rows = [("idle, after a first start", _single(entry["memory"]["idle_mb"]))]
    rows += [(f"idle: {name}", Spread.read(start["idle_mb"])) for name, start in entry["start"].items()]
    rows.append(("after a round of load", Spread.read(entry["memory"]["loaded_mb"])))
    rows += [
        (f"{int(count):,} open connections", _single(figure["resident_mb"])) for count, figure in entry.get("idle", {}).items()
    ]
    marks = [(name, "here", spread, f"{spread.median:.1f} MB") for name, spread in rows]
    resident = dots("The broker, in MB resident", even_axis([spread.most for _, spread in rows], "MB"), marks)
    ready = [(name, Spread.read(start["ready_ms"])) for name, start in entry["start"].items()]
    marks = [(name, "here", spread, f"{spread.median:.1f} ms") for name, spread in ready]
    starts = dots("From the start of the process to ready", even_axis([spread.most for _, spread in ready], "ms"), marks)
    return _section("Memory and starts", "Whiskers: the least and the most.", _plots([resident, tokens, starts]))


def _single(value):
    return Spread(value, value, value)


def _primitives(entry):
    rows = sorted(entry["primitives_us"].items(), key=lambda row: row[1]["median"])
    spreads = [Spread.read(figure) for _, figure in rows]
    ends = [end for spread in spreads for end in (spread.least, spread.most)]
    marks = [
        (name, "bare" if name.startswith(("SHA-256", "write")) else "here", spread, microseconds(spread.median))
        for (name, _), spread in zip(rows, spreads, strict=True)
    ]
    figure = dots("Microseconds a call, in one thread", log_axis(ends, "", microseconds), marks)
    told = "Grey: what is not ours and does not change, which the others are held against when entries are compared."
    return _section("Primitives", told, _plots([figure]))


# --- history ---------------------------------------------------------------------------


def _history(entries):
    if len(entries) < 2:
        return _section("Over time", "This is the first entry of its kind.", "")
    marks = tuple((place, entry["date"][5:10]) for place, entry in enumerate(entries))
    shown = marks[:: 1 + len(marks) // 8]
    hollow = frozenset(place for place, entry in enumerate(entries) if not entry["during"]["quiet"])
    across = Axis(-0.3, len(entries) - 0.7, "entry", marks=shown)

    def lines(figure):
        rows = []
        for name, style in zip(entries[-1]["operations"], STYLES, strict=False):
            points = []
            for place, entry in enumerate(entries):
                rounds = entry["operations"].get(name, {}).get("connections", {}).get(pinned(entry))
                points += [(place, rounds[figure]["median"])] if rounds else []
            rows.append(Line(name, style, tuple(points), hollow=hollow))
        return rows

    figures = []
    for title, figure, label in (
        ("Requests per second", "ratio", "of the bare handler's"),
        ("Processor time of a request", "processor_ratio", "times the bare handler's"),
        ("99th percentile, closed loop", "p99_ratio", "times the bare handler's"),
    ):
        rows = lines(figure)
        up = log_axis([point[1] for line in rows for point in line.points], label)
        figures.append(plot(title, across, up, rows))
    told = "Entries of machines of this kind; outlined: of a machine that had other work as well. The last is this one."
    return _section("Over time", told, _plots(figures))
