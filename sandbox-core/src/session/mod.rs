//! Sessions: sandboxes that last for more than one command.

mod changes;

pub use changes::{Applied, Change, ChangeKind, Conflict};
