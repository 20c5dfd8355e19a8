//! TLS in the program itself, held against openssl and curl: versions, hosts, and certificates that are renewed while
//! it serves.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use super::process::{Place, Served, fault, outcome, until};

/// Makes a certificate of this name and its key, as `tls.pem` and `tls.key` in the place.
pub fn issue(place: &Place, name: &str) {
    issue_as(place, name, "tls");
}

fn issue_as(place: &Place, name: &str, file: &str) {
    // No authority: rustls takes none for a server.
    let config = place.path("openssl.cnf");
    let extensions = "basicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1,DNS:localhost,DNS:*.localhost";
    fs::write(&config, format!("[req]\ndistinguished_name=name\n[name]\n[ours]\n{extensions}\n")).unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN={name}"), "-extensions", "ours", "-config"])
        .arg(config)
        .arg("-keyout")
        .arg(place.path(&format!("{file}.key")))
        .arg("-out")
        .arg(place.path(&format!("{file}.pem")))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    fs::set_permissions(place.path(&format!("{file}.key")), Permissions::from_mode(0o600)).unwrap();
}

fn command(place: &Place, name: &str) -> Command {
    let mut command = place.command(name);
    command.env("CLOAKROOM_TLS_CERTIFICATE", place.path("tls.pem")).env("CLOAKROOM_TLS_KEY", place.path("tls.key"));
    command
}

/// What `openssl s_client` tells of a connection.
fn shake_hands(port: u16, arguments: &[&str]) -> String {
    let Output { stdout, stderr, .. } = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", "localhost"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
}

/// What curl gets, with the head of the answer.
fn curl(trusted: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new("curl").args(["-sS", "-i", "--noproxy", "*", "--cacert"]).arg(trusted).args(arguments).output();
    let Output { stdout, stderr, .. } = output.unwrap();
    format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)).to_lowercase()
}

fn shown(port: u16) -> String {
    let told = shake_hands(port, &[]);
    let subject = told.lines().find_map(|line| line.strip_prefix("subject=")).unwrap_or(&told);
    subject.replace("CN = ", "").replace("CN=", "")
}

#[test]
fn tls_1_3_and_1_2_are_spoken_and_nothing_older() {
    let place = Place::new();
    issue(&place, "first");
    let served = place.serve_as(command(&place, "serve"));
    for port in [served.ports[0], served.ports[1]] {
        assert!(
            shake_hands(port, &["-tls1_3"]).contains("Protocol  : TLSv1.3")
                || shake_hands(port, &["-tls1_3", "-brief"]).contains("TLSv1.3")
        );
        assert!(shake_hands(port, &["-tls1_2", "-brief"]).contains("TLSv1.2"));
        for old in ["-tls1_1", "-tls1"] {
            // openssl itself would rather not, so that it has to be asked twice.
            let told = shake_hands(port, &[old, "-cipher", "ALL:@SECLEVEL=0", "-brief"]);
            assert!(told.contains("SSL alert number") && !told.contains("Protocol version:"), "{old}: {told}");
        }
        // Plain HTTP gets no answer there.
        let plain = curl(&place.path("tls.pem"), &[&format!("http://localhost:{port}/")]);
        assert!(!plain.contains("http/1.1 2") && !plain.contains("http/1.1 3"), "{plain}");
    }
    served.stop();
}

#[test]
fn http_1_answers_over_tls_for_its_own_host_alone_whatever_else_a_client_knows() {
    let place = Place::new();
    issue(&place, "first");
    let served = place.serve_as(command(&place, "serve"));
    let trusted = place.path("tls.pem");
    let [api, content, ops] = served.ports;
    for port in [api, content] {
        let told = shake_hands(port, &["-alpn", "h2,http/1.1"]);
        assert!(told.contains("ALPN protocol: http/1.1"), "{told}");
        let alone = shake_hands(port, &["-alpn", "h2"]);
        assert!(!alone.contains("ALPN protocol: h2"), "{alone}");
    }
    for option in ["--http2", "--http1.1"] {
        let version = "http/1.1";
        let page = curl(&trusted, &[option, &format!("https://127.0.0.1:{api}/s")]);
        assert!(page.starts_with(&format!("{version} 200")), "{page}");
        let strict = "strict-transport-security: max-age=63072000; includesubdomains; preload";
        assert!(page.contains(strict) && page.contains("content-security-policy:"), "{page}");
        let stored = curl(&trusted, &[option, &format!("https://localhost:{content}/o/x")]);
        assert!(stored.starts_with(&format!("{version} 403")) && stored.contains(strict), "{stored}");
        for host in ["evil.example", "localhost", "127.0.0.1", &format!("127.0.0.1.:{api}")] {
            let host = format!("host: {host}");
            let other = curl(&trusted, &[option, "-H", &host, &format!("https://127.0.0.1:{api}/v1/session")]);
            assert!(other.starts_with(&format!("{version} 421")), "{host}: {other}");
        }
    }
    // The operator's listener stays as it is, on this machine.
    let health = curl(&trusted, &[&format!("http://127.0.0.1:{ops}/healthz")]);
    assert!(health.starts_with("http/1.1 200") && !health.contains("strict-transport"), "{health}");
    // Cookies are held to TLS.
    let key = format!("{{\"api_key\":\"{}\"}}", place.admin_key());
    let json = ["-H", "content-type: application/json", "-d", &key];
    let url = format!("https://127.0.0.1:{api}/v1/console/session");
    let signed_in = curl(&trusted, &[&json[..], &[&url]].concat());
    assert!(
        signed_in.contains("set-cookie: __host-cloakroom-console=") && signed_in.contains("; secure"),
        "{signed_in}"
    );
    // The command line trusts whom the machine trusts.
    let client = |trusted: &Path| {
        let mut command = super::process::program();
        command.env("CLOAKROOM_URL", format!("https://127.0.0.1:{api}")).env("CLOAKROOM_API_KEY", place.admin_key());
        outcome(command.env("SSL_CERT_FILE", trusted).args(["tenant", "list"]))
    };
    let trusting = client(&trusted);
    assert!(trusting.status.success(), "{trusting:?}");
    issue_as(&place, "other", "other");
    assert!(!client(&place.path("other.pem")).status.success());
    served.stop();
}

