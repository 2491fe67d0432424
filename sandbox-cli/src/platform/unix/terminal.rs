//! The caller's terminal: its size, and raw mode with a way back on every path.
//!
//! The mode is restored when the guard is dropped, when the process panics (a release build does
//! not unwind) and while it is stopped. Signals that would end the process are received by
//! [`super::signals`], so they end it through the guard as well.

use std::io::{self, stdin};
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use sandbox_core::TerminalSize;

/// What a terminal has when nobody says otherwise.
const DEFAULT: TerminalSize = TerminalSize { rows: 24, columns: 80 };

/// The mode to go back to, where the panic hook finds it.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

/// The size of the caller's terminal.
pub(crate) fn size() -> TerminalSize {
    match tcgetwinsize(stdin()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            TerminalSize { rows: size.ws_row, columns: size.ws_col }
        }
        _ => DEFAULT,
    }
}

/// Keeps the caller's terminal in raw mode, if standard input is one.
pub(crate) struct Raw(());

impl Raw {
    /// Enters raw mode.
    pub(crate) fn enter() -> io::Result<Self> {
        if isatty(stdin()) {
            let now = tcgetattr(stdin())?;
            let mut raw = now.clone();
            raw.make_raw();
            remember(Some(now));
            restore_on_panic();
            tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
        }
        Ok(Self(()))
    }

    /// Does something with the terminal as it was before.
    pub(crate) fn suspended(self, meanwhile: impl FnOnce()) -> io::Result<Self> {
        drop(self);
        meanwhile();
        Self::enter()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
        remember(None);
    }
}

fn restore() {
    let saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(saved) = saved {
        // A terminal that is gone needs no mode.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &saved);
    }
}

fn remember(mode: Option<Termios>) {
    *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = mode;
}

fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}
