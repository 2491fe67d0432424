//! Which variables a command sees.
//!
//! The environment is scrubbed: a command sees what the policy sets and the caller's variables
//! that the policy names, nothing else. A pattern never passes a variable whose name looks like a
//! secret; a secret must be named in full.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use serde::{Deserialize, Serialize};

/// The environment rules of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentPolicy {
    pass: BTreeSet<String>,
    set: BTreeMap<String, String>,
}

/// A variable's name that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// Empty, or with `=` or NUL.
    #[error("{name:?} is no name of a variable: write it without \"=\" and NUL")]
    Name {
        /// The name as it was written.
        name: String,
    },
    /// A `*` that is not the last character, or that stands alone.
    #[error("{name:?} is no pattern: one \"*\" may end a name, as in \"LC_*\"")]
    Pattern {
        /// The name as it was written.
        name: String,
    },
    /// A value with NUL.
    #[error("the value of {name} holds a NUL byte")]
    Value {
        /// The variable.
        name: String,
    },
}

impl EnvironmentPolicy {
    /// Passes a variable on, by name or by a pattern that ends in `*`.
    ///
    /// # Errors
    /// [`EnvironmentError`] for a name or pattern that cannot be meant.
    pub fn pass(&mut self, name: &str) -> Result<(), EnvironmentError> {
        let stem = name.strip_suffix('*').unwrap_or(name);
        if stem.contains('*') || (stem.is_empty() && name == "*") {
            return Err(EnvironmentError::Pattern { name: name.into() });
        }
        check_name(stem)?;
        self.pass.insert(name.into());
        Ok(())
    }

    /// Sets a variable, whatever the caller has.
    ///
    /// # Errors
    /// [`EnvironmentError`] for a name or value that no environment can hold.
    pub fn set(&mut self, name: &str, value: String) -> Result<(), EnvironmentError> {
        check_name(name)?;
        if value.contains('\0') {
            return Err(EnvironmentError::Value { name: name.into() });
        }
        self.set.insert(name.into(), value);
        Ok(())
    }

    /// The names and patterns that are passed on.
    pub fn passed(&self) -> impl Iterator<Item = &str> {
        self.pass.iter().map(String::as_str)
    }

    /// The variables that the policy sets.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The environment that a command sees, from the caller's.
    pub fn apply<'a>(
        &self,
        caller: impl IntoIterator<Item = (&'a OsString, &'a OsString)>,
    ) -> BTreeMap<OsString, OsString> {
        let passed = caller.into_iter().filter(|(name, _)| self.passes(name));
        let mut env: BTreeMap<_, _> = passed.map(|(n, v)| (n.clone(), v.clone())).collect();
        env.extend(self.set.iter().map(|(name, value)| (name.into(), value.into())));
        env
    }

    fn passes(&self, name: &OsStr) -> bool {
        let Some(name) = name.to_str() else { return false };
        self.pass.iter().any(|rule| match rule.strip_suffix('*') {
            Some(stem) => name.starts_with(stem) && !looks_secret(name),
            None => rule == name,
        })
    }
}

fn check_name(name: &str) -> Result<(), EnvironmentError> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(EnvironmentError::Name { name: name.into() });
    }
    Ok(())
}

/// Whether a variable's name is one that secrets usually have.
fn looks_secret(name: &str) -> bool {
    const MARKS: [&str; 10] = [
        "SECRET",
        "TOKEN",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "CREDENTIAL",
        "APIKEY",
        "_KEY",
        "AUTH",
        "COOKIE",
    ];
    let upper = name.to_ascii_uppercase();
    MARKS.iter().any(|mark| upper.contains(mark))
}

#[cfg(test)]
mod tests;
