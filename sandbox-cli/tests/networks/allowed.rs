//! What has a protocol of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, getrlimit};

use super::harness::Tested;
use super::inside::MARK;
use super::programs::needs;
use super::sys;
use super::world::{Means, World};
use super::zone::INNER;
use crate::support::{assert_refused, run};

/// Without filters nobody would know which ports to listen on.
pub(crate) fn every_port_of_a_host(world: &World, means: Means) -> Tested {
    let outcome = world.run(means, &["web.test:*"], &["true"]);
    match means {
        Means::Diverted => {
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            assert_eq!(world.inside(means, &["web.test:*"], &["get web.test"]), ["web.test /"]);
        }
        Means::ByPort => assert_refused(&outcome, 125, &["host:*", "list the ports"]),
    }
    Ok(())
}

/// Programs are told of no proxy.
pub(crate) fn no_variables(world: &World, means: Means) -> Tested {
    let mut command = world.command(means, &["web.test"], &["env"]);
    let outcome =
        run(command.env("https_proxy", "http://1.2.3.4").env("ALL_PROXY", "http://1.2.3.4"));
    assert!(!outcome.text().to_lowercase().contains("proxy"), "{}", outcome.text());
    Ok(())
}

/// The launcher has several descriptors for each of them, and is started with few.
pub(crate) fn many_connections(world: &World, means: Means) -> Tested {
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    if most < 4096 {
        return Err(format!("a process may have {most} descriptors"));
    }
    let own = std::env::current_exe().expect("this program");
    let words = [own.to_str().expect("a path in UTF-8"), MARK, "many web.test 500"];
    let mut command = world.command(means, &["web.test"], &words);
    let outcome = run(sys::with_usual_descriptors(&mut command));
    assert_eq!(outcome.text(), "500\n", "{}", outcome.stderr);
    Ok(())
}

/// A program may have either family, and a host either: the gateway joins them.
pub(crate) fn either_family(world: &World, means: Means) -> Tested {
    if !world.has_v6 {
        return Err("no IPv6".into());
    }
    let rules = ["six.test", "*.wild.test"];
    let orders = ["get4 six.test", "get6 six.test", "get4 x.wild.test", "get6 x.wild.test"];
    let expected = ["six.test /", "six.test /", "x.wild.test /", "x.wild.test /"];
    assert_eq!(world.inside(means, &rules, &orders), expected);
    Ok(())
}

/// Rules may list addresses, and open private ones.
pub(crate) fn listed_addresses(world: &World, means: Means) -> Tested {
    let inner = r#"{"host":"inner.test","private":true}"#;
    let rules = ["93.184.215.0/24:80", "[2a00:2::14]:80", inner];
    let mut orders = vec!["get 93.184.215.200", "get 93.184.216.200", "get inner.test"];
    let mut expected = vec!["93.184.215.200 /", "access", "inner.test /"];
    if world.has_v6 {
        orders.extend(["get 2a00:2::14", "get 2a00:bad::1"]);
        expected.extend(["[2a00:2::14] /", "access"]);
    }
    assert_eq!(world.inside(means, &rules, &orders), expected);
    assert!(world.capture.destinations().contains(&INNER));
    Ok(())
}

/// A repository with one commit, as files that any web server can serve.
fn repository(at: &Path) {
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]).args(words);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        let done = command.current_dir(at).output().expect("git starts");
        assert!(done.status.success(), "{done:?}");
    };
    fs::create_dir(at).expect("a folder");
    git(&["init", "-q", "-b", "main", "."]);
    fs::write(at.join("file"), "cloned words").expect("a file");
    git(&["add", "file"]);
    git(&["commit", "-qm", "words"]);
    git(&["update-server-info"]);
}

pub(crate) fn git_clones(world: &World, means: Means) -> Tested {
    needs("git")?;
    let name = format!("repository-{}", means.word());
    repository(&world.path(&name));
    let trust = format!("GIT_SSL_CAINFO={}", world.path("ca.pem").display());
    let clone = |host: &str| {
        let script = format!(
            "cd \"$TMPDIR\" && git clone -q https://{host}/{name}/.git into && cat into/file"
        );
        world.run(means, &["git.test:443"], &["env", &trust, "sh", "-c", &script])
    };
    let cloned = clone("git.test");
    assert_eq!((cloned.code, cloned.text()), (Some(0), "cloned words"), "{}", cloned.stderr);
    let refused = clone("exfil-git.unlisted.test");
    assert_eq!(refused.code, Some(128), "{}", refused.stderr);
    assert!(refused.stderr.contains("Could not resolve host: exfil-git"), "{}", refused.stderr);
    Ok(())
}

pub(crate) fn ssh_reaches_a_banner(world: &World, means: Means) -> Tested {
    needs("ssh")?;
    let ssh = |host: &str, port: &str| {
        let options = ["ssh", "-v", "-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"];
        let outcome =
            world.run(means, &["ssh.test:22"], &[&options, &["-p", port, host][..]].concat());
        assert_eq!(outcome.code, Some(255), "{}", outcome.stderr);
        outcome.stderr
    };
    let told = ssh("ssh.test", "22");
    assert!(told.contains("remote software version Internet_1.0"), "{told}");
    let told = ssh("exfil-ssh.unlisted.test", "22");
    assert!(told.contains("Could not resolve hostname exfil-ssh"), "{told}");
    let told = ssh("ssh.test", "23");
    assert!(told.contains("Connection refused"), "{told}");
    let told = ssh("1.2.3.4", "22");
    assert!(told.contains("Permission denied"), "{told}");
    Ok(())
}

pub(crate) fn datagrams_are_echoed(world: &World, means: Means) -> Tested {
    let rules = ["echo.test:7/udp", "echo6.test:7/udp"];
    assert_eq!(world.inside(means, &rules, &["udp echo.test 7 hello"]), ["hello"]);
    if world.has_v6 {
        assert_eq!(world.inside(means, &rules, &["udp echo6.test 7 sixth"]), ["sixth"]);
    }
    Ok(())
}
