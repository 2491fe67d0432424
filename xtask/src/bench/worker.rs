//! A process that holds one contender and a heap of a given size.
//!
//! The worker fills its heap, prepares the contender, runs it once and says `ready`. For each
//! line that it is sent it runs the contender and answers with the nanoseconds that took. It
//! ends when its input does. Trouble is a line that begins with `error`.

use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write, stdin};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::contenders::{Contender, Given, open};

/// What must be left to the rest of the machine, in MiB.
const SPARE_MB: usize = 512;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    contender: String,
    #[arg(long)]
    heap_mb: usize,
    #[command(flatten)]
    given: Given,
}

/// The worker's side.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Err(error) = serve(args) {
        println!("error: {error:#}");
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(args: &Args) -> Result<()> {
    let heap = fill_heap(args.heap_mb)?;
    let mut contender = open(&args.contender, &args.given)?;
    time(contender.as_mut())?;
    println!("ready");
    for line in stdin().lock().lines() {
        line.context("read a request")?;
        println!("{}", time(contender.as_mut())?.as_nanos());
    }
    drop(black_box(heap));
    Ok(())
}

fn time(contender: &mut dyn Contender) -> Result<Duration> {
    contender.prepare()?;
    let start = Instant::now();
    contender.run_once()?;
    let elapsed = start.elapsed();
    contender.settle()?;
    Ok(elapsed)
}

/// Memory counts only when it is touched, a page at a time.
fn fill_heap(megabytes: usize) -> Result<Vec<u8>> {
    const PAGE: usize = 4096;
    if let Some(available) = available_mb() {
        let wanted = megabytes + SPARE_MB;
        ensure!(available >= wanted, "{wanted} MiB of memory are needed, {available} are there");
    }
    let mut heap = vec![0_u8; megabytes << 20];
    heap.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    Ok(black_box(heap))
}

/// None where the kernel does not say (proc_meminfo(5)).
fn available_mb() -> Option<usize> {
    let table = fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok().map(|kilobytes| kilobytes >> 10)
}

/// How long a worker may take to end, in looks with pauses.
const PATIENCE: usize = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// The side of the one who asks.
pub(super) struct Worker {
    child: Child,
    /// Closed at the end, which is how a worker learns of it.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    pub(super) fn start(
        xtask: &Path,
        contender: &str,
        heap_mb: usize,
        given: &Given,
    ) -> Result<Self> {
        let mut command = Command::new(xtask);
        command.args(["bench-worker", "--contender", contender, "--heap-mb"]);
        command.arg(heap_mb.to_string()).arg("--sandbox").arg(&given.sandbox);
        command.arg("--workspace").arg(&given.workspace);
        Self::spawn(command)
    }

    /// Starts a process that speaks the protocol, and waits until it is ready.
    pub(super) fn spawn(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("start a worker")?;
        let requests = child.stdin.take().context("the worker's stdin")?;
        let answers = BufReader::new(child.stdout.take().context("the worker's stdout")?);
        let mut worker = Self { child, requests: Some(requests), answers };
        let first = worker.answer()?;
        ensure!(first == "ready", "the worker said {first}");
        Ok(worker)
    }

    pub(super) fn measure(&mut self) -> Result<Duration> {
        self.time("run")
    }

    /// Asks for something, and how long it took.
    pub(super) fn time(&mut self, request: &str) -> Result<Duration> {
        let nanoseconds = self.ask(request)?.parse().context("read the worker's answer")?;
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Asks for something that is one line, as the answer is.
    pub(super) fn ask(&mut self, request: &str) -> Result<String> {
        let requests = self.requests.as_mut().context("the worker's stdin")?;
        requests.write_all(format!("{request}\n").as_bytes()).context("ask the worker")?;
        self.answer()
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).context("hear from the worker")?;
        let line = line.trim_end();
        if let Some(error) = line.strip_prefix("error: ") {
            bail!("{error}");
        }
        ensure!(!line.is_empty(), "the worker, process {}, ended", self.id());
        Ok(line.to_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // What it has made it takes away itself, if it can.
        drop(self.requests.take());
        for _ in 0..PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
