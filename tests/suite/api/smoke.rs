//! The way a share goes, from its files to the recipient's bytes.

use super::harness::Api;

pub fn a_share_is_minted_redeemed_and_used(api: &Api) {
    api.upload(api.admin(), "docs/a.txt", b"hello");
    let minted = api.mint(api.admin(), "read", &["docs/a.txt"]);
    assert_eq!(minted.url, format!("http://127.0.0.1:{}/s#{}", api.ports[0], minted.token));
    let session = api.open(&minted);
    assert_eq!(api.get(&session.token, "/v1/session").text("id"), session.id);
    assert_eq!(api.paths(&session.token, "/v1/session/objects"), ["docs/a.txt"]);
    assert_eq!(api.download(&session.token, "/v1/session/downloads", "docs/a.txt"), b"hello");
}