/// Waits until this is in the log.
fn told(served: &Served, words: &str) {
    until(words, || served.log().contains(words).then_some(()));
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let place = Place::new();
    issue(&place, "first");
    let served = place.serve_as(command(&place, "serve"));
    let ports = [served.ports[0], served.ports[1]];
    assert_eq!(ports.map(shown), ["first", "first"]);
    issue(&place, "second");
    served.signal("HUP");
    until("the second is shown", || (ports.map(shown) == ["second", "second"]).then_some(()));

    let (certificate, key) = (place.path("tls.pem"), place.path("tls.key"));
    let good = fs::read(&certificate).unwrap();
    issue_as(&place, "other", "other");
    for broken in [b"nonsense".to_vec(), good[..good.len() / 2].to_vec(), fs::read(place.path("other.pem")).unwrap()] {
        let before = served.log().matches("was not renewed").count();
        fs::write(&certificate, broken).unwrap();
        served.signal("HUP");
        until("it is told", || (served.log().matches("was not renewed").count() > before).then_some(()));
        assert_eq!(ports.map(shown), ["second", "second"]);
    }
    // Once the key belongs to it too, it is taken.
    fs::copy(place.path("other.key"), &key).unwrap();
    served.signal("HUP");
    until("the other is shown", || (ports.map(shown) == ["other", "other"]).then_some(()));
    told(&served, "another TLS certificate");
    assert!(!served.log().contains("PRIVATE KEY"), "{}", served.log());
    served.stop();
}

#[test]
fn what_cannot_be_used_is_said_at_the_start() {
    let place = Place::new();
    issue(&place, "first");
    issue_as(&place, "other", "other");
    let run = |change: &dyn Fn(&mut Command)| {
        let mut command = command(&place, "serve");
        change(&mut command);
        fault(&outcome(&mut command))
    };
    let says = |fault: &str, words: &[&str]| {
        for word in words {
            assert!(fault.contains(word), "{word}: {fault}");
        }
    };
    says(&run(&|command| _ = command.env_remove("CLOAKROOM_TLS_KEY")), &["CLOAKROOM_TLS_KEY", "name the file"]);
    says(
        &run(&|command| _ = command.env_remove("CLOAKROOM_TLS_CERTIFICATE")),
        &["CLOAKROOM_TLS_CERTIFICATE", "name the file"],
    );
    says(&run(&|command| _ = command.env("CLOAKROOM_TLS_KEY", place.path("none"))), &["none", "cannot be read"]);
    says(
        &run(&|command| _ = command.env("CLOAKROOM_TLS_KEY", place.path("other.key"))),
        &["other.key", "cannot be used together"],
    );
    says(&run(&|command| _ = command.env("CLOAKROOM_TLS_KEY", place.path("tls.pem"))), &["tls.pem", "everybody"]);
    says(
        &run(&|command| _ = command.env("CLOAKROOM_TLS_CERTIFICATE", place.path("tls.key"))),
        &["tls.key", "no certificate"],
    );
    says(
        &run(&|command| _ = command.env("CLOAKROOM_PUBLIC_URL", "http://127.0.0.1:1")),
        &["CLOAKROOM_PUBLIC_URL", "https"],
    );
    for mode in [0o644, 0o604, 0o602] {
        fs::set_permissions(place.path("tls.key"), Permissions::from_mode(mode)).unwrap();
        says(&run(&|_| {}), &["tls.key", "everybody", "chmod"]);
    }
    assert!(!place.data_dir().exists(), "nothing was made");
}
