//! A fence before an emulator, which lets nothing pass that carries no
//! signature: with it LocalStack is as strict as S3, but for its forms.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

/// What passes of one kind of requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// All of them, whatever is in them.
    All,
    /// Those that carry a signature in their head. Forms carry it in their body.
    Signed,
    /// None.
    Nothing,
}

/// What passes; of everything else what is signed.
#[derive(Clone, Copy)]
pub struct Fence {
    pub forms: Pass,
    /// Uploads in parts: beginning them, their parts, and what becomes of them.
    pub parts: Pass,
}

impl Fence {
    /// The address of this fence before this endpoint. It stands until the tests end.
    pub fn before(self, endpoint: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = endpoint.strip_prefix("http://").unwrap().to_owned();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let behind = behind.clone();
                // A connection that breaks off is its client's business.
                thread::spawn(move || self.pass(connection.unwrap(), &behind));
            }
        });
        url
    }

    fn lets_pass(self, line: &str, headers: &str) -> bool {
        let is_signed = line.contains("X-Amz-Signature=") || headers.to_lowercase().contains("authorization: aws4-");
        let is_of_parts = line.contains("uploadId=") || line.contains("?uploads");
        let wanted = match () {
            () if is_of_parts => self.parts,
            () if line.starts_with("POST ") && !is_signed => self.forms,
            () => Pass::Signed,
        };
        wanted == Pass::All || wanted == Pass::Signed && is_signed
    }

    /// One request a connection.
    fn pass(self, mut client: TcpStream, behind: &str) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let text = String::from_utf8(head).unwrap();
        let (line, headers) = text.split_once("\r\n").unwrap();
        if !self.lets_pass(line, headers) {
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
}
