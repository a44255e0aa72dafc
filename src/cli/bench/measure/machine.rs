//! What processes cost, as Linux counts it.

use std::fs;

/// Ticks a second in `/proc/<pid>/stat`: 100 for programs, whatever the kernel's own clock.
const TICKS: f64 = 100.0;

/// What a process has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Seconds of processor, its own and the kernel's for it.
    pub cpu: f64,
    /// Bytes in memory.
    pub resident: u64,
    /// The most bytes that were.
    pub peak: u64,
}

/// What a process has cost; `None` where it cannot be seen: it has ended, or this is not Linux.
pub fn usage(pid: u32) -> Option<Usage> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    parse(&read("stat")?, &read("status")?)
}

/// What this process has cost.
pub fn own() -> Usage {
    usage(std::process::id()).unwrap_or_default()
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The name in front may hold anything, a bracket and blanks too.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    // Fields 14 and 15 of proc_pid_stat(5), the state being field 3.
    let user: f64 = fields.nth(11)?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    let kilobytes = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some(Usage {
        cpu: (user + system) / TICKS,
        resident: kilobytes("VmRSS")? * 1024,
        peak: kilobytes("VmHWM")? * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_manual() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 100 1000 50";
        let status = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            parse(stat, status),
            Some(Usage {
                cpu: 3.0,
                resident: 1 << 20,
                peak: 2 << 20
            })
        );
        assert_eq!(parse("", status), None);
    }
}
