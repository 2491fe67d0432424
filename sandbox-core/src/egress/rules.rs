//! Host rules, compiled: asked for every question and every connection, answered without a scan.
//!
//! Names are found by the name and by each name above it, addresses by the block that each length
//! in use gives. So a decision costs a few look-ups however many rules there are. Rules add up: what
//! one of them allows is allowed, and where several do, one that is private is preferred.

mod refusal;
mod target;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{Kind, special};
use crate::policy::network::{Host, HostName, HostRule, Ports, Protocol};
pub use refusal::Refusal;
pub use target::Target;

/// The host rules of a policy, compiled.
///
/// ```
/// use sandbox_core::egress::{Protocol, Rules, Target};
/// let rules = Rules::new(&["*.example.org".parse()?, "192.0.43.8:22".parse()?]);
/// let target: Target = "www.example.org".parse()?;
/// assert_eq!(rules.decide(&target, 443, Protocol::Tcp)?.as_str(), "*.example.org");
/// let refusal = rules.decide(&target, 22, Protocol::Tcp).unwrap_err();
/// assert_eq!(refusal.code(), "wrong_port");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<HostRule>,
    names: HashMap<HostName, Vec<usize>>,
    below: HashMap<HostName, Vec<usize>>,
    blocks: HashMap<IpNet, Vec<usize>>,
    /// Which lengths the blocks have.
    lengths: BTreeSet<u8>,
}

impl Rules {
    /// Compiles rules. Without any, nothing is allowed.
    #[must_use]
    pub fn new(rules: &[HostRule]) -> Self {
        let mut compiled = Self { rules: rules.to_vec(), ..Self::default() };
        for (index, rule) in rules.iter().enumerate() {
            match rule.host() {
                Host::Name(name) => compiled.names.entry(name.clone()).or_default().push(index),
                Host::Below(name) => compiled.below.entry(name.clone()).or_default().push(index),
                Host::Address(address) => compiled.add_block((*address).into(), index),
                Host::Block(block) => compiled.add_block(*block, index),
            }
        }
        compiled
    }

    fn add_block(&mut self, block: IpNet, index: usize) {
        self.lengths.insert(block.prefix_len());
        self.blocks.entry(block).or_default().push(index);
    }

    /// The rules, in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[HostRule] {
        &self.rules
    }

    /// Whether any rule names this name, whatever the port: what DNS may answer.
    #[must_use]
    pub fn knows(&self, name: &HostName) -> bool {
        self.naming(name).next().is_some()
    }

    /// The ports that rules list one by one for `protocol`, those of bare hosts included, and
    /// whether a rule allows all.
    #[must_use]
    pub fn ports(&self, protocol: Protocol) -> (BTreeSet<u16>, bool) {
        let (mut listed, mut any) = (BTreeSet::new(), false);
        for rule in self.rules.iter().filter(|rule| rule.protocol() == protocol) {
            match rule.ports() {
                Ports::Web => listed.extend([80, 443]),
                Ports::One(port) => drop(listed.insert(port)),
                Ports::Any => any = true,
            }
        }
        (listed, any)
    }

    /// The rule that allows a connection, or why none does. An IPv4 address in IPv6 form (mapped)
    /// is the IPv4 address.
    ///
    /// # Errors
    /// A [`Refusal`]: nothing names the target, or with other ports or protocols alone, or the
    /// target is a special address and no rule that names it is private.
    ///
    /// # Security
    /// The answer is about what was asked for. Before dialling ask [`admits`](Self::admits) about
    /// the address that is dialled, also where the target was an address.
    pub fn decide(
        &self,
        target: &Target,
        port: u16,
        protocol: Protocol,
    ) -> Result<&HostRule, Refusal> {
        let target = target.canonical();
        let named: Vec<&HostRule> = match &target {
            Target::Name(name) => self.naming(name).collect(),
            Target::Address(address) => self.covering(*address).collect(),
        };
        let rule = choose(&named, port, protocol)
            .ok_or_else(|| Refusal::unmatched(&target, port, protocol, &named))?;
        match target {
            Target::Address(address) => match special(address) {
                Some(kind) if !rule.is_private() => Err(Refusal::special(rule, address, kind)),
                _ => Ok(rule),
            },
            Target::Name(_) => Ok(rule),
        }
    }

    /// Whether a connection that `rule` allows may be dialled at `address`, one of those that its
    /// name resolved to, or the address that was asked for itself. `own` are the host's addresses.
    ///
    /// An address that is neither special nor the host's may be dialled. A special one may if the
    /// rule is private and its kind is [for private names](Kind::is_for_private_names), or if a
    /// private rule names the address itself, with this port and protocol.
    ///
    /// # Errors
    /// [`Refusal::Special`].
    ///
    /// # Security
    /// Dial exactly the address that was judged. Resolving the name once more can give another.
    pub fn admits(
        &self,
        rule: &HostRule,
        address: IpAddr,
        port: u16,
        protocol: Protocol,
        own: &[IpAddr],
    ) -> Result<(), Refusal> {
        let plain = address.to_canonical();
        let kind = match special(address) {
            _ if own.contains(&address) || own.contains(&plain) => Some(Kind::Host),
            Some(Kind::Translated(_, v4)) if own.contains(&v4.into()) => Some(Kind::Host),
            kind => kind,
        };
        let Some(kind) = kind else { return Ok(()) };
        let by_name = rule.is_private() && kind.is_for_private_names();
        let fits = |rule: &&HostRule| rule.is_private() && applies(rule, port, protocol);
        if by_name || self.covering(plain).any(|rule| fits(&rule)) {
            return Ok(());
        }
        Err(Refusal::special(rule, address, kind))
    }

    fn naming(&self, name: &HostName) -> impl Iterator<Item = &HostRule> {
        let below = name.above().filter_map(|above| self.below.get(above));
        self.names.get(name).into_iter().chain(below).flatten().map(|&index| &self.rules[index])
    }

    fn covering(&self, address: IpAddr) -> impl Iterator<Item = &HostRule> {
        let blocks =
            self.lengths.iter().filter_map(move |length| IpNet::new(address, *length).ok());
        blocks
            .filter_map(|block| self.blocks.get(&block.trunc()))
            .flatten()
            .map(|&i| &self.rules[i])
    }
}

fn applies(rule: &HostRule, port: u16, protocol: Protocol) -> bool {
    rule.protocol() == protocol && rule.ports().contains(port)
}

fn choose<'a>(named: &[&'a HostRule], port: u16, protocol: Protocol) -> Option<&'a HostRule> {
    let mut fitting = named.iter().copied().filter(|rule| applies(rule, port, protocol));
    let first = fitting.next()?;
    Some(if first.is_private() { first } else { fitting.find(|r| r.is_private()).unwrap_or(first) })
}

#[cfg(test)]
mod tests;
