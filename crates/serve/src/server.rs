//! Binding, accepting, draining.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use loquat_spec::Resources;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::config::ServeConfig;
use crate::cors::Cors;
use crate::error::ServeError;
use crate::exchange::Edge;
use crate::host::{App, Phase};
use crate::keys::Doorman;
use crate::metrics::Metrics;
use crate::patience::Patient;
use crate::resources::{Declared, Importing, Serving};
use crate::routes::router;
use crate::tls::Tls;
use crate::traces::Traces;
use crate::wake::Waker;

/// Most open connections; further ones wait in the operating system's backlog.
const MOST_CONNECTIONS: usize = 16_384;
/// Longest time for a request's head to arrive, the idle time of a kept connection included.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// Requests under way at once on one connection of HTTP/2.
const MOST_STREAMS: u32 = 256;
/// How the preface of HTTP/2 begins.
const HTTP2_START: &[u8; 3] = b"PRI";
/// Pause between two looks at a connection whose first bytes tell too little.
const PEEK_PAUSE: Duration = Duration::from_millis(2);
/// Pause after a failed accept: out of file descriptors is a state that ends only when a connection does.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Longest time for a TLS handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Pause between two looks at the files of keys and of the certificate.
const FOLLOW: Duration = Duration::from_millis(500);
/// Pause between two looks at what is still in flight.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

/// What connections are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Run,
    /// End after the request in flight.
    Finish,
    /// End now.
    Abort,
}

/// Serves until `shutdown` resolves and the requests in flight have ended. `ready` is called once, with the address
/// bound, after the endpoints have been loaded as far as they can be.
///
/// After the signal `/health/ready` answers 503; connections are accepted until no request is in flight (at most half
/// of `config.drain`), then refused; what is still in flight when `config.drain` has passed is cut off.
pub async fn serve(
    config: ServeConfig,
    ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let guarded = config.keys.is_some() || config.insecure;
    let exposed = |listen: &SocketAddr| !listen.ip().to_canonical().is_loopback() && !guarded;
    if let Some(listen) = [Some(config.listen), config.grpc_listen].into_iter().flatten().find(exposed) {
        return Err(ServeError::Exposed { listen });
    }
    let doorman = Doorman::new(config.keys)?;
    let tls = config.tls.map(Tls::new).transpose()?.map(Arc::new);
    let (listener, address) = bind(config.listen).await?;
    let second = match config.grpc_listen {
        Some(listen) => Some(bind(listen).await?),
        None => None,
    };
    let traces = config.otlp_endpoint.as_deref().map(Traces::to).transpose();
    let traces = traces.map_err(|source| ServeError::Thread { source })?;
    let (waker, messages) = Waker::new();
    let serving = Serving::new(config.servers, config.folder, config.launcher);
    let app = Arc::new(App::new(
        (config.store, serving, config.importer.is_some()),
        (config.max_body, config.compute),
        (doorman, Cors::new(&config.origins)),
        (Declared::new(config.resources, config.applied), waker),
        (Metrics::new(config.tei_metrics), traces),
    ));
    app.follow_servers().map_err(|source| ServeError::Thread { source })?;
    let (follower, looked) =
        crate::watch::follow(Arc::clone(&app), messages, (config.threads, config.memory))
            .map_err(|source| ServeError::Thread { source })?;
    let importing = config.importer.map(|importer| Importing::start(Arc::clone(&app), importer)).transpose();
    let importing = importing.map_err(|source| ServeError::Thread { source })?;
    let edge = Edge { router: router(Arc::clone(&app)), app: Arc::clone(&app) };
    let (signal, told) = watch::channel(Signal::Run);
    let mut accepting = JoinSet::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    for (listener, address) in [Some((listener, address)), second].into_iter().flatten() {
        tracing::debug!(%address, "listening");
        let told = (told.clone(), Arc::clone(&places));
        accepting.spawn(accept_task(listener, tls.clone(), edge.clone(), told));
    }
    let mut following = JoinSet::new();
    following.spawn(follow_task(Arc::clone(&app), tls));
    if let Some(changes) = config.changes {
        following.spawn(resources_task(Arc::clone(&app), changes));
    }
    let mut shutdown = pin!(shutdown);
    let ended = tokio::select! {
        biased;
        () = &mut shutdown => true,
        _ = looked => false,
    };
    if !ended {
        app.enter(Phase::Serving);
        tracing::info!(%address, "serving");
        ready(address);
        shutdown.await;
    }
    drop((follower, importing));
    following.abort_all();
    drain(&app, config.drain, &signal, &mut accepting).await;
    Ok(())
}

