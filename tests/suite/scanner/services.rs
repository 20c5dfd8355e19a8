//! Services that scan.

use super::*;

/// What a service got.
struct Request {
    head: String,
    body: usize,
}

/// A service that reads everything and then answers this to every request.
fn answering(status: &'static str, body: &'static str) -> (String, mpsc::Receiver<Request>) {
    let (sender, receiver) = mpsc::channel();
    let url = serving(move |mut connection| {
        let (head, length) = read_head(&mut connection);
        let mut body_read = 0;
        let mut piece = vec![0; PIECE];
        while body_read < length {
            match connection.read(&mut piece).unwrap_or_default() {
                0 => break,
                read => body_read += read,
            }
        }
        // Whoever does not look at it has dropped the other end.
        let _heard = sender.send(Request { head, body: body_read });
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        let _written = connection.write_all(answer.as_bytes());
    });
    (url, receiver)
}

/// A service that does this with every connection.
fn serving(work: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/scan", listener.local_addr().unwrap());
    let work = Arc::new(work);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let work = work.clone();
            thread::spawn(move || work(connection.unwrap()));
        }
    });
    url
}

fn read_head(connection: &mut TcpStream) -> (String, usize) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap_or_default() == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|text| text.parse().unwrap());
    (head, length.unwrap_or_default())
}

fn scanner(url: &str, patience: Duration) -> HttpScanner {
    HttpScanner::new(url, patience, 2).unwrap()
}

fn asked(status: &'static str, body: &'static str) -> Result<Verdict, Unavailable> {
    scan(&scanner(&answering(status, body).0, AGES), b"hello")
}

