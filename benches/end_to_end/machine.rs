//! What the machine says about itself and about processes. Linux only, as the servers are.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Seconds that this process's threads have run, by name; threads of one name together.
pub(crate) fn thread_seconds() -> anyhow::Result<BTreeMap<String, f64>> {
    let mut by_name = BTreeMap::<String, f64>::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        // A thread may have ended meanwhile.
        let (Ok(name), Ok(times)) = (
            fs::read_to_string(task.join("comm")),
            fs::read_to_string(task.join("schedstat")),
        ) else {
            continue;
        };
        let nanos: f64 = times.split_whitespace().next().unwrap_or("0").parse()?;
        *by_name.entry(name.trim().to_owned()).or_default() += nanos / 1e9;
    }
    Ok(by_name)
}

/// The share of its time that a thread of this process, while it wanted to run, waited for a
/// processor: what else goes on on the machine.
pub(crate) fn waited_share(thread: &str) -> anyhow::Result<f64> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == thread) {
            let times = fs::read_to_string(task.join("schedstat"))?;
            let mut nanos = times.split_whitespace().map(str::parse::<f64>);
            let (ran, waited) = (nanos.next().context("ran")??, nanos.next().context("waited")??);
            return Ok(waited / (ran + waited));
        }
    }
    anyhow::bail!("no thread {thread}")
}

/// Seconds that all threads of this process have run, those that have ended included.
pub(crate) fn process_seconds() -> anyhow::Result<f64> {
    seconds_in(&fs::read_to_string("/proc/self/stat")?)
}

/// The same of another process.
pub(crate) fn seconds_of(pid: u32) -> anyhow::Result<f64> {
    seconds_in(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
}

fn seconds_in(stat: &str) -> anyhow::Result<f64> {
    let (_, fields) = stat.rsplit_once(')').context("no command")?;
    // utime and stime are the 14th and 15th field, in hundredths of a second.
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

/// The most memory that a process has had resident, MiB.
pub(crate) fn peak_mib(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("no VmHWM")?
        .trim()
        .parse()?;
    Ok(kib / 1024.0)
}

/// Bytes that a directory's files take up.
pub(crate) fn disk_bytes(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        // RocksDB removes files meanwhile.
        if let Ok(file) = entry?.metadata() {
            bytes += file.len();
        }
    }
    Ok(bytes)
}

/// The machine in one line.
pub(crate) fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix(" kB")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0);
    let kernel = said("uname", &["-sr"]);
    format!("{model}, {cores} cores, {} GiB, {kernel}", kib.div_ceil(1 << 20))
}

/// What a command prints, in one line; empty when it cannot be run.
pub(crate) fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
