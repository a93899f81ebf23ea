//! Processor time of this process: what a step costs, also on a machine that others use at the same time.

/// User and system time so far, in seconds.
pub fn seconds() -> f64 {
    seconds_of("self")
}

/// The same of the process with this id.
pub fn seconds_of(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    // Fields 14 and 15 of the line, in ticks of 10 ms; the first two lie before the parenthesis.
    fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// What `work` gives, and the processor time it took.
pub fn of<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = seconds();
    let done = work();
    (done, seconds() - start)
}
