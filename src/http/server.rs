//! The three listeners and what answers on each.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{Server, ServerHandle},
    middleware::{NormalizePath, from_fn},
    web,
};

use crate::{
    objects::embedded::EmbeddedStorage,
    service::{Broker, EventStreams},
};

use super::{
    content::{self, AllowedOrigins},
    edge, guards, hang_up, hosts, ops,
    problem::Problem,
    request_figures,
    request_figures::RequestFigures,
    routes,
};

/// For how long requests under way may run on when the process is told to stop.
pub const DRAIN: Duration = Duration::from_secs(20);

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// At most so many connections to the API are open at a time; more wait until one is closed. A head has 128 KiB at most,
/// so that those that are on their way take half a gibibyte.
pub const MOST_API_CONNECTIONS: usize = 4_096;

/// At most so many connections to the content listener are open at a time; more wait until one is closed. One that
/// sends a part holds three files open.
pub const MOST_CONTENT_CONNECTIONS: usize = 1_024;

/// How much is done at a time.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Threads of the API, and of the content listener.
    pub workers: usize,
    /// Connections to the API.
    pub api_connections: usize,
    /// Connections to the content listener.
    pub content_connections: usize,
}

impl Capacity {
    /// So many threads, and the usual connections.
    pub const fn of_workers(workers: usize) -> Self {
        Self { workers, api_connections: MOST_API_CONNECTIONS, content_connections: MOST_CONTENT_CONNECTIONS }
    }
}

/// A listener that is bound, and not yet served.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    /// Where it is.
    pub address: SocketAddr,
}

/// Binds an address.
///
/// # Errors
/// What the operating system says, such as that the port is in use.
pub fn bind(address: SocketAddr) -> std::io::Result<Bound> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, tls: None, address })
}

impl Bound {
    /// The same, to be served over TLS: by HTTP/1.1, whatever else a client knows (docs/adr/0013).
    pub fn over_tls(self, tls: rustls::ServerConfig) -> Self {
        Self { tls: Some(tls), ..self }
    }
}

/// The listeners that are served.
#[derive(Debug)]
pub struct Listeners {
    handles: Vec<ServerHandle>,
    running: Vec<tokio::task::JoinHandle<std::io::Result<()>>>,
    event_streams: Arc<EventStreams>,
}

impl Listeners {
    /// Serves all three.
    ///
    /// # Errors
    /// When a listener cannot be served.
    pub fn serve(
        broker: Broker,
        embedded: Option<Arc<EmbeddedStorage>>,
        [api, content, ops]: [Bound; 3],
        capacity: Capacity,
    ) -> std::io::Result<Self> {
        let event_streams = Arc::clone(&broker.event_streams);
        let figures = web::Data::new(RequestFigures::default());
        let servers = [
            serve_api(broker.clone(), figures.clone(), api, capacity)?,
            serve_content(broker.clone(), embedded, figures.clone(), content, capacity)?,
            serve_ops(broker, figures, ops)?,
        ];
        let handles = servers.iter().map(Server::handle).collect();
        let running = servers.into_iter().map(tokio::spawn).collect();
        Ok(Self { handles, running, event_streams })
    }

    /// Takes no more connections, lets requests under way end, and stops.
    pub async fn stop(self) {
        // Streams do not end by themselves.
        self.event_streams.close().await;
        futures_util::future::join_all(self.handles.iter().map(|handle| handle.stop(true))).await;
        futures_util::future::join_all(self.running).await;
    }
}

fn serve_api(
    broker: Broker,
    figures: web::Data<RequestFigures>,
    bound: Bound,
    Capacity { workers, api_connections, .. }: Capacity,
) -> std::io::Result<Server> {
    let broker = web::Data::new(broker);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(broker.clone())
            .app_data(figures.clone())
            .wrap(from_fn(guards::api))
            .wrap(from_fn(request_figures::api))
            .configure(routes::configure)
    });
    let server = server
        .workers(workers)
        // Counted by each worker for itself.
        .max_connections(api_connections.div_ceil(workers))
        .on_connect(hang_up::note)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(DRAIN.as_secs())
        .disable_signals();
    Ok(match bound.tls {
        None => server.listen(bound.listener)?,
        Some(tls) => server.listen_rustls_0_23(bound.listener, tls)?,
    }
    .run())
}

fn serve_content(
    broker: Broker,
    embedded: Option<Arc<EmbeddedStorage>>,
    figures: web::Data<RequestFigures>,
    bound: Bound,
    Capacity { workers, content_connections, .. }: Capacity,
) -> std::io::Result<Server> {
    let authority = broker.settings.content.authority.clone();
    let origins = AllowedOrigins::new([broker.settings.public_url.clone()]);
    let broker = web::Data::new(broker);
    let server = HttpServer::new(move || {
        let (authority, embedded, origins) = (authority.clone(), embedded.clone(), origins.clone());
        let own_host = authority.clone();
        App::new()
            .app_data(broker.clone())
            .app_data(figures.clone())
            .wrap(from_fn(guards::content))
            .wrap(from_fn(request_figures::content))
            .configure(|routes| edge::configure(routes, authority))
            .service(
                web::scope("")
                    .guard(actix_web::guard::fn_guard(move |context| hosts::is_for(context.head(), &own_host)))
                    .configure(move |routes| {
                        if let Some(storage) = embedded {
                            content::configure(routes, storage, origins);
                        }
                    })
                    .default_service(web::to(nothing_here)),
            )
            .default_service(web::to(wrong_host))
    });
    let server = server
        .workers(workers)
        .max_connections(content_connections.div_ceil(workers))
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(DRAIN.as_secs())
        .disable_signals();
    Ok(match bound.tls {
        None => server.listen(bound.listener)?,
        Some(tls) => server.listen_rustls_0_23(bound.listener, tls)?,
    }
    .run())
}

async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}

async fn wrong_host() -> Result<HttpResponse, Problem> {
    Err(hosts::misdirected())
}

fn serve_ops(broker: Broker, figures: web::Data<RequestFigures>, bound: Bound) -> std::io::Result<Server> {
    let broker = web::Data::new(broker);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(broker.clone())
            .app_data(figures.clone())
            .wrap(NormalizePath::trim())
            .wrap(from_fn(guards::operator))
            .configure(ops::configure)
    });
    Ok(server
        .workers(1)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(bound.listener)?
        .run())
}
