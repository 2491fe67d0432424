//! Reads the text of a profile back and judges by it: the last rule that matches decides.
//!
//! It knows nothing of the tree that the text came from, so what the two agree on is in the text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::sbpl::Profile;

/// An expression of the profile language.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    List(Vec<Form>),
    Word(String),
    Text(String),
}

impl Form {
    fn list(&self) -> &[Form] {
        match self {
            Self::List(forms) => forms,
            other => panic!("no list: {other:?}"),
        }
    }

    pub(super) fn is(&self, word: &str) -> bool {
        *self == Self::Word(word.into())
    }

    fn word(&self) -> &str {
        match self {
            Self::Word(text) | Self::Text(text) => text,
            Self::List(forms) => panic!("no word: {forms:?}"),
        }
    }
}

/// Reads all expressions of a text.
pub(super) fn read(text: &str) -> Vec<Form> {
    let mut open = vec![Vec::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let form = match c {
            c if c.is_whitespace() => continue,
            '(' => {
                open.push(Vec::new());
                continue;
            }
            ')' => Form::List(open.pop().unwrap()),
            '"' => {
                let mut text = String::new();
                loop {
                    match chars.next().expect("a string that ends") {
                        '"' => break,
                        '\\' => text.extend(chars.next()),
                        c => text.push(c),
                    }
                }
                Form::Text(text)
            }
            c => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !"()\"".contains(*c)) {
                    word.push(c);
                }
                Form::Word(word)
            }
        };
        open.last_mut().expect("balanced parentheses").push(form);
    }
    assert_eq!(open.len(), 1, "a list is not closed");
    open.remove(0)
}

/// A profile as the kernel sees it: its text and its parameters.
pub(super) struct Judge {
    pub(super) rules: Vec<Form>,
    parameters: BTreeMap<String, PathBuf>,
}

/// One question: an operation on a path, which is a folder if the text ends in a slash.
struct Question<'a> {
    operation: &'a str,
    path: &'a Path,
    directory: bool,
}

impl Judge {
    pub(super) fn new(profile: &Profile) -> Self {
        let parameters = profile.parameters().map(|(key, path)| (key, path.into())).collect();
        Self { rules: read(&profile.to_string()), parameters }
    }

    /// Whether the profile lets an operation on a path happen.
    pub(super) fn allows(&self, operation: &str, path: &str) -> bool {
        let directory = path.len() > 1 && path.ends_with('/');
        let path = Path::new(if directory { path.trim_end_matches('/') } else { path });
        let question = Question { operation, path, directory };
        let verdict = self.rules.iter().rev().find_map(|rule| self.verdict(rule, &question));
        verdict.expect("a rule for everything")
    }

    fn verdict(&self, rule: &Form, question: &Question<'_>) -> Option<bool> {
        let [action, rest @ ..] = rule.list() else { panic!("an empty rule") };
        let allow = match action.word() {
            "allow" => true,
            "deny" => false,
            "version" => return None,
            other => panic!("no action: {other}"),
        };
        let split = rest.iter().position(|form| matches!(form, Form::List(_)));
        let (operations, filters) = rest.split_at(split.unwrap_or(rest.len()));
        let named = |form: &Form| [question.operation, "default"].contains(&form.word());
        let place = filters.is_empty() || filters.iter().any(|form| self.matches(form, question));
        (operations.iter().any(named) && place).then_some(allow)
    }

    fn matches(&self, filter: &Form, question: &Question<'_>) -> bool {
        let [name, arguments @ ..] = filter.list() else { panic!("an empty filter") };
        let path = || self.path(&arguments[0]);
        match name.word() {
            "literal" => question.path == path(),
            "subpath" => question.path.starts_with(path()),
            "require-all" => arguments.iter().all(|form| self.matches(form, question)),
            "require-not" => !self.matches(&arguments[0], question),
            "vnode-type" => question.directory,
            // Nothing that a path is asked about.
            "target" | "global-name" | "sysctl-name" | "remote" | "local" | "regex" => false,
            other => panic!("no filter: {other}"),
        }
    }

    fn path(&self, form: &Form) -> PathBuf {
        match form {
            Form::List(param) => self.parameters[param[1].word()].clone(),
            other => other.word().into(),
        }
    }
}
