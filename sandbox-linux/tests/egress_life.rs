//! The life of a way out: rules that change, sessions, and launchers that are killed.

mod outside;

use std::error::Error;
use std::io::{BufRead as _, BufReader as Lines};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use outside::{Means, Outcome, World, said};
use sandbox_core::confine::{Confinement as _, Enclosure, Launched};
use sandbox_core::egress::decision::{End, Verdict};
use sandbox_core::egress::{HostRule, Level};
use sandbox_core::plan::{Host, Plan};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// Set for the copy of this program that launches and is killed.
const LAUNCHER: &str = "LAUNCH_AND_WAIT";

/// The program in the sandbox; no test of its own.
#[test]
fn inside() -> Outcome {
    outside::inside()
}

/// A program that runs, and what it prints.
struct Run {
    launched: Option<Box<dyn tokio::io::AsyncBufRead + Send + Unpin>>,
    process: Arc<dyn sandbox_core::confine::Process>,
}

impl Run {
    fn new(launched: Launched) -> Self {
        let Launched { process, stdout, .. } = launched;
        Self { launched: Some(Box::new(BufReader::new(stdout))), process }
    }

    /// The next line that the program prints.
    async fn next(&mut self) -> Result<String, Box<dyn Error>> {
        let output = self.launched.as_mut().ok_or("no output")?;
        loop {
            let mut line = String::new();
            let read = output.read_line(&mut line);
            if tokio::time::timeout(Duration::from_secs(30), read).await?? == 0 {
                return Err("the program has ended".into());
            }
            if let Some(line) = said(&line).pop() {
                return Ok(line);
            }
        }
    }
}

fn plan(world: &World, rules: &[&str], script: &str) -> Result<Plan, Box<dyn Error>> {
    Ok(Plan::new(&world.policy(rules)?, &world.request(script)?, &Host::current())?)
}

fn session(world: &World, rules: &[&str]) -> Result<Arc<dyn Enclosure>, Box<dyn Error>> {
    let plan = Plan::furnished(&world.policy(rules)?, &[], &Host::current())?;
    Ok(Arc::clone(&world.confinement).enclose(&plan)?)
}

fn rules(world: &World, rules: &[&str]) -> Result<Vec<HostRule>, Box<dyn Error>> {
    let port = world.server.port.to_string();
    let own = r#"{"host":"127.0.0.1:PORT","private":true}"#;
    let all = rules.iter().chain([&own]).map(|rule| rule.replace("PORT", &port).parse());
    Ok(all.collect::<Result<_, _>>()?)
}

const CHANGING: &str = "hold allowed.test PORT\nresolve allowed.test\ntcp other.test PORT x\n\
                        udp other.test PORT y\ntcp other.test 9 x\ntcp 192.0.43.8 9 x\n\
                        tcp other.test 7 x\ntcp 192.0.43.9 5 x";

async fn changes(means: Means, in_session: bool) -> Outcome {
    let Some(world) = World::new(means)? else { return Ok(()) };
    let listed = ["allowed.test:PORT", "192.0.43.9:5"];
    let plan = plan(&world, &listed, CHANGING)?;
    let room = if in_session { Some(session(&world, &listed)?) } else { None };
    let launched = match &room {
        Some(room) => room.start(&plan)?,
        None => world.confinement.launch(&plan)?,
    };
    let egress = room.as_ref().map_or_else(|| launched.process.egress(), |room| room.egress());
    let egress = egress.ok_or("no way out")?;
    let mut run = Run::new(launched);
    assert_eq!(run.next().await?, "hello");
    assert_eq!(egress.level(), Level::Transparent);
    let own = r#"{"host":"127.0.0.1:PORT/udp","private":true}"#;
    let new = ["other.test:PORT", "other.test:7", "other.test:PORT/udp", own, "192.0.43.8:7"];
    egress.set_rules(&rules(&world, &new)?)?;
    assert_eq!(run.next().await?, "ECONNRESET");
    assert!(run.next().await?.contains("Name or service not known"));
    assert_eq!(run.next().await?, "x");
    assert_eq!(run.next().await?, "y");
    assert_eq!(run.next().await?, "ECONNREFUSED");
    assert_eq!(run.next().await?, "ECONNREFUSED");
    assert_eq!(run.next().await?, "ECONNRESET", "taken, and nobody may dial");
    assert_eq!(run.next().await?, "EACCES", "no rule lists it any more");
    run.process.wait().await?;
    if let Some(room) = room {
        room.end().await?;
    }
    let log = egress.log().recent();
    let ends: Vec<_> = log.iter().map(|it| (it.host.as_str(), it.verdict, it.end)).collect();
    assert!(ends.contains(&("allowed.test", Verdict::Allow, Some(End::Revoked))), "{ends:?}");
    assert!(egress.set_rules(&[]).is_err(), "a way out that has ended has no rules");
    Ok(())
}

