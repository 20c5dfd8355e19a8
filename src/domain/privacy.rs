//! What must not leave a machine: told by its path alone.
//!
//! The command line asks before it sends, the broker asks again before it takes.
//! Each rule is a line of a table. Letters count alike, large and small, since
//! file systems disagree about them; so does what nobody sees in a name, and
//! what an editor adds for its backups.
//!
//! Said of names only: what a file holds is never looked at, so a secret in
//! `notes.txt` is not found here.

use super::text::shows_nothing;

/// A kind of file that stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A directory that programs keep credentials or settings in.
    Settings,
    /// A file that holds passwords, tokens or connection strings.
    Credentials,
    /// The secret half of a key pair, or a store of them.
    PrivateKey,
    /// What a version-control system keeps for itself.
    VersionControl,
    /// Data as it was collected: tables, databases, dumps.
    RawData,
    /// Instructions for language models, and those that carry them out.
    Prompts,
}

impl Class {
    /// What the file is, in words that continue "it is …".
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Settings => "a settings directory",
            Self::Credentials => "a credentials file",
            Self::PrivateKey => "a private key",
            Self::VersionControl => "version control internals",
            Self::RawData => "a raw data set",
            Self::Prompts => "a prompt or worker library",
        }
    }

    /// Whether a folder of this class taints what lies below it, however far up
    /// it is: somebody who stands in `~/.ssh` is still in there, whereas a
    /// folder `raw` above a project says nothing about the project.
    pub const fn reaches_down(self) -> bool {
        matches!(self, Self::Settings | Self::VersionControl)
    }
}

/// Folders; everything below them is of the class. A `/` within one joins neighbours.
const FOLDERS: [(Class, &str); 4] = [
    (Class::VersionControl, ".git .hg .svn .bzr .jj .pijul _darcs"),
    (
        Class::Settings,
        ".ssh .gnupg .pki .step .password-store .local/share/keyrings library/keychains .vault .aws .azure .oci \
         .config/gcloud .config/gh .config/hub .config/doctl .config/rclone .config/op .config/sops .kube .docker \
         .helm .minikube .terraform .terraform.d .pulumi .vagrant .chef .ansible .m2 .mozilla .thunderbird .electrum \
         .bitcoin .ethereum .vscode .vscode-server .idea .fleet .zed .vs .claude .cursor .codex .gemini .aider \
         .continue .windsurf",
    ),
    (Class::RawData, "raw raw-data raw_data rawdata"),
    (Class::Prompts, "prompts prompt-library prompt_library workers worker-library worker_library"),
];

/// Names of files: in a pattern `*` is any text, and `?` one character or none.
const FILES: [(Class, &str); 4] = [
    (
        Class::Credentials,
        ".env .env.* .env-* .envrc .netrc _netrc .npmrc .yarnrc.yml .pypirc .git-credentials .gitcookies .pgpass \
         .my.cnf .mylogin.cnf .s3cfg .boto .htpasswd .vault-token .dockercfg .dockerconfigjson .terraformrc \
         .smbcredentials credentials credentials.json credentials.toml credentials.y?ml \
         credentials.csv credentials.xml credentials.db client_secret*.json service-account*.json \
         service_account*.json serviceaccount*.json application_default_credentials.json access_tokens.db \
         accesskeys.csv secrets.json secrets.toml secrets.y?ml secrets.env *.tfstate *.tfstate.* *.auto.tfvars \
         terraform.tfvars *.kdb *.kdbx *.agilekeychain *.opvault *.keychain *.keychain-db *.keyring kubeconfig \
         *.kubeconfig wp-config.php wp-config-*.php .*_history *.rdp *.ovpn",
    ),
    (
        Class::PrivateKey,
        "id_rsa id_dsa id_ecdsa id_ed25519 id_*_sk id_rsa.* id_dsa.* id_ecdsa.* id_ed25519.* ssh_host_*_key *.pem \
         *.key *.p8 *.p12 *.pfx *.pkcs12 *.jks *.jceks *.bks *.keystore *.ppk *.pvk *.snk *.agekey secring.gpg \
         wallet.dat",
    ),
    (
        Class::RawData,
        "*.parquet *.feather *.arrow *.avro *.orc *.hdf5 *.h5 *.npz *.sqlite *.sqlite3 *.sqlite-wal *.db *.db3 \
         *.db-wal *.duckdb *.mdb *.accdb *.rdb *.dump *.dump.gz *.dump.xz *.dump.zst *.dmp dump.sql *-dump.sql *_dump.sql *.dump.sql \
         *.sql.gz *.sql.xz *.sql.zst *.sql.bz2 *.sas7bdat *.rdata *.rds",
    ),
    (
        Class::Prompts,
        "*.prompt *.prompt.md *.prompt.txt *.prompty claude.md claude.local.md agents.md gemini.md \
         copilot-instructions.md .cursorrules .windsurfrules .clinerules .aider*",
    ),
];

