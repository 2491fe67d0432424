//! Keeping the rest of a policy from giving away what its credentials keep outside.

use super::environment::EnvironmentPolicy;
use super::filesystem::{FilesystemPolicy, Rights};
use super::network::{Credential, CredentialError, NetworkPolicy, Source};

/// Holds credentials against the rest of a policy, and hides the files of their secrets.
///
/// # Errors
/// A variable or a file that is granted and holds a secret; a host that no rule allows.
pub(super) fn seal(
    network: &NetworkPolicy,
    environment: &EnvironmentPolicy,
    filesystem: &mut FilesystemPolicy,
) -> Result<(), CredentialError> {
    let credentials = network.credentials();
    for (index, credential) in credentials.iter().enumerate() {
        if credentials[..index].iter().any(|other| other.env() == credential.env()) {
            return Err(credential.error("it is listed twice"));
        }
        reachable(credential, network)?;
        let names = [Some(credential.env()), credential.variable()];
        for name in names.into_iter().flatten() {
            if environment.passed().any(|passed| passed == name) {
                let why = format!("the policy passes {name} on as it is: leave that out");
                return Err(credential.error(why));
            }
            if environment.variables().any(|(set, _)| set == name) {
                let why = format!("the policy sets {name}, too: leave one of the two out");
                return Err(credential.error(why));
            }
        }
        if let Source::File(path) = credential.source() {
            filesystem.add(path.clone(), Rights::empty());
        }
    }
    Ok(())
}

/// What gets a secret has to be a host that may be reached: rules alone open the way.
fn reachable(credential: &Credential, network: &NetworkPolicy) -> Result<(), CredentialError> {
    let NetworkPolicy::Limited { allowed_hosts, .. } = network else { return Ok(()) };
    match &*credential.unreachable_by(allowed_hosts) {
        [] => Ok(()),
        [rule, ..] => {
            let why = format!("no rule allows its host: add {rule} to allowed_hosts");
            Err(credential.error(why))
        }
    }
}
