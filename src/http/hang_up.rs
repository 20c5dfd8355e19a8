//! Ends a connection from outside its request: nobody else can where its client takes nothing any more, since what is on
//! its way to it is never asked for again.

use std::{
    any::Any,
    net::{Shutdown, TcpStream},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{HttpRequest, dev::Extensions, rt::net};

use crate::service::event_streams::HangUp;

/// The socket of a connection, beside the one that serves it.
struct Line(Arc<TcpStream>);

/// Keeps a hand on a connection that begins.
pub(super) fn note(connection: &dyn Any, data: &mut Extensions) {
    let plain = connection.downcast_ref::<net::TcpStream>();
    let under_tls = || connection.downcast_ref::<TlsStream<net::TcpStream>>().map(|stream| stream.get_ref().0);
    // Where there is no descriptor left, a connection has to end by itself.
    let socket: Option<OwnedFd> = plain.or_else(under_tls).and_then(|socket| socket.as_fd().try_clone_to_owned().ok());
    if let Some(socket) = socket {
        data.insert(Line(Arc::new(TcpStream::from(socket))));
    }
}

/// Ends the connection of this request.
pub(super) fn of(request: &HttpRequest) -> HangUp {
    let line = request.conn_data::<Line>().map(|Line(socket)| Arc::clone(socket));
    Box::new(move || {
        // It may have ended already.
        let _ended = line.as_ref().map(|socket| socket.shutdown(Shutdown::Both));
    })
}
