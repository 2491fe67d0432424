//! A sandbox that lasts on the Landlock tier and has a proxy: launches that share it.
//!
//! Nothing lives on between two commands but the proxy. Each command has a filter of its own, whose
//! listener goes to the proxy; all have one key and one port, so what one has passed on to a later one
//! is still right, and rules that change hold for those that run.

use std::net::TcpStream;
use std::sync::Arc;

use async_trait::async_trait;
use sandbox_core::confine::{Confinement, Egress, Enclosure, Explanation, Launched, Loose};
use sandbox_core::plan::Plan;
use sandbox_core::{Report, Result, SandboxCapabilities, Usage};

use crate::LinuxConfinement;
use crate::egress::{Proxy, WayOut as _};

/// Such a sandbox. The commands end before the proxy does.
pub(crate) struct Sharing {
    commands: Loose<Launcher>,
    proxy: Arc<Proxy>,
}

/// Launches every command with the same proxy.
struct Launcher {
    confinement: Arc<LinuxConfinement>,
    proxy: Arc<Proxy>,
}

impl Sharing {
    /// # Errors
    /// As [`Loose::new`].
    pub(crate) fn new(
        confinement: Arc<LinuxConfinement>,
        plan: &Plan,
        proxy: Arc<Proxy>,
    ) -> Result<Self> {
        let launcher = Launcher { confinement, proxy: Arc::clone(&proxy) };
        Ok(Self { commands: Loose::new(Arc::new(launcher), plan)?, proxy })
    }
}

impl Confinement for Launcher {
    fn name(&self) -> &'static str {
        self.confinement.name()
    }

    fn capabilities(&self) -> SandboxCapabilities {
        self.confinement.capabilities()
    }

    fn assess(&self, plan: &Plan) -> Result<Report> {
        self.confinement.assess(plan)
    }

    fn explain(&self, plan: &Plan) -> Result<Explanation> {
        self.confinement.explain(plan)
    }

    fn launch(&self, plan: &Plan) -> Result<Launched> {
        self.confinement.launch_through(plan, &self.proxy)
    }
}

#[async_trait]
impl Enclosure for Sharing {
    fn start(&self, plan: &Plan) -> Result<Launched> {
        self.commands.start(plan)
    }

    fn freeze(&self) -> Result<()> {
        self.commands.freeze()
    }

    fn thaw(&self) -> Result<()> {
        self.commands.thaw()
    }

    fn dial(&self, port: u16) -> Result<TcpStream> {
        self.commands.dial(port)
    }

    fn egress(&self) -> Option<Arc<dyn Egress>> {
        Some(Arc::clone(&self.proxy) as _)
    }

    fn usage(&self) -> Result<Usage> {
        self.commands.usage()
    }

    async fn end(&self) -> Result<()> {
        self.commands.end().await?;
        self.proxy.stop().await;
        Ok(())
    }
}

impl Drop for Sharing {
    /// Whoever still holds the way out holds one that has ended.
    fn drop(&mut self) {
        self.proxy.close();
    }
}
