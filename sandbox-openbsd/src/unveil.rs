//! Places of the policy as paths and permissions of unveil(2).
//!
//! The kernel asks the innermost unveiled path about an access, so each place is one entry, and a
//! hidden place inside another is an entry without permissions. Entries go parents first. Paths
//! that are not unveiled do not exist for the command.
//!
//! unveil knows four permissions where the policy knows six rights: `r` also lists a folder, and
//! `c` both makes and removes names. A permission is given only when the place grants all of it;
//! what is lost by that is listed, because a command may miss it.
//!
//! OpenBSD cannot mount for an unprivileged process. A private place of the policy is hidden where
//! it lies, and the run's own folders stand in for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sandbox_core::plan::{Content, Place, Plan};
use sandbox_core::policy::filesystem::Rights;

/// Devices that hardly any program does without.
const DEVICES: [(&str, &str); 4] =
    [("/dev/null", "rw"), ("/dev/zero", "r"), ("/dev/random", "r"), ("/dev/urandom", "r")];
/// The command's own terminal.
const TERMINAL: (&str, &str) = ("/dev/tty", "rw");

/// The entries of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unveiled {
    /// Paths with their permissions, parents first.
    pub entries: BTreeMap<PathBuf, String>,
    /// Places whose rights unveil cannot say in full, with the rights that are lost.
    pub lost: Vec<(PathBuf, Rights)>,
}

/// Compiles a plan to entries. `own` are folders of this run alone.
#[must_use]
pub fn compile(plan: &Plan, own: &[PathBuf]) -> Unveiled {
    let mut unveiled = Unveiled::default();
    let terminal = plan.terminal.map(|_| TERMINAL);
    for (path, permissions) in DEVICES.into_iter().chain(terminal) {
        unveiled.entries.insert(path.into(), permissions.into());
    }
    for place in plan.places.iter() {
        // A private place that nothing surrounds is not unveiled, so it is hidden already.
        if place.content != Content::Private || surrounded(&plan.places, &place.path) {
            unveiled.add(place);
        }
    }
    // A path that does not exist yet: unveil remembers its name, so it cannot be made either.
    unveiled.entries.extend(plan.absent.iter().map(|path| (path.clone(), String::new())));
    unveiled.entries.extend(own.iter().map(|path| (path.clone(), "rwxc".into())));
    unveiled
}

impl Unveiled {
    fn add(&mut self, place: &Place) {
        let rights = if place.content == Content::Host { place.rights } else { Rights::empty() };
        let (permissions, said) = permissions(rights, place.directory);
        let lost = rights - said;
        // Names can be made and listed in folders only: a file loses nothing by that.
        let folders = Rights::LIST | Rights::CREATE | Rights::DELETE;
        let lost = if place.directory { lost } else { lost - folders };
        if !lost.is_empty() {
            self.lost.push((place.path.clone(), lost));
        }
        self.entries.insert(place.path.clone(), permissions);
    }
}

/// The permissions that rights cover, and the rights that these permissions say.
fn permissions(rights: Rights, directory: bool) -> (String, Rights) {
    let reading = if directory { Rights::READ | Rights::LIST } else { Rights::READ };
    let naming = Rights::CREATE | Rights::DELETE;
    let table = [("r", reading), ("w", Rights::WRITE), ("x", Rights::EXECUTE), ("c", naming)];
    let held = table.into_iter().filter(|(_, needed)| rights.contains(*needed));
    // A file that is granted by name must stay: removing it is a matter of its folder.
    let held = held.filter(|(letter, _)| directory || *letter != "c");
    held.fold((String::new(), Rights::empty()), |(text, said), (letter, needed)| {
        (text + letter, said | needed)
    })
}

