//! `cloakroom webhook`, as it is typed.

use super::process::{Place, fault, said, wrote};

#[test]
fn webhooks_are_handled_from_the_command_line() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    let run = |arguments: &[&str]| served.client(&key, &[&["webhook"], arguments].concat());
    // To this machine, as the server finds out when it sends.
    let to = "https://localhost:8443/hook";
    let (made, remark) = wrote(&run(&["create", to, "--type", "share.*", "--description", "Ours"]), 0);
    assert!(remark.contains("shown this once") && !remark.contains("whsec_"), "{remark}");
    let (id, secret) = made.trim_end().split_once("  ").unwrap();
    assert!(id.starts_with("whk_") && secret.starts_with("whsec_"), "{made}");
    assert_eq!(said(&run(&["list"])), format!("{id}  active  {to}  share.*  Ours"));
    assert!(fault(&run(&["create", "https://127.0.0.1/"])).contains("must not be an address of this machine"));
    assert!(fault(&run(&["test", id])).contains("leads to an address that nothing is sent to"));

    assert!(said(&run(&["pause", id])).contains("  paused  "));
    assert!(said(&run(&["show", id])).contains("somebody wanted that"));
    assert!(said(&run(&["resume", id])).contains("  active  "));
    let moved = said(&run(&["change", id, "--to", "https://hooks.invalid/", "--all-types"]));
    assert!(moved.contains("https://hooks.invalid/  all"), "{moved}");
    let rotated = said(&run(&["rotate", id, "--overlap", "60"]));
    assert!(rotated.starts_with(id) && !rotated.contains(secret), "{rotated}");
    assert!(said(&run(&["show", id])).contains("the secret before signs along until"));
    assert_eq!(said(&run(&["pause", id])).lines().count(), 1);
    assert!(fault(&run(&["replay", id, "1000000"])).contains("nothing here"));
    said(&run(&["replay", id, "--after", "1"]));
    said(&run(&["deliveries", id]));
    wrote(&run(&["remove", id]), 0);
    assert_eq!(said(&run(&["list"])), "");
    served.stop();
}
