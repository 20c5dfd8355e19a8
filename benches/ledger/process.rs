//! This process, as the system sees it.

use std::fs;

fn text(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// A line about memory of this process's status, in MB.
pub(crate) fn memory(field: &str) -> f64 {
    let status = text("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap_or_default() * 1024.0 / 1e6
}

/// From here on, `VmHWM` is the most since then.
pub(crate) fn forget_most_memory() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Seconds of processor time that this process has taken so far.
pub(crate) fn processor_seconds() -> f64 {
    let stat = text("/proc/self/stat");
    // After the name, which is in brackets and may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |field: &str| field.parse::<f64>().unwrap();
    (ticks(fields[11]) + ticks(fields[12])) / 100.0
}

/// How many processes wanted a processor, on average of the last minute: this one and all others.
pub(crate) fn load() -> f64 {
    text("/proc/loadavg").split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default()
}