/// What a pattern would take and nobody needs to keep: templates and public halves.
const ALLOWED: &str = ".env.example .env.sample .env.template .env.dist .env-example .env-sample .env-template \
                       *.pub *.crt *.cer";

/// What is added to the name of a file that is kept beside a newer one.
const BACKUPS: [&str; 4] = [".bak", ".old", ".orig", ".save"];

/// Why the file at this path must not leave, if it must not. The path is
/// relative, with `/` between its segments, as in a vault; one with a `/` at
/// its end is a folder with whatever is below it.
pub fn protected(path: &str) -> Option<Class> {
    let path = path.to_lowercase();
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(bare).collect();
    let (folders, name) = match segments.split_last() {
        Some((name, folders)) if !path.ends_with('/') => (folders, Some(name.as_str())),
        _ => (segments.as_slice(), None),
    };
    // A file may have the name of a folder, as `.git` has in a worktree.
    let dotted = name.filter(|name| name.starts_with('.'));
    let held: Vec<&str> = folders.iter().map(String::as_str).chain(dotted).collect();
    folder_class(&held).or_else(|| file_class(name?))
}

/// A name without what nobody sees in it, and without the marks of a backup: `#.env#`, `id_rsa~`, `server.key.bak`.
fn bare(name: &str) -> String {
    let seen: String = name.chars().filter(|character| !shows_nothing(*character)).collect();
    let is_mark = |character: char| character.is_whitespace() || matches!(character, '.' | '~' | '#');
    let name = seen.trim_start_matches(|character: char| character.is_whitespace() || character == '#');
    let name = name.trim_end_matches(is_mark);
    let original = BACKUPS.iter().find_map(|backup| name.strip_suffix(backup)).unwrap_or(name);
    original.trim_end_matches(is_mark).to_owned()
}

fn folder_class(segments: &[&str]) -> Option<Class> {
    let is_within = |folder: &str| {
        let wanted: Vec<&str> = folder.split('/').collect();
        segments.windows(wanted.len()).any(|found| found == wanted)
    };
    FOLDERS.iter().find(|(_, folders)| folders.split_whitespace().any(is_within)).map(|(class, _)| *class)
}

fn file_class(name: &str) -> Option<Class> {
    let is_one_of = |patterns: &str| patterns.split_whitespace().any(|pattern| matches(pattern, name));
    if is_one_of(ALLOWED) {
        return None;
    }
    FILES.iter().find(|(_, patterns)| is_one_of(patterns)).map(|(class, _)| *class)
}

/// Whether a name is as the pattern says: `*` is any text, `?` one character or none.
fn matches(pattern: &str, name: &str) -> bool {
    let Some(wild) = pattern.find(['*', '?']) else { return pattern == name };
    let (literal, rest) = pattern.split_at(wild);
    let Some(left) = name.strip_prefix(literal) else { return false };
    let after = &rest[1..];
    let mut ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
    if rest.starts_with('*') {
        ends.any(|at| matches(after, &left[at..]))
    } else {
        ends.take(2).any(|at| matches(after, &left[at..]))
    }
}

#[cfg(test)]
mod tests {
    use super::{Class::*, *};

