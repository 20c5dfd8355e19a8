//! Keys that AWS keeps: root keys in a secret or a parameter, and data keys of tenants that KMS encrypts besides. Against the
//! emulators, and with these away.

use std::{
    env, io,
    process::{Command, Output},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use cloakroom::{
    aws,
    crypto::keyring::DeploymentId,
    domain::ids::TenantId,
    entropy::{Entropy, SystemEntropy},
    kms::{Kms, KmsFault},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::process::{Place, Served, fault, outcome, said, until};
use crate::relaying::{Arriving, relay};

const SECRETS: &str = "CLOAKROOM_TEST_MINISTACK_ENDPOINT";
const KMS: &str = "CLOAKROOM_TEST_S3_ENDPOINT";

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: use ./test"))
}

fn unique(what: &str) -> String {
    let random: [u8; 8] = (&SystemEntropy as &dyn Entropy).bytes();
    format!("{what}-{:016x}", u64::from_be_bytes(random))
}

/// What an emulator does for anybody.
fn done(endpoint: &str, target: &str, body: &Value) -> Value {
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    let request = agent.post(setting(endpoint)).header("x-amz-target", target);
    let mut answer = request.content_type("application/x-amz-json-1.1").send(body.to_string()).unwrap();
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap_or_default()
}

/// An emulator that can be away.
struct Behind {
    url: String,
    away: Arc<AtomicBool>,
    /// The heads of requests, as they came.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Behind {
    fn of(endpoint: &str) -> Self {
        let (away, heads) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<_>>>::default());
        let (is_away, seen, behind) = (Arc::clone(&away), Arc::clone(&heads), setting(endpoint));
        let behind = behind.trim_start_matches("http://").to_owned();
        let url = relay(move |arriving| {
            seen.lock().unwrap().push(format!("{}\r\n{}", arriving.line, arriving.headers));
            if is_away.load(Ordering::SeqCst) { arriving.break_off() } else { arriving.pass(&behind, |_| {}) }
        });
        Self { url, away, heads }
    }

    fn goes_away(&self) {
        self.away.store(true, Ordering::SeqCst);
    }

    fn comes_back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }
}

/// A command of a broker that may ask AWS.
fn command(place: &Place, name: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = place.command(name);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        command.env(name, setting(name));
    }
    command.envs(settings.iter().copied());
    command
}

fn keys(place: &Place, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    outcome(command(place, "keys", settings).args(arguments))
}

fn claim(served: &Served, token: &str) -> ureq::http::Response<ureq::Body> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let body = json!({ "token": token, "claim_key": "a".repeat(42) + "A" });
    let request = agent.post(format!("{}/v1/shares/redeem", served.url())).content_type("application/json");
    request.send(body.to_string()).unwrap()
}

