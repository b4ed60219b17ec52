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

/// A process and those that it has started, as far as they still run.
pub(crate) fn with_children(pid: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten();
    let all = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat"));
        stat.is_ok_and(|stat| parent(&stat) == Some(pid))
    };
    [pid].into_iter().chain(all.filter(is_child)).collect()
}

/// The parent's id: field 4.
fn parent(stat: &str) -> Option<u32> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_ascii_whitespace().nth(1)?.parse().ok()
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
    fn children_are_found() {
        let own = std::process::id();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let all = with_children(own);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(all.contains(&own) && all.contains(&child.id()), "{all:?}");
        assert!(!with_children(own).contains(&child.id()));
    }

    #[test]
    fn this_process_can_be_read() {
        let own = [("me".to_owned(), std::process::id())];
        assert_eq!(used_us(own.into_iter()).len(), 1);
        assert!(used_us([("no".to_owned(), u32::MAX)].into_iter()).is_empty());
    }
}
