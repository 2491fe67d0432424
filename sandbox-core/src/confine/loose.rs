//! A sandbox that lasts, made of launches: for systems where nothing lives on between two commands.
//!
//! What lasts is what lies on the host: the mounts' folders and the private folder. Where a system
//! cannot show a folder under another path, the command gets the host's path: its variables, its
//! working directory and its own file are translated, its arguments are not, for nobody knows which
//! of them are paths.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::{Confinement, Enclosure, Launched, Process};
use crate::error::{Result, SandboxError};
use crate::exec::Usage;
use crate::plan::Plan;
use crate::policy::network::NetworkPolicy;

/// How long a connection on the loopback may take: the kernel asks a second time after a second.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Launches that have a plan in common.
pub struct Loose<C: Confinement + ?Sized> {
    confinement: Arc<C>,
    /// Whether commands use the host's network.
    hosts_network: bool,
    /// The processes that may still run; `None` after the end.
    running: Mutex<Option<Vec<Weak<dyn Process>>>>,
}

impl<C: Confinement + ?Sized> Loose<C> {
    /// # Errors
    /// [`SandboxError::Unsupported`] for what needs mounts.
    pub fn new(confinement: Arc<C>, plan: &Plan) -> Result<Self> {
        let needs = |operation: &str| {
            Err(SandboxError::Unsupported {
                backend: confinement.name().into(),
                operation: operation.into(),
            })
        };
        if !plan.layers.is_empty() {
            return needs("folders that are copied on write");
        }
        if !plan.sizes.is_empty() {
            return needs("folders in memory");
        }
        let hosts_network = plan.network == NetworkPolicy::Unrestricted;
        Ok(Self { confinement, hosts_network, running: Mutex::new(Some(Vec::new())) })
    }

    /// The processes that still run.
    fn processes(&self) -> Vec<Arc<dyn Process>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().flatten().filter_map(Weak::upgrade).collect()
    }
}

#[async_trait]
impl<C: Confinement + ?Sized> Enclosure for Loose<C> {
    fn start(&self, plan: &Plan) -> Result<Launched> {
        let launched = self.confinement.launch(&translated(plan))?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(all) = running.as_mut() else {
            launched.process.kill()?;
            let gone = std::io::ErrorKind::NotConnected.into();
            return Err(SandboxError::io("using the sandbox")(gone));
        };
        all.retain(|process| process.strong_count() > 0);
        all.push(Arc::downgrade(&launched.process));
        Ok(launched)
    }

    fn freeze(&self) -> Result<()> {
        self.processes().iter().try_for_each(|process| process.freeze())
    }

    fn thaw(&self) -> Result<()> {
        self.processes().iter().try_for_each(|process| process.thaw())
    }

    /// In the host's network the sandbox's loopback is the host's; no other can be reached.
    fn dial(&self, port: u16) -> Result<TcpStream> {
        if !self.hosts_network {
            return Err(SandboxError::Unsupported {
                backend: self.confinement.name().into(),
                operation: "published ports without the host's network".into(),
            });
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let call = format!("connecting to port {port} of the sandbox");
        TcpStream::connect_timeout(&address, PATIENCE).map_err(SandboxError::io(call))
    }

    fn usage(&self) -> Result<Usage> {
        Ok(Usage::default())
    }

    async fn end(&self) -> Result<()> {
        let all = self.processes();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        for process in all {
            process.kill()?;
            process.wait().await?;
        }
        Ok(())
    }
}

impl<C: Confinement + ?Sized> Drop for Loose<C> {
    fn drop(&mut self) {
        for process in self.processes() {
            // There is nobody left to tell.
            let _ = process.kill();
        }
    }
}

/// The plan with the host's paths in the place of the sandbox's.
fn translated(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.cwd = on_host(&plan, &plan.cwd);
    plan.candidates = plan.candidates.iter().map(|path| on_host(&plan, path)).collect();
    let environment = plan.environment.iter().map(|(name, value)| {
        let path = Path::new(value);
        let mounted = plan.places.iter().any(|place| place.source.is_some() && place.path == path);
        let value = if mounted { on_host(&plan, path).into() } else { value.clone() };
        (name.clone(), value)
    });
    plan.environment = environment.collect();
    let places = Arc::make_mut(&mut plan.places);
    for place in &mut *places {
        if let Some(source) = place.source.take() {
            place.path = source;
        }
    }
    places.sort_by(|a, b| a.path.cmp(&b.path));
    places.dedup_by(|later, earlier| {
        let same = later.path == earlier.path;
        if same {
            earlier.rights &= later.rights;
        }
        same
    });
    plan
}

/// Where a path of the sandbox lies on the host.
fn on_host(plan: &Plan, path: &Path) -> PathBuf {
    let around = plan.places.iter().rev().find(|place| path.starts_with(&place.path));
    let Some(place) = around.filter(|place| place.source.is_some()) else {
        return path.to_path_buf();
    };
    match path.strip_prefix(&place.path) {
        Ok(tail) if !tail.as_os_str().is_empty() => place.host().join(tail),
        _ => place.host().to_path_buf(),
    }
}
