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
    edge, guards, hang_up, hosts,
    leaving::{self, Leaving},
    ops,
    problem::Problem,
    request_figures,
    request_figures::RequestFigures,
    routes,
};

/// For how long requests under way may run on when the process is told to stop.
pub const DRAIN: Duration = Duration::from_secs(20);

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For how long a connection stays open on which nothing is asked.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The same behind proxies: longer than they keep one (Amazon's for 60 seconds), since a request that is on its way when
/// a connection is closed gets no answer.
const KEEP_ALIVE_BEHIND_PROXIES: Duration = Duration::from_secs(75);

fn keep_alive(broker: &Broker) -> Duration {
    if broker.settings.now().trusted_proxies.is_empty() { KEEP_ALIVE } else { KEEP_ALIVE_BEHIND_PROXIES }
}

/// So many connections to the API are open at a time at most, where nothing else is set. A head has 128 KiB at most, so that those that
/// are on their way take half a gibibyte.
const API_CONNECTIONS: usize = 4_096;

/// At most so many connections to the content listener are open at a time; more wait until one is closed. One that
/// sends a part holds three files open.
pub const MOST_CONTENT_CONNECTIONS: usize = 1_024;

/// How much is done at a time.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Threads of the API, and of the content listener.
    pub workers: usize,
    /// Connections to the API that are open at a time; more wait until one is closed.
    pub api_connections: usize,
    /// Connections to the content listener.
    pub content_connections: usize,
}

impl Capacity {
    /// So many threads, and the usual connections.
    pub const fn of_workers(workers: usize) -> Self {
        Self { workers, api_connections: API_CONNECTIONS, content_connections: MOST_CONTENT_CONNECTIONS }
    }

    /// With so many connections to the API, where that is said.
    pub fn with_api_connections(self, connections: Option<usize>) -> Self {
        Self { api_connections: connections.unwrap_or(self.api_connections), ..self }
    }

    /// Open files that all connections at a time may need: the API's hold two each, the content's three.
    pub const fn open_files(self) -> u64 {
        (2 * self.api_connections + 3 * self.content_connections + 256) as u64
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
    leaving: web::Data<Leaving>,
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
        let leaving = web::Data::new(Leaving::default());
        let told = || (figures.clone(), leaving.clone());
        let servers = [
            serve_api(broker.clone(), told(), api, capacity)?,
            serve_content(broker.clone(), embedded, told(), content, capacity)?,
            serve_ops(broker, told(), ops)?,
        ];
        let handles = servers.iter().map(Server::handle).collect();
        let running = servers.into_iter().map(tokio::spawn).collect();
        Ok(Self { handles, running, event_streams, leaving })
    }

    /// Says from now on that it is not ready, and goes on answering.
    pub fn begin_to_leave(&self) {
        self.leaving.begin();
    }

    /// Takes no more connections, lets requests under way end, and stops.
    pub async fn stop(self) {
        // Streams do not end by themselves.
        self.event_streams.close().await;
        futures_util::future::join_all(self.handles.iter().map(|handle| handle.stop(true))).await;
        futures_util::future::join_all(self.running).await;
    }
}

/// What all threads of a listener share beside the broker.
type Told = (web::Data<RequestFigures>, web::Data<Leaving>);

fn serve_api(
    broker: Broker,
    (figures, leaving): Told,
    bound: Bound,
    Capacity { workers, api_connections, .. }: Capacity,
) -> std::io::Result<Server> {
    let keep_alive = keep_alive(&broker);
    let broker = web::Data::new(broker);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(broker.clone())
            .app_data(figures.clone())
            .app_data(leaving.clone())
            .wrap(from_fn(guards::api))
            .wrap(from_fn(request_figures::api))
            .wrap(from_fn(leaving::last_answers))
            .configure(routes::configure)
    });
    let server = server
        .workers(workers)
        // Counted by each worker for itself.
        .max_connections(api_connections.div_ceil(workers))
        .on_connect(hang_up::note)
        .keep_alive(keep_alive)
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
    (figures, leaving): Told,
    bound: Bound,
    Capacity { workers, content_connections, .. }: Capacity,
) -> std::io::Result<Server> {
    let authority = broker.settings.content.authority.clone();
    let origins = AllowedOrigins::new([broker.settings.public_url.clone()]);
    let keep_alive = keep_alive(&broker);
    let broker = web::Data::new(broker);
    let server = HttpServer::new(move || {
        let (authority, embedded, origins) = (authority.clone(), embedded.clone(), origins.clone());
        let own_host = authority.clone();
        App::new()
            .app_data(broker.clone())
            .app_data(figures.clone())
            .app_data(leaving.clone())
            .wrap(from_fn(guards::content))
            .wrap(from_fn(request_figures::content))
            .wrap(from_fn(leaving::last_answers))
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
        .keep_alive(keep_alive)
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

fn serve_ops(broker: Broker, (figures, leaving): Told, bound: Bound) -> std::io::Result<Server> {
    let broker = web::Data::new(broker);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(broker.clone())
            .app_data(figures.clone())
            .app_data(leaving.clone())
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