#[tokio::test]
async fn rules_change_diverted() -> Outcome {
    changes(Means::Diverted, false).await
}

#[tokio::test]
async fn rules_change_by_port() -> Outcome {
    changes(Means::ByPort, false).await
}

#[tokio::test]
async fn rules_change_in_a_session() -> Outcome {
    changes(Means::Diverted, true).await
}

#[tokio::test]
async fn commands_of_a_session_share_the_way_out() -> Outcome {
    let Some(world) = World::new(Means::Diverted)? else { return Ok(()) };
    let listed = ["allowed.test:PORT", "other.test:PORT"];
    let room = session(&world, &listed)?;
    for (name, address) in [("other.test", "198.18.0.16"), ("allowed.test", "198.18.0.17")] {
        let script = format!("resolve {name}\ntcp {name} PORT hello");
        let mut run = Run::new(room.start(&plan(&world, &listed, &script)?)?);
        assert!(run.next().await?.contains(address));
        assert_eq!(run.next().await?, "hello");
        run.process.wait().await?;
        assert!(run.process.egress().is_none(), "it is the session's");
    }
    assert_eq!(room.egress().ok_or("no way out")?.log().total(), 2);
    room.end().await?;
    Ok(())
}

/// Launches what holds a connection, tells its process, and waits to be killed; no test of its own.
#[tokio::test]
async fn launcher() -> Outcome {
    let Some(order) = std::env::var_os(LAUNCHER) else { return Ok(()) };
    let (means, script) = match order == "proxied" {
        true => (Means::Proxied, "hold-by-proxy allowed.test:PORT"),
        false => (Means::Diverted, "hold allowed.test PORT"),
    };
    let Some(world) = World::new(means)? else { return Ok(()) };
    let listed = ["allowed.test:PORT"];
    let plan = plan(&world, &listed, script)?;
    let room = if order == "session" { Some(session(&world, &listed)?) } else { None };
    let launched = match &room {
        Some(room) => room.start(&plan)?,
        None => world.confinement.launch(&plan)?,
    };
    let mut run = Run::new(launched);
    let process = below(run.process.id());
    say(&format!("{} {process:?}", run.next().await?));
    std::future::pending::<()>().await;
    Ok(())
}

/// The process and its children.
fn below(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(parent) = all.get(at) {
        let path = PathBuf::from(format!("/proc/{parent}/task/{parent}/children"));
        let children = std::fs::read_to_string(path).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        at += 1;
    }
    all
}

#[expect(clippy::print_stdout, reason = "the test that started this one reads it")]
fn say(text: &str) {
    println!("|{text}");
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, tail)| tail.trim_start());
    state.is_some_and(|tail| !tail.starts_with(['Z', 'X']))
}

fn killed(order: &str) -> Outcome {
    if World::new(Means::Diverted)?.is_none() {
        return Ok(());
    }
    let mut launcher = Command::new(std::env::current_exe()?)
        .args(["--exact", "launcher", "--nocapture"])
        .env(LAUNCHER, order)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = launcher.stdout.take().ok_or("no output")?;
    let mut told = String::new();
    for line in Lines::new(output).lines() {
        if let Some(line) = said(&line?).pop() {
            told = line;
            break;
        }
    }
    launcher.kill()?;
    launcher.wait()?;
    let processes = told.strip_prefix("hello [").and_then(|rest| rest.strip_suffix(']'));
    let processes: Vec<&str> = processes.ok_or("it did not start")?.split(", ").collect();
    assert!(processes.len() > 1, "{told}: the helper and the program");
    for _ in 0..2000 {
        if !processes.iter().any(|pid| is_alive(pid)) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(format!("{processes:?} live on").into())
}

#[test]
fn a_killed_launcher_leaves_nothing() -> Outcome {
    killed("alone")
}

#[test]
fn a_killed_proxy_leaves_nothing() -> Outcome {
    killed("proxied")
}

#[test]
fn a_killed_session_leaves_nothing() -> Outcome {
    killed("session")
}
