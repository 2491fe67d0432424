//! The synthetic addresses of a session: an address of its own for every name that was asked for.
//!
//! A name's place in the order of asking is its place in both ranges, so the table is one list. A
//! name keeps its address while the session lives, and no address ever stands for a second name: a
//! program may hold an address for as long as it likes. Where the range ends, or the limit is
//! reached, further names get none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::policy::network::HostName;

/// The addresses at the start of a range that stand for no name: the network's, the namespace's own
/// and room for more of that kind.
const SET_ASIDE: u32 = 16;

/// Where synthetic addresses come from. The default is `198.18.0.0/15` and `fd00:5b::/64`, which no
/// host on the internet has; another one is for networks that use these.
///
/// The first address after the network's is the namespace's own: its source address and the place
/// of its DNS server, `198.18.0.1` and `fd00:5b::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    v4: Ipv4Net,
    v6: Ipv6Net,
    has_v6: bool,
}

/// Why a pair of blocks is no [`Range`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{v4} and {v6} are no range for names: write blocks of at least /24 and /96")]
pub struct RangeError {
    v4: Ipv4Net,
    v6: Ipv6Net,
}

/// The two addresses of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Synthetic {
    /// For A questions.
    pub v4: Ipv4Addr,
    /// For AAAA questions.
    pub v6: Ipv6Addr,
}

/// No further name gets an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} gets no address: the session has already asked for {limit} names, and each keeps its \
     own"
)]
pub struct Full {
    /// The name that was asked for.
    pub name: HostName,
    /// How many names have an address.
    pub limit: usize,
}

impl Range {
    /// A range of both families.
    ///
    /// # Errors
    /// [`RangeError`] if a block is too small.
    pub fn new(v4: Ipv4Net, v6: Ipv6Net) -> Result<Self, RangeError> {
        if v4.prefix_len() > 24 || v6.prefix_len() > 96 {
            return Err(RangeError { v4, v6 });
        }
        Ok(Self { v4: v4.trunc(), v6: v6.trunc(), has_v6: true })
    }

    /// The same range for a kernel without IPv6: `AAAA` questions have empty answers.
    #[must_use]
    pub fn without_v6(self) -> Self {
        Self { has_v6: false, ..self }
    }

    /// Whether names have an IPv6 address, too.
    #[must_use]
    pub fn has_v6(&self) -> bool {
        self.has_v6
    }

    /// The IPv4 block.
    #[must_use]
    pub fn v4(&self) -> Ipv4Net {
        self.v4
    }

    /// The IPv6 block.
    #[must_use]
    pub fn v6(&self) -> Ipv6Net {
        self.v6
    }

    /// The namespace's own addresses.
    #[must_use]
    pub fn own(&self) -> Synthetic {
        self.at(1)
    }

    /// The first and the last addresses that can stand for names.
    #[must_use]
    pub fn of_names(&self) -> (Synthetic, Synthetic) {
        let last = u32::MAX >> self.v4.prefix_len();
        (self.at(SET_ASIDE), self.at(last - 1))
    }

    /// Whether the address is in the range, a name's or not.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.contains(&v4),
            IpAddr::V6(v6) => self.v6.contains(&v6),
        }
    }

    /// How many names fit: the last address is the network's broadcast.
    fn capacity(&self) -> usize {
        let addresses = 1_u64 << (32 - self.v4.prefix_len());
        usize::try_from(addresses - 1 - u64::from(SET_ASIDE)).unwrap_or(usize::MAX)
    }

    fn at(&self, offset: u32) -> Synthetic {
        Synthetic {
            v4: Ipv4Addr::from_bits(self.v4.network().to_bits() + offset),
            v6: Ipv6Addr::from_bits(self.v6.network().to_bits() + u128::from(offset)),
        }
    }

    fn offset(&self, address: IpAddr) -> Option<u32> {
        match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_bits().checked_sub(self.v4.network().to_bits()),
            IpAddr::V6(v6) => {
                u32::try_from(v6.to_bits().checked_sub(self.v6.network().to_bits())?).ok()
            }
        }
    }
}

impl Default for Range {
    fn default() -> Self {
        Self {
            v4: Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15),
            v6: Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x5b, 0, 0, 0, 0, 0, 0), 64),
            has_v6: true,
        }
    }
}

/// The names of a session and their addresses.
///
/// ```
/// use sandbox_core::egress::{Names, Range};
/// let mut names = Names::new(Range::default());
/// let name = "www.example.org".parse()?;
/// let address = names.address_of(&name)?;
/// assert_eq!(names.address_of(&name)?, address);
/// assert_eq!(names.name_of(address.v4.into()), Some(&name));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Names {
    range: Range,
    limit: usize,
    names: Vec<HostName>,
    places: HashMap<HostName, u32>,
}

impl Names {
    /// How many names a session may ask for unless it is told otherwise.
    pub const LIMIT: usize = 10_000;

    /// No names yet, at most [`LIMIT`](Self::LIMIT).
    #[must_use]
    pub fn new(range: Range) -> Self {
        Self::with_limit(range, Self::LIMIT)
    }

    /// No names yet, at most `limit`, or as many as the range holds if that is less.
    #[must_use]
    pub fn with_limit(range: Range, limit: usize) -> Self {
        let limit = limit.min(range.capacity());
        Self { range, limit, names: Vec::new(), places: HashMap::new() }
    }

    /// The range that addresses come from.
    #[must_use]
    pub fn range(&self) -> Range {
        self.range
    }

    /// How many names have an address.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no name has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The addresses of a name, which gets them now if it has none.
    ///
    /// # Errors
    /// [`Full`] if it has none and the limit is reached.
    pub fn address_of(&mut self, name: &HostName) -> Result<Synthetic, Full> {
        if let Some(&place) = self.places.get(name) {
            return Ok(self.range.at(SET_ASIDE + place));
        }
        let full = || Full { name: name.clone(), limit: self.limit };
        if self.names.len() >= self.limit {
            return Err(full());
        }
        let place = u32::try_from(self.names.len()).map_err(|_| full())?;
        self.names.push(name.clone());
        self.places.insert(name.clone(), place);
        Ok(self.range.at(SET_ASIDE + place))
    }

    /// The name that an address of either family stands for.
    #[must_use]
    pub fn name_of(&self, address: IpAddr) -> Option<&HostName> {
        let place = self.range.offset(address)?.checked_sub(SET_ASIDE)?;
        self.names.get(usize::try_from(place).ok()?)
    }
}

#[cfg(test)]
mod tests;
