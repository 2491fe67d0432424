//! Why a filter could not be compiled.

/// A specification without a filter, or a filter that no kernel would load.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// [`Profile::Debug`](super::Profile::Debug) was asked for where host processes are in reach.
    #[error("the debug profile needs namespaces of its own")]
    DebugNeedsNamespaces,
    /// [`Network::Proxy`](super::Network::Proxy) was asked for in namespaces of the payload's own.
    #[error("a proxy on the host's loopback is reached from the host's namespaces alone")]
    ProxyNeedsHost,
    /// The argument rules of a system call did not compile.
    #[error("compile the argument rules of {call}")]
    Rules {
        /// The system call.
        call: &'static str,
        /// What the rule compiler said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The program is empty or longer than the 4096 instructions that the kernel takes.
    #[error("a filter of {0} instructions does not load")]
    Length(usize),
    /// The instruction at this index leads out of the program.
    #[error("instruction {0} leads out of the filter")]
    Jump(usize),
}
