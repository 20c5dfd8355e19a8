//! What the content listener says to senders of parts beyond the suite: with a
//! full disk, to two at once, and when a connection is lost.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::fs::symlink,
};

use super::{
    bench::{Answer, Bench, send},
    embedded_parts::folder_of_upload,
    parts::{begun, bytes},
};

fn kind_of(answer: &Answer) -> String {
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    document["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
}

/// The device that answers every write as a full disk does stands in for one.
#[test]
fn a_full_disk_is_said_and_leaves_no_part() {
    let bench = Bench::embedded();
    let (upload, sent) = (begun(&bench, false), bytes(600_000, 1));
    upload.send(1, &sent);
    let data = folder_of_upload(bench.folder()).unwrap().join("data");
    let aside = data.with_extension("aside");
    fs::rename(&data, &aside).unwrap();
    symlink("/dev/full", &data).unwrap();
    for number in [1, 2] {
        let answer = send(&upload.signed(number, &sent), &sent);
        assert_eq!((answer.status, kind_of(&answer).as_str()), (507, "storage-full"), "{answer:?}");
        assert_eq!(upload.parts(), Some(Vec::new()));
    }
    fs::rename(&aside, &data).unwrap();
    upload.send(1, &sent);
    upload.complete_all().unwrap();
    assert!(bench.bytes(&upload.key).unwrap() == sent);
}

#[test]
fn refusals_of_parts_have_names_of_their_own() {
    let bench = Bench::embedded();
    let upload = begun(&bench, false);
    let signed = upload.signed(1, b"x");
    // A sender that has said what it will send, was told to go on, and waits.
    let mut waiting = TcpStream::connect(signed.url.split('/').nth(2).unwrap()).unwrap();
    let path = &signed.url[signed.url.find("/o/").unwrap()..];
    let head = format!("PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n");
    waiting.write_all(head.as_bytes()).unwrap();
    let mut line = [0; 12];
    waiting.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 100");
    let busy = send(&signed, b"x");
    assert_eq!((busy.status, kind_of(&busy).as_str()), (409, "part-in-progress"));
    // And has gone when its connection has.
    waiting.shutdown(Shutdown::Both).unwrap();
    while send(&signed, b"x").status == 409 {}
    assert_eq!(upload.parts().unwrap().len(), 1);
    upload.abort();
    let ended = send(&signed, b"x");
    assert_eq!((ended.status, kind_of(&ended).as_str()), (404, "upload-ended"));
}

#[test]
fn a_lost_connection_leaves_no_part() {
    let bench = Bench::embedded();
    let (upload, sent) = (begun(&bench, false), bytes(700_000, 1));
    let signed = upload.signed(1, &sent);
    let path = &signed.url[signed.url.find("/o/").unwrap()..];
    for length in [0, 15, 699_999] {
        let mut stream = TcpStream::connect(signed.url.split('/').nth(2).unwrap()).unwrap();
        let head = format!("PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 700000\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &sent[..length]].concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // A connection that is reset has been answered too: with nothing.
        let _ = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
        assert_eq!(upload.parts(), Some(Vec::new()));
    }
    upload.send(1, &sent);
    assert_eq!(upload.parts().unwrap().len(), 1);
}

#[test]
fn another_length_is_refused_before_anything_is_read() {
    let bench = Bench::embedded();
    let upload = begun(&bench, false);
    let signed = upload.signed(1, b"what was agreed");
    let path = &signed.url[signed.url.find("/o/").unwrap()..];
    for (length, answer) in [("content-length: 14\r\n", "400"), ("content-length: 16\r\n", "400"), ("", "411")] {
        // The sender waits, and must be told all the same.
        let mut stream = TcpStream::connect(signed.url.split('/').nth(2).unwrap()).unwrap();
        stream.write_all(format!("PUT {path} HTTP/1.1\r\nhost: x\r\n{length}\r\n").as_bytes()).unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        assert_eq!(line[..], *format!("HTTP/1.1 {answer}").as_bytes(), "{length}");
    }
}