fn surrounded(places: &[Place], path: &Path) -> bool {
    let above = |place: &Place| place.path != path && path.starts_with(&place.path);
    places.iter().any(|place| above(place) && place.content == Content::Host)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use sandbox_core::policy::PolicyBuilder;
    use sandbox_core::{ExecRequest, Policy, TerminalSize};

    use super::*;
    use crate::forge::{TOOL, plan, plan_for};

    /// The entries without the devices, in order.
    fn entries(found: &Unveiled) -> Vec<(&str, &str)> {
        let shown = |path: &&PathBuf| !path.starts_with("/dev");
        let found = found.entries.iter().filter(|(path, _)| shown(path));
        found.map(|(path, permissions)| (path.to_str().unwrap(), permissions.as_str())).collect()
    }

    fn grant(rights: Rights) -> PolicyBuilder {
        Policy::builder().grant("/d", rights).unwrap()
    }

    #[test]
    fn parents_come_first_and_inner_places_have_their_own_say() {
        let policy = Policy::builder().write("/w").unwrap().hide("/w/.ssh").unwrap();
        let policy = policy.read("/w/.ssh/known").unwrap().hide("/w/.netrc").unwrap();
        let found = compile(&plan(policy, &["/w/.ssh/known", "/w/-x"]), &[]);
        assert_eq!(
            entries(&found),
            [
                ("/usr", "rx"),
                ("/w", "rwxc"),
                ("/w/.netrc", ""),
                ("/w/.ssh", ""),
                ("/w/.ssh/known", "rx"),
            ]
        );
        assert!(found.lost.is_empty(), "{:?}", found.lost);
    }

    #[test]
    fn a_permission_is_given_whole_or_not_at_all() {
        for (rights, permissions, lost) in [
            (Rights::READ, "", Rights::READ),
            (Rights::READ | Rights::LIST, "r", Rights::empty()),
            (Rights::WRITE | Rights::CREATE, "w", Rights::CREATE),
            (Rights::CREATE | Rights::DELETE, "c", Rights::empty()),
            (Rights::EXECUTE, "x", Rights::empty()),
        ] {
            let found = compile(&plan(grant(rights), &["/d/"]), &[]);
            assert_eq!(found.entries[Path::new("/d")], permissions, "{rights:?}");
            let expected = (!lost.is_empty()).then(|| (PathBuf::from("/d"), lost));
            assert_eq!(found.lost, Vec::from_iter(expected), "{rights:?}");
        }
    }

    #[test]
    fn a_file_cannot_be_removed_and_needs_no_listing() {
        let found = compile(&plan(grant(Rights::READ_WRITE), &["/d"]), &[]);
        assert_eq!(found.entries[Path::new("/d")], "rwx");
        let found = compile(&plan(grant(Rights::READ), &["/d"]), &[]);
        assert_eq!((found.entries[Path::new("/d")].as_str(), found.lost.len()), ("r", 0));
    }

    #[test]
    fn private_places_are_hidden_and_replaced() {
        let policy = Policy::builder().write("/w").unwrap().private("/w/tmp").unwrap();
        let policy = policy.private("/tmp").unwrap();
        let own = [PathBuf::from("/var/run-1")];
        let found = compile(&plan(policy, &["/w/tmp/", "/tmp/"]), &own);
        let expected = [("/usr", "rx"), ("/var/run-1", "rwxc"), ("/w", "rwxc"), ("/w/tmp", "")];
        assert_eq!(entries(&found), expected);
    }

    #[test]
    fn a_terminal_is_unveiled_when_there_is_one() {
        let tty = Path::new("/dev/tty");
        let request = ExecRequest::new(TOOL).terminal(TerminalSize { rows: 1, columns: 1 });
        let with = compile(&plan_for(Policy::builder(), &request, &[]), &[]);
        let without = compile(&plan(Policy::builder(), &[]), &[]);
        assert_eq!(with.entries[tty], "rw");
        assert!(!without.entries.contains_key(tty));
        assert_eq!(without.entries[Path::new("/dev/null")], "rw");
    }
}
