//! Programs that know of no proxy, in a sandbox whose policy lists hosts.

mod outside;

use std::sync::Arc;

use outside::{Means, Outcome, World};
use sandbox_core::egress::Level;
use sandbox_core::egress::decision::Verdict;
use sandbox_core::run::Sink;
use sandbox_core::{Enforcement, ExecRequest, Feature, LocalBackend};

/// The program in the sandbox; no test of its own.
#[test]
fn inside() -> Outcome {
    outside::inside()
}

async fn names_and_connections(means: Means) -> Outcome {
    let Some(world) = World::new(means)? else { return Ok(()) };
    let script = "resolve allowed.test\ntcp allowed.test PORT hello\nresolve unlisted.test\n\
                  tcp 192.0.43.8 80 x\ntcp allowed.test 81 x";
    let said = world.say(&["allowed.test:PORT"], script).await?;
    assert_eq!(said.len(), 5, "{said:?}");
    assert!(said[0].contains("198.18.0.16") && said[0].contains("fd00:5b::10"), "{said:?}");
    assert_eq!(said[1], "hello");
    assert!(said[2].contains("Name or service not known"), "{said:?}");
    assert_eq!(said[3..], ["EACCES", "ECONNREFUSED"]);
    Ok(())
}

#[tokio::test]
async fn names_and_connections_diverted() -> Outcome {
    names_and_connections(Means::Diverted).await
}

#[tokio::test]
async fn names_and_connections_by_port() -> Outcome {
    names_and_connections(Means::ByPort).await
}

#[tokio::test]
async fn every_port_of_a_host() -> Outcome {
    let script = "tcp allowed.test PORT hello\ntcp allowed.test 1 x";
    let Some(diverted) = World::new(Means::Diverted)? else { return Ok(()) };
    let Some(by_port) = World::new(Means::ByPort)? else { return Ok(()) };
    let said = diverted.say(&["allowed.test:*"], script).await?;
    assert_eq!(said, ["hello", "ECONNRESET"], "nobody may dial, so what was taken is reset");
    let refused = by_port.say(&["allowed.test:*"], script).await;
    let text = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("list the ports"), "{text:?}");
    Ok(())
}

async fn names_in_every_form(means: Means) -> Outcome {
    let Some(world) = World::new(means)? else { return Ok(()) };
    let script = "tcp ALLOWED.Test. PORT hello\ntcp www.below.test PORT hello\n\
                  resolve below.test\nresolve xbelow.test\ntcp other.test PORT hello";
    let said = world.say(&["allowed.test:PORT", "*.below.test:PORT"], script).await?;
    assert_eq!(said[..2], ["hello", "hello"]);
    for unknown in &said[2..] {
        assert!(unknown.contains("Name or service not known"), "{said:?}");
    }
    Ok(())
}

#[tokio::test]
async fn names_in_every_form_diverted() -> Outcome {
    names_in_every_form(Means::Diverted).await
}

#[tokio::test]
async fn names_in_every_form_by_port() -> Outcome {
    names_in_every_form(Means::ByPort).await
}

async fn datagrams(means: Means) -> Outcome {
    let Some(world) = World::new(means)? else { return Ok(()) };
    let own = r#"{"host":"127.0.0.1:PORT/udp","private":true}"#;
    let script = "udp allowed.test PORT hello\nudp 127.0.0.1 PORT itself\n\
                  udp other.test PORT lost\nudp allowed.test 9 x\nudp 192.0.43.8 PORT x\n\
                  udp4 allowed.test PORT four\nudp6 allowed.test PORT six";
    let said = world.say(&["allowed.test:PORT/udp", "other.test:PORT", own], script).await?;
    let expected = ["hello", "itself", "nothing", "ECONNREFUSED", "EACCES", "four", "six"];
    assert_eq!(said, expected);
    Ok(())
}

#[tokio::test]
async fn datagrams_diverted() -> Outcome {
    datagrams(Means::Diverted).await
}

#[tokio::test]
async fn datagrams_by_port() -> Outcome {
    datagrams(Means::ByPort).await
}