#[test]
fn root_keys_are_made_and_replaced_in_a_secret_which_may_be_away_meanwhile() {
    let (place, secret, service) = (Place::new(), unique("keys"), Behind::of(SECRETS));
    let source = format!("secretsmanager:{secret}");
    let settings =
        [("CLOAKROOM_ROOT_KEYS", source.as_str()), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", service.url.as_str())];
    // Where there is no secret, none is made: whoever may write keys is not for the broker to say.
    let missing = fault(&outcome(&mut command(&place, "serve", &settings)));
    assert!(missing.contains(&secret) && missing.contains("ResourceNotFoundException"), "{missing}");
    done(SECRETS, "secretsmanager.CreateSecret", &json!({ "Name": secret }));
    let served = place.serve_as(command(&place, "serve", &settings));
    assert!(!place.data_dir().join("root-keys.json").exists());
    let admin = place.admin_key();
    let (_, minted) = served.mint(&admin, "a.txt");

    // Two at once: one does it, and the other is told.
    let stagings = thread::scope(|threads| {
        let both = [(); 2].map(|()| threads.spawn(|| keys(&place, &settings, &["stage"])));
        both.map(|staging| staging.join().unwrap())
    });
    let [first, second] = stagings.map(|staging| (staging.status.success(), staging));
    let (staged, refused) = if first.0 { (first.1, second) } else { (second.1, first) };
    let staged = said(&staged);
    assert!(!refused.0, "both have staged a key");
    let refused = fault(&refused.1);
    assert!(refused.contains("at the same time") || refused.contains("staged already"), "{refused}");
    let state = |name: &str, state: &str| {
        let line = format!("cloakroom_key_state_seconds{{kind=\"root\",name=\"{name}\",state=\"{state}\"}}");
        until("the broker takes other keys", || served.metrics().contains(&line).then_some(()));
    };
    state(&staged, "staged");

    // Away: the broker goes on with what it has, says so, and takes nothing.
    service.goes_away();
    served.signal("HUP");
    until("the broker says that it cannot read its keys", || served.log().contains("keys_not_taken").then_some(()));
    assert!(fault(&keys(&place, &settings, &["promote", &staged])).contains("secretsmanager:"));
    assert_eq!(claim(&served, &minted).status(), 200);
    let (_, second) = served.mint(&admin, "b.txt");
    service.comes_back();
    said(&keys(&place, &settings, &["promote", &staged]));
    state(&staged, "primary");
    assert_eq!(claim(&served, &second).status(), 200);
    // Nor does one start without.
    served.stop();
    service.goes_away();
    let away = fault(&outcome(&mut command(&place, "serve", &settings)));
    assert!(away.contains(&source) && !away.contains("missing"), "{away}");
    service.comes_back();
    let served = place.serve_as(command(&place, "serve", &settings));
    assert_eq!(claim(&served, &served.mint(&admin, "c.txt").1).status(), 200);
    served.stop();
}

/// The emulator, but for requests that move a label: those go another way.
fn but_for_moving(other: impl Fn(Arriving, &str) -> io::Result<()> + Send + Sync + 'static) -> String {
    let behind = setting(SECRETS).trim_start_matches("http://").to_owned();
    relay(move |arriving| match arriving.headers.contains("UpdateSecretVersionStage") {
        true => other(arriving, &behind),
        false => arriving.pass(&behind, |_| {}),
    })
}

#[test]
fn a_change_of_a_secret_whose_answer_is_lost_is_done_and_one_that_is_cut_off_half_way_is_not() {
    let (place, secret) = (Place::new(), unique("keys"));
    let source = format!("secretsmanager:{secret}");
    let by = |endpoint: &str, command: &str| {
        let settings = [("CLOAKROOM_ROOT_KEYS", source.as_str()), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint)];
        keys(&place, &settings, &[command])
    };
    let endpoint = setting(SECRETS);
    done(SECRETS, "secretsmanager.CreateSecret", &json!({ "Name": secret }));
    let settings = [("CLOAKROOM_ROOT_KEYS", source.as_str()), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint.as_str())];
    said(&outcome(&mut command(&place, "bootstrap", &settings)));
    let staged = || said(&by(&endpoint, "list")).matches("  staged  ").count();
    // The new version is there, and never becomes the current one.
    let cut_off = but_for_moving(|arriving, _| arriving.break_off());
    assert!(fault(&by(&cut_off, "stage")).contains(&source));
    assert_eq!(staged(), 0);
    // The same again is not in the way of that.
    let lost = but_for_moving(Arriving::pass_and_lose);
    let name = said(&by(&lost, "stage"));
    assert_eq!(staged(), 1);
    assert!(said(&by(&endpoint, "list")).contains(&name));
}

#[test]
fn root_keys_are_read_in_a_parameter_and_not_changed() {
    let (place, name, service) = (Place::new(), format!("/{}", unique("keys")), Behind::of(SECRETS));
    let source = format!("ssm:{name}");
    let settings = [("CLOAKROOM_ROOT_KEYS", source.as_str()), ("AWS_ENDPOINT_URL_SSM", service.url.as_str())];
    let missing = fault(&outcome(&mut command(&place, "serve", &settings)));
    assert!(missing.contains("there are no root keys in ssm:"), "{missing}");
    // As an operator does: made in a file, and put there.
    said(&outcome(&mut command(&place, "bootstrap", &[])));
    let file = place.data_dir().join("root-keys.json");
    let value = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    done(SECRETS, "AmazonSSM.PutParameter", &json!({ "Name": name, "Value": value, "Type": "SecureString" }));
    let served = place.serve_as(command(&place, "serve", &settings));
    assert_eq!(claim(&served, &served.mint(&place.admin_key(), "a.txt").1).status(), 200);
    assert!(fault(&keys(&place, &settings, &["stage"])).contains("cannot be changed from here"));
    let heads = service.heads.lock().unwrap().clone();
    heads.iter().for_each(|head| assert_signed(head, &json!({ "Name": name, "WithDecryption": true }).to_string()));
    assert!(heads.len() > 1);
    service.goes_away();
    served.signal("HUP");
    until("the broker says that it cannot read its keys", || served.log().contains("keys_not_taken").then_some(()));
    assert_eq!(claim(&served, &served.mint(&place.admin_key(), "b.txt").1).status(), 200);
    served.stop();
}

