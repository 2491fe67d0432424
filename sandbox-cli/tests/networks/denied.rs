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
