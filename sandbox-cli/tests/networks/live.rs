//! Rules that change under a connection, and what the log says about what was carried.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};

use super::harness::Tested;
use super::inside::MARK;
use super::servers::Counted;
use super::world::{Means, World};
use crate::support::processes::soon;
use crate::support::run;
use crate::support::sessions::Sessions;

/// What the server has counted, once it has so many connections with these amounts.
#[track_caller]
fn counted(world: &World, wanted: Counted, number: usize) {
    soon(&format!("{number} connections that carried {wanted:?}"), || {
        let all = world.seen.counted.lock().expect("the numbers");
        (all.iter().filter(|it| **it == wanted).count() == number).then_some(())
    });
}

/// The order's line, and the bytes that follow.
fn amounts(up: u64, down: u64, then: &str) -> Counted {
    (format!("{up} {down} {then}\n").len() as u64 + up, down)
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Verdict, end and amounts of a record.
fn told(line: &Value) -> (String, String, Counted) {
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| line[name].as_u64().expect("a number");
    (text("verdict"), text("end"), (number("bytes_up"), number("bytes_down")))
}

#[expect(clippy::print_stdout, reason = "a measured time is told, not judged")]
pub(crate) fn revoked(world: &World, means: Means) -> Tested {
    let own = std::env::current_exe().expect("this program");
    let own = own.to_str().expect("a path in UTF-8");
    // Amounts by which the server knows the connection.
    let up = 10_000 + means as u64;
    let order = format!("count count.test {up} 50000 hold");
    let sessions = Sessions::new();
    let rules = ["--allow-host", "count.test:9000", "--allow-host", "web.test"];
    let mut create = sessions.command(&[&["create", "--read", own], &rules[..]].concat());
    let id = run(means.prepare(&mut create));
    assert_eq!(id.code, Some(0), "{}", id.stderr);
    let id = id.text().trim_end().to_owned();
    let mut exec =
        sessions.command(&["exec", &id, "--", own, MARK, &order, &order, "get web.test"]);
    let mut exec = exec.stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut lines = BufReader::new(exec.stdout.take().expect("its output")).lines();
    let mut next = || lines.next().map(|line| line.expect("a line")).unwrap_or_default();
    assert_eq!(next(), "exchanged");
    let asked = Instant::now();
    sessions.ok(&["network", &id, "--deny", "count.test:9000"]);
    assert_eq!(next(), "reset");
    println!("{}: reset {:?} after it was asked for", means.word(), asked.elapsed());
    // The name is unknown from now on; the other rule holds.
    assert_eq!([next(), next()], ["name", "web.test /"]);
    assert_eq!(crate::support::wait(&mut exec).code(), Some(0));
    let wanted = amounts(up, 50_000, "hold");
    counted(world, wanted, 1);
    // A client may know of the end before it is recorded.
    let log = soon("three records", || {
        let log = parsed(&sessions.ok(&["network", &id, "--log", "--json"]));
        (log.len() >= 3).then_some(log)
    });
    let mut log: Vec<_> = log.iter().map(|line| (line["host"].clone(), told(line))).collect();
    log.sort_by_key(|(host, (verdict, ..))| (host.to_string(), verdict.clone()));
    let [(first, revoked), (second, (denied, ..)), (third, (allowed, ..))] = &log[..] else {
        panic!("{log:?}");
    };
    assert_eq!(
        (first, second, third),
        (&json!("count.test"), &json!("count.test"), &json!("web.test"))
    );
    assert_eq!(*revoked, ("allow".into(), "revoked".into(), wanted), "{log:?}");
    assert_eq!((&**denied, &**allowed), ("deny", "allow"), "{log:?}");
    Ok(())
}

pub(crate) fn recorded_once(world: &World, means: Means) -> Tested {
    let log = world.path(&format!("log-{}", means.word()));
    let ups = [1_000, 70_000, 300_000].map(|up| up + means as u64);
    let orders = ups.map(|up| format!("count count.test {up} 200000 end"));
    let own = std::env::current_exe().expect("this program");
    let words = [own.to_str().expect("a path in UTF-8"), MARK].into_iter();
    let words: Vec<&str> = words.chain(orders.iter().map(String::as_str)).collect();
    let denied = [&words[..], &["get unlisted.test", "get private.rebind.test"]].concat();
    let rules = ["count.test:9000", "*.rebind.test:80"];
    let options = ["--net-log", log.to_str().expect("a path in UTF-8")];
    let outcome = run(&mut world.command_with(means, &rules, &options, &denied));
    let expected = ["exchanged", "end"].repeat(3);
    let told: Vec<&str> = outcome.text().lines().collect();
    assert_eq!(told, [&expected[..], &["name", "reset"]].concat(), "{}", outcome.stderr);
    let text = std::fs::read_to_string(&log).expect("the log");
    let lines = parsed(&text);
    assert_eq!(lines.len(), 5, "{text}");
    for up in ups {
        let wanted = amounts(up, 200_000, "end");
        counted(world, wanted, 1);
        let expected = ("allow".to_owned(), "closed".to_owned(), wanted);
        assert_eq!(lines.iter().map(self::told).filter(|it| *it == expected).count(), 1, "{text}");
    }
    let refused = lines.iter().filter(|line| line["verdict"] == "deny");
    let refused: Vec<_> = refused.map(|line| line["host"].as_str().expect("text")).collect();
    assert_eq!(refused, ["unlisted.test", "private.rebind.test"], "{text}");
    Ok(())
}
