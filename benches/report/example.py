"""Figures that are made up, of the shape that a run writes: what tests and nobody else look at."""

import math
import random

CONNECTIONS = (1, 16, 64, 256, 1024)
OPERATIONS = {"mint a share": 0.11, "redeem a share": 0.10, "mint a link": 0.10, "list 50 shares": 0.07, "get a page": 1.05}


def entry(seed=1, slower=1.0, operation="mint a share", busy=False, date="2026-11-01T10:00:00Z", rounds=5):
    """One where an operation takes so many times what it would; everything differs by some percent from round to round."""
    chance = random.Random(seed)

    def spread(middle, noise=0.05):
        figures = sorted(middle * chance.uniform(1 - noise, 1 + noise) for _ in range(rounds))
        return {"median": figures[rounds // 2], "least": figures[0], "most": figures[-1]}

    def latency(middle):
        first = max(0, math.floor(math.log2(middle * 1000) * 8) - 12)
        counts = [round(10_000 * math.exp(-((place - 12) ** 2) / 18) + 400 * math.exp(-place / 9)) for place in range(64)]
        counts = counts[: 64 - next(place for place, count in enumerate(reversed(counts)) if count)]
        shown = {"p50": 1, "p90": 1.6, "p99": 3, "p99.9": 9, "max": 20}
        return {**{name: middle * factor for name, factor in shown.items()}, "buckets": {"first": first, "counts": counts}}

    def measured(ratio, connections, factor):
        bare = 120_000 * connections / (connections + 8)
        here, middle = ratio / factor * bare, connections / bare * 1e6
        return {
            "bare_per_second": spread(bare),
            "per_second": spread(here),
            "ratio": spread(ratio / factor),
            "bare_processor_us": spread(10),
            "processor_us": spread(11 / ratio * factor),
            "processor_ratio": spread(1.1 / ratio * factor),
            "p50_ratio": spread(factor / ratio),
            "p99_ratio": spread(factor / ratio, 0.2),
            "bare_latency_us": latency(middle),
            "latency_us": latency(middle * factor / ratio),
        }

    operations = {}
    for name, ratio in OPERATIONS.items():
        factor = slower if name == operation else 1
        operations[name] = {
            "aim": 1 / 3 if "share" in name else None,
            "connections": {str(count): measured(ratio, count, factor) for count in CONNECTIONS},
            "fixed_rate": {**measured(ratio, 8, factor), "intended_per_second": 6_000},
        }
    costs = {"authenticate, 1,000 keys in turn": 5, "authorise": 0.06, "mint a share": 60, "redeem a share": 70}
    steps = [
        {
            "keys": 10_000,
            "tokens": tokens,
            "yardstick_us": spread(2.1),
            "resident_mb": 120 + tokens / 5_000,
            "us": {name: spread(cost) for name, cost in costs.items()},
        }
        for tokens in (0, 1_000, 10_000, 100_000, 1_000_000)
    ]
    primitives = {"SHA-256 of 4 KiB": 2.1, "write 4 KiB and fsync": 900, "seal a share token": 1.9, "sign a PUT, S3": 10.2}
    starts = {"first start, empty directory": (19.7, 21.9), "start with 100,000 rows": (247, 28)}
    return {
        "schema": 1,
        "date": date,
        "commit": f"{seed:010x}",
        "uncommitted_changes": False,
        "mode": "usual",
        "machine": {"processors": 2, "model": "made up", "architecture": "x86_64", "kernel": "6.1", "memory_gb": 24},
        "during": {
            "load_before": [0.1, 0.1, 0.1],
            "load_after": [3, 2, 1],
            "others": 0.3 if busy else 0.01,
            "stolen": 0,
            "quiet": not busy,
            "minutes": 9.1,
        },
        "shapes": {"connections": list(CONNECTIONS), "rounds": rounds, "seconds": 1, "fixed_rate_connections": 64},
        "operations": operations,
        "ceilings_per_second": {
            str(count): {"mint": spread(400 * count**0.8), "redeem": spread(380 * count**0.8)} for count in CONNECTIONS
        },
        "primitives_us": {name: spread(cost) for name, cost in primitives.items()},
        "start": {name: {"ready_ms": spread(ready), "idle_mb": spread(idle)} for name, (ready, idle) in starts.items()},
        "memory": {"idle_mb": 21.9, "loaded_mb": spread(150)},
        "idle": {"100": {"resident_mb": 31.7, "kb_each": 11}, "4000": {"resident_mb": 80.4, "kb_each": 12}},
        "outstanding": {"steps": steps, "disk_gb": 1.2},
    }
