//! The names that presets know: of places, of variables, of credentials.

/// Programs, libraries and their configuration.
pub(super) const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/nix/store",
    "/run/current-system",
    "/System",
    "/Library",
];

/// Parts of `/etc` that are nobody's runtime.
pub(super) const SYSTEM_SECRETS: &[&str] = &[
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssl/private",
    "/etc/security/opasswd",
    "/etc/ssh/ssh_host_dsa_key",
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_rsa_key",
    "/etc/krb5.keytab",
    "/etc/kubernetes",
    "/etc/letsencrypt",
    "/etc/NetworkManager/system-connections",
    "/etc/openvpn",
    "/etc/pki/tls/private",
    "/etc/wireguard",
];

/// Directories that a command may fill without anybody seeing it.
pub(super) const PRIVATE: &[&str] = &["/tmp", "/var/tmp"];

/// Variables that carry taste, not trust.
pub(super) const VARIABLES: &[&str] = &[
    "COLORTERM",
    "COLUMNS",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LINES",
    "LOGNAME",
    "NO_COLOR",
    "PATH",
    "SOURCE_DATE_EPOCH",
    "TERM",
    "TZ",
    "USER",
    "HOME",
    "SHELL",
];

/// Where people keep what must not leave the machine, below the home directory.
pub(super) const CREDENTIALS: &[&str] = &[
    ".ssh",
    ".aws",
    ".azure",
    ".gnupg",
    ".kube",
    ".docker",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".pip/pip.conf",
    ".config/pip/pip.conf",
    ".yarnrc.yml",
    ".git-credentials",
    ".vault-token",
    ".password-store",
    ".terraform.d",
    ".terraformrc",
    ".config/gh",
    ".config/gcloud",
    ".config/git/credentials",
    ".config/op",
    ".config/rclone",
    ".config/hub",
    ".config/glab-cli",
    ".config/google-chrome",
    ".config/chromium",
    ".mozilla",
    ".local/share/keyrings",
    ".local/state/sandbox",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".m2/settings.xml",
    ".m2/settings-security.xml",
    ".gradle/gradle.properties",
    ".bash_history",
    ".zsh_history",
    ".python_history",
    ".node_repl_history",
    ".psql_history",
    ".mysql_history",
    ".pgpass",
    ".my.cnf",
    ".config/containers/auth.json",
    ".claude/.credentials.json",
    ".codex/auth.json",
    "Library/Keychains",
    "Library/Cookies",
];

/// Toolchains and package caches, below the home directory.
pub(super) const TOOLCHAINS: &[&str] = &[
    ".cargo/bin",
    ".cargo/registry",
    ".cargo/git",
    ".cargo/config.toml",
    ".cargo/config",
    ".cargo/env",
    ".rustup",
    ".nvm",
    ".volta",
    ".fnm",
    ".pyenv",
    ".asdf",
    ".rbenv",
    ".sdkman",
    ".deno",
    ".bun",
    ".local/bin",
    ".local/lib",
    ".local/share/mise",
    ".local/share/uv",
    "go",
    ".npm",
    ".cache/pip",
    ".cache/uv",
    ".cache/go-build",
    ".gradle",
    ".m2",
    ".ivy2",
    ".gitconfig",
    ".config/git",
    ".editorconfig",
];

/// Variables by which toolchains find themselves, and whether each names a folder to read.
pub(super) const TOOLCHAIN_VARIABLES: &[(&str, bool)] = &[
    ("RUSTUP_HOME", true),
    ("RUSTUP_TOOLCHAIN", false),
    ("GOROOT", true),
    ("GOPATH", true),
    ("JAVA_HOME", true),
    ("PYENV_ROOT", true),
    ("NVM_DIR", true),
    ("VOLTA_HOME", true),
    ("VIRTUAL_ENV", true),
    ("CONDA_PREFIX", true),
    ("CC", false),
    ("CXX", false),
    ("CFLAGS", false),
    ("CXXFLAGS", false),
    ("LDFLAGS", false),
    ("RUSTFLAGS", false),
    ("CARGO_BUILD_JOBS", false),
    ("CARGO_NET_OFFLINE", false),
    ("MAKEFLAGS", false),
    ("PKG_CONFIG_PATH", false),
    ("CI", false),
];

/// Variables that name credentials, one file or folder or a list of them.
pub(super) const CREDENTIAL_VARIABLES: &[&str] = &[
    "AWS_SHARED_CREDENTIALS_FILE",
    "AZURE_CONFIG_DIR",
    "CLOUDSDK_CONFIG",
    "DOCKER_CONFIG",
    "GNUPGHOME",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "KUBECONFIG",
    "NETRC",
    "NPM_CONFIG_USERCONFIG",
    "PGPASSFILE",
];

/// What of a `CARGO_HOME` is a secret.
pub(super) const CARGO_SECRETS: &[&str] = &["credentials", "credentials.toml"];

/// What of a `CARGO_HOME` is no secret.
pub(super) const CARGO_HOME: &[&str] = &["bin", "registry", "git", "config.toml", "config", "env"];
