//! How much CPU a process has used.

use std::collections::BTreeMap;

/// Ticks of `/proc/PID/stat` in a second: USER_HZ, 100 on every architecture Linux has this for.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time by process id, in microseconds.
pub(crate) fn used_us(pids: impl Iterator<Item = (String, u32)>) -> BTreeMap<(String, u32), f64> {
    pids.filter_map(|(name, pid)| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(((name, pid), parse(&stat)?))
    })
    .collect()
}

/// utime and stime: fields 14 and 15, counted after the name in parentheses, which may hold
/// anything (proc_pid_stat(5)).
fn parse(stat: &str) -> Option<f64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_may_hold_anything() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(parse(stat), Some(2_000_000.0));
        assert_eq!(parse("7 (x"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let own = [("me".to_owned(), std::process::id())];
        assert_eq!(used_us(own.into_iter()).len(), 1);
        assert!(used_us([("no".to_owned(), u32::MAX)].into_iter()).is_empty());
    }
}
