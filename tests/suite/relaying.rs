//! A relay before a server: it sees the head of each request, and lets it pass or not.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// A request of which only the head was read. One on each connection.
pub struct Arriving {
    pub client: TcpStream,
    /// Method, target and version.
    pub line: String,
    pub headers: String,
}

/// Hands each request to this, for as long as the tests run. The relay's address.
pub fn relay(meet: impl Fn(Arriving) -> io::Result<()> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let meet = Arc::new(meet);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let meet = meet.clone();
            // A connection that breaks off is its client's business.
            thread::spawn(move || meet(Arriving::read(connection.unwrap())?));
        }
    });
    url
}

impl Arriving {
    fn read(mut client: TcpStream) -> io::Result<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let text = String::from_utf8(head).unwrap();
        let (line, headers) = text.split_once("\r\n").unwrap();
        Ok(Self { client, line: line.into(), headers: headers.into() })
    }

    /// A connection to the server on which only the head was sent.
    pub fn begun(&self, behind: &str) -> io::Result<TcpStream> {
        let mut server = TcpStream::connect(behind)?;
        let others =
            self.headers.split_inclusive("\r\n").filter(|line| !line.to_lowercase().starts_with("connection:"));
        let head = format!("{}\r\nConnection: close\r\n{}", self.line, others.collect::<String>());
        server.write_all(head.as_bytes())?;
        Ok(server)
    }

    /// Lets it pass; `answered` is told the status before the client is.
    pub fn pass(mut self, behind: &str, answered: impl FnOnce(&str)) -> io::Result<()> {
        let mut server = self.begun(behind)?;
        let (mut from_client, mut to_server) = (self.client.try_clone()?, server.try_clone()?);
        thread::spawn(move || {
            io::copy(&mut from_client, &mut to_server)?;
            // A client that goes away goes away from the server, too.
            to_server.shutdown(Shutdown::Write)
        });
        let mut begin = [0; "HTTP/1.1 200".len()];
        server.read_exact(&mut begin)?;
        answered(std::str::from_utf8(&begin).unwrap().rsplit(' ').next().unwrap());
        self.client.write_all(&begin)?;
        io::copy(&mut server, &mut self.client)?;
        self.client.shutdown(Shutdown::Both)
    }

    /// Lets it pass, and keeps the answer.
    pub fn pass_and_lose(self, behind: &str) -> io::Result<()> {
        let mut server = self.begun(behind)?;
        let (mut from_client, mut to_server) = (self.client.try_clone()?, server.try_clone()?);
        thread::spawn(move || io::copy(&mut from_client, &mut to_server));
        io::copy(&mut server, &mut io::sink())?;
        self.client.shutdown(Shutdown::Both)
    }

    pub fn refuse(mut self) -> io::Result<()> {
        self.client.write_all(b"HTTP/1.1 403 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")?;
        // What still comes is read, or the client would lose the answer.
        self.client.shutdown(Shutdown::Write)?;
        io::copy(&mut self.client, &mut io::sink()).map(|_| ())
    }

    pub fn break_off(self) -> io::Result<()> {
        self.client.shutdown(Shutdown::Both)
    }
}
