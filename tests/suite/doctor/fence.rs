//! A fence before an emulator, which lets nothing pass that carries no
//! signature: with it LocalStack is as strict as S3, but for its forms.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

/// What becomes of forms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Forms {
    /// They pass, whatever is in them.
    Pass,
    /// There are none.
    Refused,
}

/// The address of a fence before this endpoint. It stands until the tests end.
pub fn before(endpoint: &str, forms: Forms) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let behind = endpoint.strip_prefix("http://").unwrap().to_owned();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let behind = behind.clone();
            // A connection that breaks off is its client's business.
            thread::spawn(move || pass(connection.unwrap(), &behind, forms));
        }
    });
    url
}

/// One request a connection.
fn pass(mut client: TcpStream, behind: &str, forms: Forms) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    let (line, headers) = text.split_once("\r\n").unwrap();
    let is_form = line.starts_with("POST ");
    let is_signed = line.contains("X-Amz-Signature=") || headers.to_lowercase().contains("authorization: aws4-");
    if is_form && forms == Forms::Refused || !is_form && !is_signed {
        client.write_all(b"HTTP/1.1 403 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")?;
        // What still comes is read, or the client would lose the answer.
        client.shutdown(Shutdown::Write)?;
        io::copy(&mut client, &mut io::sink())?;
        return Ok(());
    }
    let mut server = TcpStream::connect(behind)?;
    let others = headers.split_inclusive("\r\n").filter(|line| !line.to_lowercase().starts_with("connection:"));
    server.write_all(format!("{line}\r\nConnection: close\r\n{}", others.collect::<String>()).as_bytes())?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from_client, &mut to_server));
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}