/// Holds a signature against one that is computed here, as AWS describes it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>): the emulator takes any.
fn assert_signed(head: &str, body: &str) {
    let hmac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let hex = |bytes: &[u8]| base16ct::lower::encode_string(bytes);
    let header = |wanted: &str| {
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let values: Vec<_> =
            lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value).collect();
        assert_eq!(values.len(), 1, "{wanted}: {head}");
        values[0].trim().to_owned()
    };
    let authorization = header("authorization");
    let part = |name: &str| authorization.split_once(name).unwrap().1.split([',', ' ']).next().unwrap().to_owned();
    let (signed, date) = (part("SignedHeaders="), header("x-amz-date"));
    assert_eq!(signed, "content-type;host;x-amz-date;x-amz-target");
    let headers: String = signed.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let canonical = format!("POST\n/\n\n{headers}\n{signed}\n{}", hex(&Sha256::digest(body)));
    let scope = format!("{}/{}/ssm/aws4_request", &date[..8], setting("AWS_REGION"));
    assert_eq!(part("Credential="), format!("{}/{scope}", setting("AWS_ACCESS_KEY_ID")));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let secret = format!("AWS4{}", setting("AWS_SECRET_ACCESS_KEY")).into_bytes();
    let key = scope.split('/').fold(secret, |key, part| hmac(&key, part));
    assert_eq!(part("Signature="), hex(&hmac(&key, &text)));
}

