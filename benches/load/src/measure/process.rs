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

/// What a process holds at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ProcessState {
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// Its share of memory that processes share counted proportionally (PSS).
    pub(crate) proportional: u64,
    /// Resident memory that is not backed by a file: heap and stacks.
    pub(crate) anonymous: u64,
    pub(crate) descriptors: u64,
    /// Tasks of the kernel, which are the threads.
    pub(crate) tasks: u64,
}

/// The state of a process; `None`: it has ended, belongs to another user, or this is not Linux.
pub(crate) fn state(pid: u32) -> Option<ProcessState> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let bytes = |name| Some(kilobytes(&rollup, name)? * 1024);
    let entries = |folder: &str| {
        let entries = fs::read_dir(format!("/proc/{pid}/{folder}")).ok()?;
        u64::try_from(entries.count()).ok()
    };
    Some(ProcessState {
        resident: bytes("Rss")?,
        proportional: bytes("Pss")?,
        anonymous: bytes("Anonymous")?,
        descriptors: entries("fd")?,
        tasks: entries("task")?,
    })
}

/// The process that listens on a port of this machine; `None`: unknown.
pub(crate) fn listener(port: u16) -> Option<u32> {
    /// `TCP_LISTEN` in proc_net_tcp(5).
    const LISTEN: &str = "0A";
    let inode = ["tcp", "tcp6"].iter().find_map(|table| {
        let table = fs::read_to_string(format!("/proc/net/{table}")).ok()?;
        table.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, local) = fields.get(1)?.rsplit_once(':')?;
            let found =
                u16::from_str_radix(local, 16) == Ok(port) && fields.get(3) == Some(&LISTEN);
            found.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
        })
    })?;
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut descriptors = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let holds = descriptors.any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|link| link.to_str() == Some(inode.as_str()))
        });
        holds.then_some(pid)
    })
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
    Some(ProcessUsage {
        cpu: (user + system) / TICKS_PER_SECOND,
        resident: kilobytes(status, "VmRSS")? * 1024,
        peak: kilobytes(status, "VmHWM")? * 1024,
    })
}

/// The value of a line `NAME: 12 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_and_its_listener_are_found() {
        let listener_socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener_socket.local_addr().unwrap().port();
        assert_eq!(listener(port), Some(std::process::id()));
        let held = state(std::process::id()).unwrap();
        assert!(held.anonymous <= held.resident && held.descriptors > 0 && held.tasks > 0);
    }

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