async fn addresses(means: Means) -> Outcome {
    let Some(world) = World::new(means)? else { return Ok(()) };
    let own = r#"{"host":"127.0.0.0/24:PORT","private":true}"#;
    let listed = "192.0.43.0/24:PORT";
    let script = "tcp 127.0.0.1 PORT hello\ntcp 169.254.169.254 80 x\ntcp 10.0.0.1 80 x\n\
                  tcp 192.0.44.1 PORT x\ntcp 192.0.43.1 9 x\ntcp 127.0.0.1 9 x\n\
                  tcp 2001:db8::1 80 x\ntcp 198.18.0.1 80 x\ntcp 198.18.9.9 PORT x";
    let said = world.say(&[own, listed, "allowed.test:PORT"], script).await?;
    assert_eq!(said[0], "hello");
    assert_eq!(said[1..4], ["EACCES", "EACCES", "EACCES"]);
    assert_eq!(said[4..6], ["ECONNREFUSED", "ECONNREFUSED"]);
    assert_eq!(said[6..], ["EACCES", "ECONNREFUSED", "ECONNRESET"]);
    Ok(())
}

#[tokio::test]
async fn addresses_diverted() -> Outcome {
    addresses(Means::Diverted).await
}

#[tokio::test]
async fn addresses_by_port() -> Outcome {
    addresses(Means::ByPort).await
}