/// A key of KMS, by its ARN.
fn kms_key() -> String {
    let made = done(KMS, "TrentService.CreateKey", &json!({}));
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_kms_has_encrypted_for_a_tenant_it_decrypts_for_that_one_of_that_deployment_alone() {
    let sdk = aws::sdk_config().await.into_builder().endpoint_url(setting(KMS)).build();
    let [ours, theirs] = [1, 2].map(|number| TenantId::from_bytes([number; 16]));
    let key = kms_key();
    let kms = Kms::new(&key, DeploymentId([7; 16]), &sdk);
    kms.check().await.unwrap();
    let ciphertext = kms.encrypt(ours, &[9; 32]).await.unwrap();
    assert_eq!(*kms.decrypt(ours, &ciphertext).await.unwrap(), [9; 32]);
    let elsewhere = Kms::new(&key, DeploymentId([8; 16]), &sdk);
    let mut flipped = ciphertext.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let refused = [
        kms.decrypt(theirs, &ciphertext).await,
        elsewhere.decrypt(ours, &ciphertext).await,
        kms.decrypt(ours, &flipped).await,
    ];
    for refused in refused {
        assert!(matches!(&refused, Err(KmsFault::Refused(_))), "{refused:?}");
    }
    assert_eq!((kms.faults(), elsewhere.faults()), (2, 1));
}

#[test]
fn a_data_key_that_kms_has_encrypted_is_of_no_use_without_kms_and_a_token_is_good_once_it_is_back() {
    let (place, key, service) = (Place::new(), kms_key(), Behind::of(KMS));
    let settings = [("CLOAKROOM_KMS_KEY", key.as_str()), ("AWS_ENDPOINT_URL_KMS", service.url.as_str())];
    let served = place.serve_as(command(&place, "serve", &settings));
    let admin = place.admin_key();
    let (_, minted) = served.mint(&admin, "a.txt");
    // What was decrypted is remembered for a while.
    service.goes_away();
    let (_, other) = served.mint(&admin, "b.txt");
    served.stop();

    // One that starts meanwhile does so, and grants nothing that wants the key.
    let served = place.serve_as(command(&place, "serve", &settings));
    for _ in 0..2 {
        let answer = claim(&served, &minted);
        assert_eq!(answer.status(), 503, "{}", served.log());
        assert!(answer.headers().contains_key("retry-after"));
    }
    service.comes_back();
    for token in [&minted, &other] {
        // It is not asked again for a second.
        until("the token is good", || (claim(&served, token).status() == 200).then_some(()));
    }
    served.stop();

    // Root keys and store alone: somebody without KMS.
    let served = place.serve();
    let answer = served.ask("GET", "/v1/api-keys", &admin, None);
    assert_ne!(answer.0, 200, "{answer:?}");
    assert!(served.log().contains("CLOAKROOM_KMS_KEY"), "{}", served.log());
    served.stop();

    // A key that was disabled is seen at the start.
    done(KMS, "TrentService.DisableKey", &json!({ "KeyId": key }));
    let disabled = fault(&outcome(&mut command(&place, "serve", &settings)));
    assert!(disabled.contains("CLOAKROOM_KMS_KEY") && disabled.contains("DisabledException"), "{disabled}");
}

#[test]
fn a_deployment_is_put_under_a_key_of_kms_and_under_another_and_root_keys_are_replaced_without_it() {
    let (place, service) = (Place::new(), Behind::of(KMS));
    let [first, second] = [(); 2].map(|()| kms_key());
    let served = place.serve();
    let admin = place.admin_key();
    served.mint(&admin, "a.txt");
    served.stop();
    // What KMS has not encrypted yet does not wait for it.
    let settings = [("CLOAKROOM_KMS_KEY", first.as_str()), ("AWS_ENDPOINT_URL_KMS", service.url.as_str())];
    service.goes_away();
    let served = place.serve_as(command(&place, "serve", &settings));
    assert_eq!(claim(&served, &served.mint(&admin, "a.txt").1).status(), 200);
    until("that is told", || served.log().contains("could not be put under the key of KMS yet").then_some(()));
    served.stop();
    service.comes_back();
    let asked = |target: &str| service.heads.lock().unwrap().iter().filter(|head| head.contains(target)).count();
    for key in [&first, &second] {
        let settings = [("CLOAKROOM_KMS_KEY", key.as_str()), ("AWS_ENDPOINT_URL_KMS", service.url.as_str())];
        let served = place.serve_as(command(&place, "serve", &settings));
        // Those who find it elsewhere at the same time all encrypt it, and one of them stores that.
        served.mint(&admin, "a.txt");
        served.stop();
        let served = place.serve_as(command(&place, "serve", &settings));
        let (encrypted, decrypted) = (asked("TrentService.Encrypt"), asked("TrentService.Decrypt"));
        for _ in 0..3 {
            served.mint(&admin, "a.txt");
        }
        assert_eq!(asked("TrentService.Encrypt"), encrypted);
        assert!(asked("TrentService.Decrypt") <= decrypted + 1);
        served.stop();
    }
    let without = place.serve();
    assert_ne!(without.ask("GET", "/v1/api-keys", &admin, None).0, 200, "it was not put under any key of KMS");
    without.stop();
    // Nothing is under the first any more.
    done(KMS, "TrentService.DisableKey", &json!({ "KeyId": first }));
    let settings = [("CLOAKROOM_KMS_KEY", second.as_str()), ("AWS_ENDPOINT_URL_KMS", service.url.as_str())];
    service.goes_away();
    let served = place.serve_as(command(&place, "serve", &settings));
    let encrypted = asked("TrentService.Encrypt");
    let listed = said(&keys(&place, &settings, &["list"]));
    let old = listed.split_whitespace().nth(1).unwrap().to_owned();
    let staged = said(&keys(&place, &settings, &["stage"]));
    said(&keys(&place, &settings, &["promote", &staged]));
    // Events that wait to be chained want the data key; rows do not.
    service.comes_back();
    until("all rows are under the new root key", || {
        said(&keys(&place, &settings, &["list"])).contains("no row is under it").then_some(())
    });
    said(&keys(&place, &settings, &["retire", &old, "--leaked"]));
    assert_eq!(asked("TrentService.Encrypt"), encrypted);
    served.stop();
    let served = place.serve_as(command(&place, "serve", &settings));
    assert_eq!(claim(&served, &served.mint(&admin, "b.txt").1).status(), 200);
    served.stop();
}
