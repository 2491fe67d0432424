//! The policy file that `sandbox policy init` prints: small, true, and ready to be changed.

use std::env;

use crate::args::PresetChoice;

const REST: &str = r#"
# What happens when this machine cannot enforce something:
# "required" refuses to run, "best_effort" runs and names what is missing.
enforcement = "required"

[filesystem]
# Absolute paths. The most specific rule decides; what no rule covers is not visible.
read_only = []          # read, list, execute: ["/opt/toolchain"]
read_write = []         # and change: ["/srv/cache"]
hidden = []             # not visible, whatever a wider rule grants
private = []            # empty directories of the command's own

[environment]
# Everything else is removed. A pattern never passes a name that looks like a secret.
pass = []               # ["LC_*", "CI"]
set = {}                # { RUST_BACKTRACE = "1" }

[network]
# "limited" with no hosts: nothing can be reached. "unrestricted": no filter.
mode = "limited"
allowed_hosts = []

[process]
syscalls = "default"    # or "strict", or "debug" for debuggers

[limits]
# All optional; without one there is no limit.
wall_time = "10m"
# cpu_time = "5m"
# cpu_count = 2.0
# memory = "2G"
processes = 512
# open_files = 1024
# file_size = "1G"
# disk = "1G"
output = "64M"
# idle = "2m"
"#;

/// A policy file that starts from a preset.
pub(crate) fn policy(preset: PresetChoice) -> String {
    let head = "# What a command may do. Check it with: sandbox policy check FILE\n\n";
    let workspace = match preset {
        PresetChoice::ReadOnly => String::new(),
        PresetChoice::Workspace | PresetChoice::Developer => format!(
            "# The folder that commands work in and may change.\nworkspace = {}\n",
            toml_string(&current_folder())
        ),
    };
    format!("{head}preset = \"{}\"\n{workspace}{REST}", preset.word().replace('-', "_"))
}

/// The current folder, or one to replace where it has none that a file could name.
fn current_folder() -> String {
    let folder = env::current_dir().ok().and_then(|path| path.into_os_string().into_string().ok());
    folder.unwrap_or_else(|| "/path/to/folder".into())
}

/// A basic string: TOML and JSON escape alike.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sandbox_core::policy::PolicyFile;

    use super::*;

    #[test]
    fn every_template_is_a_legal_policy() {
        for preset in [PresetChoice::ReadOnly, PresetChoice::Workspace, PresetChoice::Developer] {
            let text = policy(preset);
            let parsed = PolicyFile::parse(&text, Path::new("policy.toml")).unwrap();
            assert_eq!(parsed.preset, Some(preset.into()));
            parsed.into_builder(&text, Path::new("policy.toml")).unwrap().build().unwrap();
        }
    }

    #[test]
    fn a_folder_with_odd_characters_stays_one_string() {
        assert_eq!(toml_string("/a \"b\"\n\\c\u{7f}"), r#""/a \"b\"\n\\c\u007F""#);
    }
}