    #[test]
    fn what_must_stay_is_known_by_its_path() {
        for (path, class) in [
            (".ssh/config", Settings),
            ("home/.AWS/credentials", Settings),
            ("x/.config/gcloud/a.txt", Settings),
            (".kube/", Settings),
            (".vscode/settings.json", Settings),
            (".claude/settings.json", Settings),
            (".env", Credentials),
            ("incoming/.env", Credentials),
            ("incoming/.ENV.production", Credentials),
            ("incoming/.Env.Local", Credentials),
            (".netrc", Credentials),
            ("a/Credentials", Credentials),
            ("credentials.yml", Credentials),
            ("credentials.yaml", Credentials),
            ("service-account-prod.json", Credentials),
            ("infra/prod.tfstate", Credentials),
            ("vault.KDBX", Credentials),
            ("www/wp-config.php", Credentials),
            ("id_rsa", PrivateKey),
            ("id_ed25519.bak", PrivateKey),
            ("tls/server.pem", PrivateKey),
            ("tls/server.KEY", PrivateKey),
            ("store.p12", PrivateKey),
            ("ssh_host_ed25519_key", PrivateKey),
            (".git/config", VersionControl),
            ("site/.git", VersionControl),
            ("site/.git/", VersionControl),
            ("a/.svn/entries", VersionControl),
            ("raw/x.csv", RawData),
            ("data/RAW/x.csv", RawData),
            ("t.parquet", RawData),
            ("app.sqlite3", RawData),
            ("dump.sql.gz", RawData),
            ("db.dump.gz", RawData),
            ("prompts/a.md", Prompts),
            ("lib/workers/review.md", Prompts),
            ("CLAUDE.md", Prompts),
            ("docs/Agents.md", Prompts),
            ("sum.prompt", Prompts),
            (".env~", Credentials),
            ("#.env#", Credentials),
            (".env.bak", Credentials),
            (".env ", Credentials),
            (" .env.", Credentials),
            (".netrc.old", Credentials),
            (".e\u{200c}n\u{fe0f}v", Credentials),
            ("\u{34f}.env\u{200d}", Credentials),
            ("id_rsa~", PrivateKey),
            ("id_rsa.", PrivateKey),
            ("server.pem~", PrivateKey),
            ("server.key.bak", PrivateKey),
            ("server.key.ORIG", PrivateKey),
            ("server.pem~.save", PrivateKey),
            (".ssh /config", Settings),
            (".git.bak/config", VersionControl),
        ] {
            assert_eq!(protected(path), Some(class), "{path}");
        }
    }

    #[test]
    fn what_only_looks_like_it_may_go() {
        let names = "keyboard.txt environment.md my.envelope raw.txt .github/workflows/a.yml draw/x raw \
                     strawberry/raw.csv env env.txt a.env.txt .environment .env.example x/.ENV.Sample .env.template \
                     id_rsa.pub id_ed25519.pub server.crt monkey key pem a.pem.txt credentials.md \
                     credentials/readme.md my-credentials-guide.pdf .gitignore .gitattributes .gitmodules git/config \
                     x.git.txt prompt.txt prompts prompts.md workers.csv coworkers/a.txt agents.txt gcloud/a \
                     .config/app.toml config/gcloud/a database.txt db sql.txt report.pdf photo.raw \
                     docker/compose.yml service-accounting.txt / schema.sql cvs/ada.pdf .cargo/config.toml \
                     notes~ report.old report.pdf.bak #notes.txt# .bak ~ # ... raw~ key~ pem.old id_rsa.pub.bak \
                     .env.example~ ~$report.docx notes. c# c#/main.cs";
        for path in names.split(' ').chain(["", " ", "budget 2026 ", "\u{2764}\u{fe0f}.txt"]) {
            assert_eq!(protected(path), None, "{path}");
        }
    }

    #[test]
    fn a_star_is_any_text_and_a_question_mark_at_most_one_character() {
        assert!(matches("a*c", "ac") && matches("a*c", "abbc") && matches("*.é?", "x.éü") && matches("y?ml", "yml"));
        assert!(!matches("a*c", "acd") && !matches("y?ml", "yaaml") && !matches("a", "ab"));
        assert!(matches("ssh_host_*_key", "ssh_host_rsa_key") && !matches("*.key", "key"));
    }

    #[test]
    fn every_rule_is_written_as_it_is_compared() {
        let rules = FOLDERS.iter().chain(&FILES).map(|(_, rules)| *rules).chain([ALLOWED]);
        for rule in rules.flat_map(str::split_whitespace) {
            assert_eq!(rule, rule.to_lowercase());
        }
    }
}
