"""On which machine, and how much of it others took meanwhile.

Linux alone: what is read are its files in /proc.
"""

import os
import platform
import resource
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

# Of all processor time. Beyond that, figures are those of a busy machine, and are marked so.
MOST_OF_OTHERS = 0.05
MOST_STOLEN = 0.02


def about():
    """What does not change from run to run: two machines of which this is the same are of one kind."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    kilobytes = next(
        int(line.split()[1])
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("MemTotal:")
    )
    return {
        "processors": os.cpu_count(),
        "model": model,
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "memory_gb": round(kilobytes / 1e6),
    }


def kind(machine):
    return (machine["processors"], machine["model"], machine["architecture"])


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def commit(root):
    """Which, and whether anything is not as it was committed there."""
    ask = lambda *words: subprocess.run(["git", *words], cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    short = ask("rev-parse", "--short=10", "HEAD").stdout.strip()
    # The history itself is not what is measured.
    changed = ask("status", "--porcelain", "--", ".", ":!benches/history").stdout.strip()
    return {"commit": short, "uncommitted_changes": bool(changed)}


def _ticks():
    """Processor time of everybody: busy, stolen by other machines on the same iron, and all there was."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
    user, nice, system, idle, waiting, irq, soft_irq, stolen = (int(field) for field in fields)
    busy = user + nice + system + irq + soft_irq
    return busy, stolen, busy + stolen + idle + waiting


def _ours():
    """Processor seconds of this process, and of those that it has started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class Watch:
    """From when it is made until `ended`: how busy the machine was with anything else."""

    def __init__(self):
        self.load = os.getloadavg()
        self.ticks = _ticks()
        self.ours = _ours()
        self.started = time.monotonic()

    def ended(self):
        busy, stolen, there_was = (now - then for now, then in zip(_ticks(), self.ticks, strict=True))
        ours = (_ours() - self.ours) * os.sysconf("SC_CLK_TCK")
        others = max(0.0, busy - ours) / max(1, there_was)
        stolen = stolen / max(1, there_was)
        return {
            "load_before": [round(load, 2) for load in self.load],
            "load_after": [round(load, 2) for load in os.getloadavg()],
            "others": round(others, 3),
            "stolen": round(stolen, 3),
            "quiet": others <= MOST_OF_OTHERS and stolen <= MOST_STOLEN,
            "minutes": round((time.monotonic() - self.started) / 60, 1),
        }