async fn drain(app: &App, allowed: Duration, signal: &watch::Sender<Signal>, accepting: &mut JoinSet<()>) {
    app.enter(Phase::Draining);
    let start = Instant::now();
    let in_flight = || app.metrics.in_flight.load(Ordering::Acquire);
    let connections = || app.metrics.connections.load(Ordering::Acquire);
    tracing::info!(in_flight = in_flight(), "draining");
    while in_flight() > 0 && start.elapsed() < allowed / 2 {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    accepting.abort_all();
    signal.send_replace(Signal::Finish);
    while (connections() > 0 || !accepting.is_empty()) && start.elapsed() < allowed {
        while accepting.try_join_next().is_some() {}
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    let cut = connections();
    signal.send_replace(Signal::Abort);
    if cut > 0 {
        tracing::warn!(connections = cut, "drain time over; connections cut off");
    } else {
        tracing::info!("drained");
    }
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Bind { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Takes over what the folder of resources declares.
async fn resources_task(app: Arc<App>, mut changes: watch::Receiver<Resources>) {
    // Who follows the folder may end before the server; what was declared stays.
    while changes.changed().await.is_ok() {
        let resources = changes.borrow_and_update().clone();
        let changing = Arc::clone(&app);
        let followed = tokio::task::spawn_blocking(move || {
            changing.declared.follow(resources);
            changing.look_again();
        });
        if let Err(error) = followed.await {
            tracing::error!(%error, "a change of the folder was not taken over");
        }
    }
}

/// Reads the keys and the certificate again when their files change.
async fn follow_task(app: Arc<App>, tls: Option<Arc<Tls>>) {
    loop {
        tokio::time::sleep(FOLLOW).await;
        let (app, tls) = (Arc::clone(&app), tls.clone());
        let read = tokio::task::spawn_blocking(move || {
            app.doorman.follow();
            if let Some(tls) = tls {
                tls.follow();
            }
        });
        if let Err(error) = read.await {
            tracing::error!(%error, "keys and certificate not looked at");
        }
    }
}

async fn accept_task(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    edge: Edge,
    (told, places): (watch::Receiver<Signal>, Arc<Semaphore>),
) {
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let open = Open::new(&edge.app, place);
                let acceptor = tls.as_deref().map(Tls::acceptor);
                tokio::spawn(stream_task(stream, acceptor, edge.clone(), (told.clone(), open)));
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Counts a connection as open while it lives.
struct Open {
    app: Arc<App>,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(app: &Arc<App>, place: OwnedSemaphorePermit) -> Self {
        app.metrics.connections.fetch_add(1, Ordering::AcqRel);
        Self { app: Arc::clone(app), _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.metrics.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves a connection, after its TLS handshake where there is one.
async fn stream_task(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    edge: Edge,
    (mut told, open): (watch::Receiver<Signal>, Open),
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay not set");
    }
    let Some(acceptor) = acceptor else {
        let version = tokio::select! {
            version = tokio::time::timeout(HEAD_TIME, Version::of(&stream)) => version,
            // Who has sent nothing yet waits for nothing.
            _ = told.wait_for(|signal| *signal != Signal::Run) => return,
        };
        return match version {
            Ok(Ok(version)) => connection_task((stream, version), edge, told, open).await,
            Ok(Err(error)) => tracing::debug!(%error, "connection broke off"),
            Err(_) => tracing::debug!("nothing was sent in time"),
        };
    };
    match tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let negotiated = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let version = if negotiated { Version::Http2 } else { Version::Http1 };
            connection_task((stream, version), edge, told, open).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "handshake failed"),
        Err(_) => tracing::debug!("handshake took too long"),
    }
}

/// Which version of HTTP a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    /// What gRPC needs.
    Http2,
}

impl Version {
    /// The version that the first bytes of `stream` tell: no HTTP/1 method begins as the preface of HTTP/2 does.
    async fn of(stream: &TcpStream) -> std::io::Result<Self> {
        let mut first = [0; HTTP2_START.len()];
        loop {
            let count = stream.peek(&mut first).await?;
            if count == first.len() && first == *HTTP2_START {
                return Ok(Self::Http2);
            }
            if count == 0 || !HTTP2_START.starts_with(&first[..count]) {
                return Ok(Self::Http1);
            }
            // Too little has come to tell, and what has come stays readable.
            tokio::time::sleep(PEEK_PAUSE).await;
        }
    }

    fn builder(self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(HEAD_TIME)
            .max_concurrent_streams(MOST_STREAMS);
        match self {
            Self::Http1 => builder.http1_only(),
            Self::Http2 => builder.http2_only(),
        }
    }
}

async fn connection_task<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    (stream, version): (S, Version),
    edge: Edge,
    mut told: watch::Receiver<Signal>,
    open: Open,
) {
    let service = service_fn(move |request| {
        let edge = edge.clone();
        async move { Ok::<_, Infallible>(edge.answer(request).await) }
    });
    let builder = version.builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Patient::new(stream)), service));
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection broke off");
                }
                break;
            }
            changed = told.changed() => match (changed, *told.borrow_and_update()) {
                (Ok(()), Signal::Run) => {}
                (Ok(()), Signal::Finish) => connection.as_mut().graceful_shutdown(),
                (Ok(()), Signal::Abort) | (Err(_), _) => break,
            },
        }
    }
    drop(open);
}
