//! In the place of inspected connections, where the library was built without them: there is none.

use super::access::Seen;
use super::pump::Side;
use super::{Inspection, Shared};
use crate::egress::decision::{Ask, Entry};

/// Carries one.
pub(super) async fn carry(
    _: &Shared,
    inspection: &Inspection,
    _: (Side, Side),
    _: (&Ask, &mut Seen),
    _: Vec<u8>,
    _: Entry,
) {
    match *inspection.injection {}
}