#[test]
fn the_answer_is_the_verdict() {
    assert_eq!(asked("200 OK", r#"{"verdict":"clean"}"#), Ok(Verdict::Clean));
    assert_eq!(asked("200 OK", r#"{"verdict":"infected","signature":"Eicar-Test"}"#), infected("Eicar-Test"));
    assert_eq!(asked("200 OK", r#"{"verdict":"infected","signature":"a\u001b[31m"}"#), infected("a\u{fffd}[31m"));
}

#[test]
fn anything_else_is_no_verdict() {
    const CLEAN: &str = r#"{"verdict":"clean"}"#;
    for (status, body, words) in [
        ("200 OK", "", "no verdict"),
        ("200 OK", "clean", "no verdict"),
        ("200 OK", "{}", "no verdict"),
        ("200 OK", r#"{"verdict":"CLEAN"}"#, "no verdict"),
        ("200 OK", r#"{"verdict":"unknown"}"#, "no verdict"),
        ("200 OK", r#"{"verdict":"infected"}"#, "no verdict"),
        ("200 OK", r#"{"verdict":"clean","signature":"Eicar"}"#, "no verdict"),
        ("200 OK", r#"{"verdict":"clean","error":"engine down"}"#, "no verdict"),
        ("200 OK", r#"{"verdict":"clean"} {"verdict":"infected"}"#, "no verdict"),
        ("201 Created", CLEAN, "201"),
        ("204 No Content", "", "204"),
        ("302 Found\r\nLocation: http://127.0.0.1:1/", CLEAN, "302"),
        ("404 Not Found", CLEAN, "404"),
        ("500 Internal Server Error", CLEAN, "500"),
        ("503 Service Unavailable", CLEAN, "503"),
    ] {
        assert_unavailable(asked(status, body), words);
    }
}

#[test]
fn it_gets_the_bytes_with_type_and_length_and_no_path() {
    let (url, requests) = answering("200 OK", r#"{"verdict":"clean"}"#);
    assert_eq!(scan(&scanner(&url, AGES), b"hello, scanner"), Ok(Verdict::Clean));
    let request = requests.recv().unwrap();
    assert_eq!(request.body, 14);
    for line in [
        "post /scan http/1.1",
        "content-length: 14",
        "content-type: text/x-test",
        &format!("cloakroom-upload: {}", UploadId::from_bytes([7; 16])),
        &format!("cloakroom-sha256: {}", "09".repeat(32)),
    ] {
        assert!(request.head.lines().any(|found| found == line), "{line}: {}", request.head);
    }
    assert!(!request.head.contains("transfer-encoding"), "{}", request.head);
}

#[test]
fn nobody_who_answers_is_no_verdict() {
    let (_taken, nobody) = crate::program::process::nobody();
    assert_unavailable(scan(&scanner(&format!("http://{nobody}/"), AGES), b"x"), "cannot be asked");
    assert_unavailable(scan(&scanner(&serving(drop), AGES), b"x"), "cannot be asked");
    assert!(HttpScanner::new("http://a b", AGES, 1).is_err());
}

#[test]
fn who_hangs_is_not_waited_for() {
    // Reads everything and says nothing; the connection stays open.
    let (keep, kept) = mpsc::channel();
    let url = serving(move |mut connection| {
        let (_, length) = read_head(&mut connection);
        connection.read_exact(&mut vec![0; length]).unwrap();
        keep.send(connection).unwrap();
    });
    assert!(scan(&scanner(&url, MOMENT), b"hello").is_err());
    drop(kept);
    // Says that there is more than comes.
    let url = serving(|mut connection| {
        read_head(&mut connection);
        let _written = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"verdict\":\"clean\"}");
        let _rest = connection.read_to_end(&mut Vec::new());
    });
    assert!(scan(&scanner(&url, MOMENT), b"hello").is_err());
    // And bytes that never come are not waited for either.
    let url = answering("200 OK", r#"{"verdict":"clean"}"#).0;
    assert_unavailable(scan_stream(&scanner(&url, MOMENT), 5, stream::pending().boxed()), "");
}

#[test]
fn an_answer_before_the_end_is_no_verdict() {
    let url = serving(|mut connection| {
        read_head(&mut connection);
        let body = r#"{"verdict":"clean"}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _written = connection.write_all((head + body).as_bytes());
    });
    let (bytes, _) = pieces(1_024);
    assert!(scan_stream(&scanner(&url, AGES), 1_024 * PIECE as u64, bytes).is_err());
}

#[test]
fn a_part_never_passes_for_the_whole() {
    let (url, _) = answering("200 OK", r#"{"verdict":"clean"}"#);
    // Broken off in the middle; and after the last byte, when the service has all it was told of.
    for declared in [10, 4] {
        assert_unavailable(scan_stream(&scanner(&url, AGES), declared, broken(b"half")), "as planned by the test");
    }
    for (declared, words) in [(3, "more bytes"), (5, "fewer bytes")] {
        let bytes = stream::iter([Ok(b"four"[..].into())]).boxed();
        assert_unavailable(scan_stream(&scanner(&url, AGES), declared, bytes), words);
    }
}

#[test]
fn a_huge_answer_is_not_kept() {
    let url = serving(|mut connection| {
        let (_, length) = read_head(&mut connection);
        connection.read_exact(&mut vec![0; length]).unwrap();
        let _written = connection.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while connection.write_all(&[b' '; PIECE]).is_ok() {}
    });
    assert_unavailable(scan(&scanner(&url, AGES), b"hello"), "cannot be read");
}

#[test]
fn a_big_upload_is_read_no_faster_than_it_is_scanned() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let url = serving(move |mut connection| {
        let (_, length) = read_head(&mut connection);
        may_go_on.lock().unwrap().recv().unwrap();
        let mut piece = vec![0; PIECE];
        let mut left = length;
        while left > 0 {
            let wanted = left.min(PIECE);
            left -= connection.read(&mut piece[..wanted]).unwrap();
        }
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"verdict\":\"clean\"}").unwrap();
    });
    // 64 MiB, of which the sockets between the two take a few.
    let (bytes, made) = pieces(1_024);
    let (scanner, runtime) = (scanner(&url, AGES), runtime());
    let scan = runtime.spawn(async move { scanner.scan(&about(1_024 * PIECE as u64), bytes).await });
    until("it has begun", || (made.load(Ordering::SeqCst) > 0).then_some(()));
    assert!(made.load(Ordering::SeqCst) <= 256, "pieces are held in memory");
    go_on.send(()).unwrap();
    assert_eq!(runtime.block_on(scan).unwrap(), Ok(Verdict::Clean));
    assert_eq!(made.load(Ordering::SeqCst), 1_024);
}
