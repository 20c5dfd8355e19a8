//! Removing for good.

use cloakroom::{
    domain::{
        ids::{ArtifactId, ExportId, ObjectId},
        path::VaultPath,
    },
    objects::{ArtifactLabel, Doomed, InboxSecret, ObjectFolder, ObjectKey},
};

use super::bench::{Bench, content_type, namespace, random};

fn erase(bench: &Bench, doomed: &Doomed) -> u64 {
    let mut erased = 0;
    loop {
        match bench.wait(bench.storage.erase(doomed)).unwrap() {
            0 => return erased,
            some => erased += some,
        }
    }
}

pub fn everything_goes_in_every_version_and_nothing_else(bench: &Bench) {
    let (namespace, other) = (namespace(), namespace());
    let key = |namespace| ObjectKey::vault(namespace, ObjectId::from_bytes(random()));
    let (twice, deleted, stays) = (key(namespace), key(namespace), key(other));
    for key in [&twice, &twice, &deleted, &stays] {
        bench.put(key, "text/plain", b"seven b");
    }
    bench.wait(bench.storage.delete(&deleted)).unwrap();
    let arriving = ObjectKey::inbox(namespace, InboxSecret(random()));
    let upload = bench.wait(bench.storage.begin_multipart(&arriving, &content_type("text/plain"), false)).unwrap();
    let folders =
        [ObjectFolder::Vault(namespace), ObjectFolder::Inbox(namespace), ObjectFolder::Checkpoints(namespace)];
    assert!(bench.versions_below(&folders[0].prefix()) > 0);
    for folder in folders {
        erase(bench, &Doomed::folder(folder));
        assert_eq!(bench.versions_below(&folder.prefix()), 0, "{folder:?}");
        assert_eq!(erase(bench, &Doomed::folder(folder)), 0);
    }
    // Where parts cannot be found by their key, they go with their upload.
    bench.wait(bench.storage.abort_multipart(&arriving, &upload)).unwrap();
    assert_eq!(bench.unfinished(&arriving), 0);
    assert!(bench.wait(bench.storage.head(&twice)).unwrap().is_none());
    assert!(bench.wait(bench.storage.head(&stays)).unwrap().is_some());
    // A folder that was removed takes objects again.
    bench.put(&twice, "text/plain", b"seven b");
    assert_eq!(erase(bench, &Doomed::folder(folders[0])), 1);
}

pub fn known_objects_go_too(bench: &Bench) {
    let (namespace, export) = (namespace(), ExportId::from_bytes(random()));
    let (label, other) =
        (ArtifactLabel::of(ArtifactId::from_bytes(random())), ArtifactLabel::of(ArtifactId::from_bytes(random())));
    let key = |label: &ArtifactLabel, path: &str| {
        ObjectKey::artifact(namespace.tenant, label, &VaultPath::parse(path).unwrap())
    };
    let exported = ObjectKey::export(namespace, export, "manifest.json");
    let files = [key(&label, "a.html"), key(&label, "b/c.html")];
    for key in files.iter().chain([&exported, &key(&other, "a.html")]) {
        bench.put(key, "text/html", b"seven b");
    }
    assert_eq!(erase(bench, &Doomed::artifact(&label, files.to_vec())), 2);
    assert_eq!(erase(bench, &Doomed::exports(namespace, vec![exported.clone()])), 1);
    for gone in files.iter().chain([&exported]) {
        assert!(bench.wait(bench.storage.head(gone)).unwrap().is_none());
    }
    assert!(bench.wait(bench.storage.head(&key(&other, "a.html"))).unwrap().is_some());
}
