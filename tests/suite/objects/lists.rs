//! Lists of objects.

use cloakroom::{
    domain::{
        ids::{ObjectId, TenantId},
        instant::Instant,
        tenant::{Mode, Namespace},
    },
    objects::{InboxSecret, ListedObject, ObjectFolder, ObjectKey},
};

use super::{
    bench::{Bench, content_type, namespace, random},
    parts::Upload,
};

fn list(bench: &Bench, folder: ObjectFolder, after: Option<&ObjectKey>) -> Vec<ListedObject> {
    bench.wait(bench.storage.list(&folder, after)).unwrap()
}

fn keys(listed: &[ListedObject]) -> Vec<ObjectKey> {
    listed.iter().map(|object| object.key.clone()).collect()
}

fn sorted(mut keys: Vec<ObjectKey>) -> Vec<ObjectKey> {
    keys.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    keys
}

/// Ids of one hour and of others, and secrets that begin alike and differently.
fn filled(bench: &Bench, namespace: Namespace) -> [Vec<ObjectKey>; 2] {
    let id = |first: u8| {
        let mut bytes: [u8; 16] = random();
        bytes[0] = first;
        ObjectKey::vault(namespace, ObjectId::from_bytes(bytes))
    };
    let secret = |first: u8| {
        let mut bytes: [u8; 32] = random();
        bytes[0] = first;
        ObjectKey::inbox(namespace, InboxSecret(bytes))
    };
    let folders = [[7, 0, 255, 7].map(secret).to_vec(), [9, 9, 1].map(id).to_vec()];
    for key in folders.iter().flatten() {
        bench.put(key, "text/plain", b"seven b");
    }
    folders.map(sorted)
}

pub fn a_folder_is_listed_in_the_order_of_keys(bench: &Bench) {
    let namespace = namespace();
    let [inbox, vault] = filled(bench, namespace);
    for (folder, there) in [(ObjectFolder::Inbox(namespace), inbox), (ObjectFolder::Vault(namespace), vault)] {
        let listed = list(bench, folder, None);
        assert_eq!(keys(&listed), there);
        for object in listed {
            assert_eq!(object.size, 7);
            // 2026-01-01 to 2100-01-01.
            let created_at = object.created_at;
            let plausible = Instant::from_unix_seconds(1_767_225_600)..Instant::from_unix_seconds(4_102_444_800);
            assert!(plausible.contains(&created_at), "{created_at}");
        }
    }
}

pub fn a_list_goes_on_after_any_key(bench: &Bench) {
    let namespace = namespace();
    let [inbox, vault] = filled(bench, namespace);
    let absent = |id: u8| ObjectKey::vault(namespace, ObjectId::from_bytes([id; 16]));
    for (folder, there) in [(ObjectFolder::Inbox(namespace), inbox), (ObjectFolder::Vault(namespace), vault.clone())] {
        for (before, key) in there.iter().enumerate() {
            assert_eq!(keys(&list(bench, folder, Some(key))), there[before + 1..]);
        }
    }
    let folder = ObjectFolder::Vault(namespace);
    assert_eq!(keys(&list(bench, folder, Some(&absent(0)))), vault);
    assert_eq!(keys(&list(bench, folder, Some(&absent(2)))), vault[1..]);
    assert_eq!(keys(&list(bench, folder, Some(&absent(255)))), []);
    bench.wait(bench.storage.delete(&vault[1])).unwrap();
    assert_eq!(keys(&list(bench, folder, None)), [vault[0].clone(), vault[2].clone()]);
    assert_eq!(keys(&list(bench, folder, Some(&vault[1]))), vault[2..]);
}

pub fn a_list_ends_at_the_walls_of_its_namespace(bench: &Bench) {
    let mine = namespace();
    let [inbox, vault] = filled(bench, mine);
    let mut next = *mine.tenant.as_bytes();
    next[15] = next[15].wrapping_add(1);
    for other in
        [Namespace { mode: Mode::Live, ..mine }, Namespace { tenant: TenantId::from_bytes(next), ..mine }, namespace()]
    {
        assert_eq!(keys(&list(bench, ObjectFolder::Inbox(other), None)), []);
        assert_eq!(keys(&list(bench, ObjectFolder::Vault(other), inbox.first())), []);
        filled(bench, other);
    }
    assert_eq!(keys(&list(bench, ObjectFolder::Inbox(mine), None)), inbox);
    assert_eq!(keys(&list(bench, ObjectFolder::Vault(mine), None)), vault);
}

pub fn an_upload_in_parts_is_listed_when_it_is_completed(bench: &Bench) {
    let namespace = namespace();
    let key = ObjectKey::inbox(namespace, InboxSecret(random()));
    let id = bench.wait(bench.storage.begin_multipart(&key, &content_type("text/plain"), false)).unwrap();
    let upload = Upload { bench, key: key.clone(), id, part_checksums: false };
    upload.send(1, b"seven b");
    assert_eq!(keys(&list(bench, ObjectFolder::Inbox(namespace), None)), []);
    upload.complete_all().unwrap();
    let listed = list(bench, ObjectFolder::Inbox(namespace), None);
    assert_eq!((keys(&listed), listed[0].size), (vec![key], 7));
}
