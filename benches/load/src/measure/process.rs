//! CPU time and memory of processes (Linux only).

use std::fs;

/// Ticks per second in `/proc/<pid>/stat`: always 100 in user space, independent of the kernel's
/// timer.
const TICKS_PER_SECOND: f64 = 100.0;

/// The resources that a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct ProcessUsage {
    /// CPU time in seconds, user and system.
    pub(crate) cpu: f64,
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// Peak of the resident memory in bytes.
    pub(crate) peak: u64,
}

/// The usage of a process; `None`: it has ended, or this is not Linux.
pub(crate) fn usage(pid: u32) -> Option<ProcessUsage> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    parse(&read("stat")?, &read("status")?)
}

/// The usage of the generator itself; zero where it is unknown.
pub(crate) fn own_usage() -> ProcessUsage {
    usage(std::process::id()).unwrap_or_default()
}

fn parse(stat: &str, status: &str) -> Option<ProcessUsage> {
    // The process name in parentheses may itself contain parentheses and blanks.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    // Fields 14 and 15 of proc_pid_stat(5); the first one here is field 3.
    let user: f64 = fields.nth(11)?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    let kilobytes = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some(ProcessUsage {
        cpu: (user + system) / TICKS_PER_SECOND,
        resident: kilobytes("VmRSS")? * 1024,
        peak: kilobytes("VmHWM")? * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_follow_the_manual_page() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 100 1000 50";
        let status = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            parse(stat, status),
            Some(ProcessUsage {
                cpu: 3.0,
                resident: 1 << 20,
                peak: 2 << 20
            })
        );
        assert_eq!(parse("", status), None);
    }
}