/// Two servers may share an address, and a name may lead to what is nobody's business.
async fn who_is_meant(means: Means) -> Outcome {
    let Some(world) = World::new(means)? else { return Ok(()) };
    let script = "tcp rebound.test PORT hello\n\
                  tcp web.test PORT GET\\s/\\sHTTP/1.1\\r\\nHost:\\sweb.test:PORT\\r\\n\\r\\n\n\
                  tcp web.test PORT GET\\s/\\sHTTP/1.1\\r\\nHost:\\sother.test\\r\\n\\r\\n";
    let rules = ["rebound.test:PORT", "web.test:PORT", "other.test:PORT"];
    let said = world.say(&rules, script).await?;
    assert_eq!(said[0], "ECONNRESET");
    assert!(said[1].starts_with("HTTP/1.0 200"), "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("ECONNRESET"));
    Ok(())
}

#[tokio::test]
async fn who_is_meant_diverted() -> Outcome {
    who_is_meant(Means::Diverted).await
}

#[tokio::test]
async fn who_is_meant_by_port() -> Outcome {
    who_is_meant(Means::ByPort).await
}

#[tokio::test]
async fn names_are_answered_by_both_transports_and_at_loopback() -> Outcome {
    let Some(world) = World::new(Means::Diverted)? else { return Ok(()) };
    let script = "ask udp 198.18.0.1 allowed.test\nask tcp 198.18.0.1 allowed.test\n\
                  ask udp 127.0.0.1 allowed.test\nask tcp 127.0.0.1 unlisted.test\n\
                  ask udp 198.18.0.1 unlisted.test";
    let said = world.say(&["allowed.test:PORT"], script).await?;
    let address = "0 [198, 18, 0, 16]";
    assert_eq!(said[..3], [address; 3]);
    assert!(said[3].starts_with("3 ") && said[4].starts_with("3 "), "{said:?}");
    Ok(())
}

#[tokio::test]
async fn a_program_may_listen_where_it_may_connect() -> Outcome {
    let Some(world) = World::new(Means::Diverted)? else { return Ok(()) };
    let said = world.say(&["allowed.test:PORT"], "listen PORT\ntcp allowed.test PORT x").await?;
    assert_eq!(said, ["listens", "x"]);
    Ok(())
}

async fn shell(world: &World, script: &str) -> Result<String, Box<dyn std::error::Error>> {
    let script = script.replace("PORT", &world.server.port.to_string());
    let request = ExecRequest::new("/bin/sh").args(["-c", &format!("exec 2>&1; {script}")]);
    let backend = LocalBackend::new(Arc::clone(&world.confinement));
    let result = backend.run(&world.policy(&["web.test:PORT"])?, &request).await?;
    Ok(result.stdout.text().into_owned())
}

#[tokio::test]
async fn programs_of_the_system_know_of_nothing() -> Outcome {
    let Some(world) = World::new(Means::Diverted)? else { return Ok(()) };
    let told = shell(&world, "cat /etc/resolv.conf; echo x >/etc/resolv.conf").await?;
    assert!(told.starts_with("nameserver 198.18.0.1\noptions edns0"), "{told}");
    assert!(told.contains("ead-only") || told.contains("denied"), "{told}");
    let told = shell(&world, "env | grep -i proxy; getent hosts web.test").await?;
    assert!(told.starts_with("fd00:5b::10") || told.starts_with("198.18.0.16"), "{told}");
    let python = "import urllib.request as u; print(u.urlopen('http://web.test:PORT/').read())";
    for program in ["curl -sS http://web.test:PORT/", &format!("python3 -c \"{python}\"")] {
        let told = shell(&world, program).await?;
        let host = format!("Host: web.test:{}", world.server.port);
        assert!(told.contains(&host) || told.contains("not found"), "{program}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn the_report_and_the_log_say_what_happened() -> Outcome {
    let Some(world) = World::new(Means::Diverted)? else { return Ok(()) };
    let policy = world.policy(&["allowed.test:PORT"])?;
    let backend = LocalBackend::new(Arc::clone(&world.confinement));
    let script = "tcp allowed.test PORT hello\ntcp 127.0.0.1 PORT x\nudp allowed.test PORT x";
    let running = backend.spawn(&policy, &world.request(script)?)?;
    let egress = running.process().egress().ok_or("no way out")?;
    let result = running.finish(Sink::Capture, Sink::Capture).await?;
    assert_eq!(result.report.egress, Some(Level::Transparent));
    let claim = result.report.enforced.get(&Feature::NetworkAllowList);
    assert!(matches!(claim, Some(Enforcement::Full { .. })), "{claim:?}");
    let log = egress.log().recent();
    let told: Vec<_> = log.iter().map(|it| (&*it.host, it.verdict, it.bytes_up)).collect();
    assert_eq!(told, [("allowed.test", Verdict::Allow, 5), ("127.0.0.1", Verdict::Allow, 1)]);
    Ok(())
}

/// The beginning of TLS with a name in it (RFC 8446, section 4.1.2; RFC 6066, section 3).
fn client_hello(name: &str) -> Vec<u8> {
    let with_length = |bytes: Vec<u8>| {
        let length = u16::try_from(bytes.len()).unwrap_or_default();
        [&length.to_be_bytes()[..], &bytes].concat()
    };
    let entry = [vec![0], with_length(name.into())].concat();
    let extension = [vec![0, 0], with_length(with_length(entry))].concat();
    let suites = with_length(vec![0x13, 1]);
    let head = [vec![3, 3], vec![7; 32], vec![0], suites, vec![1, 0]].concat();
    let body = [head, with_length(extension)].concat();
    let handshake = [vec![1, 0], with_length(body)].concat();
    [vec![0x16, 3, 1], with_length(handshake)].concat()
}

#[tokio::test]
async fn a_handshake_names_who_is_meant() -> Outcome {
    let Some(world) = World::new(Means::Diverted)? else { return Ok(()) };
    let hex =
        |name| client_hello(name).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (right, wrong) = (hex("web.test"), hex("other.test"));
    let script = format!("hex web.test PORT {right}\nhex web.test PORT {wrong}");
    let said = world.say(&["web.test:PORT", "other.test:PORT"], &script).await?;
    assert_eq!(said, [format!("{} bytes", right.len() / 2), "ECONNRESET".to_owned()]);
    Ok(())
}

#[tokio::test]
async fn either_family_leads_to_either() -> Outcome {
    let Some(world) = World::new(Means::Diverted)? else { return Ok(()) };
    let Some(port) = world.server_v6 else {
        outside::skip(&"this host has no IPv6");
        return Ok(());
    };
    let own = format!(r#"{{"host":"[::1]:{port}","private":true}}"#);
    let rules = [&*format!("sixth.test:{port}"), &own];
    let script =
        format!("tcp4 sixth.test {port} four\ntcp6 sixth.test {port} six\ntcp ::1 {port} own");
    assert_eq!(world.say(&rules, &script).await?, ["four", "six", "own"]);
    Ok(())
}

/// The servers are threads of this process, so each connection takes four of its descriptors.
#[tokio::test]
async fn many_connections_at_once() -> Outcome {
    for means in [Means::Diverted, Means::ByPort] {
        let Some(world) = World::new(means)? else { return Ok(()) };
        let said = world.say(&["allowed.test:PORT"], "many 150 allowed.test PORT").await?;
        assert_eq!(said, ["150"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_rule_may_list_the_port_of_resolvers() -> Outcome {
    let Some(world) = World::new(Means::Diverted)? else { return Ok(()) };
    // The name is answered, and its port 53 is taken: nobody may dial there.
    let script = "resolve allowed.test\nudp allowed.test 53 x\ntcp allowed.test 53 x";
    let said = world.say(&["allowed.test:53/udp", "allowed.test:53"], script).await?;
    assert!(said[0].contains("198.18.0.16"), "{said:?}");
    assert_eq!(said[1..], ["nothing", "ECONNRESET"]);
    Ok(())
}
