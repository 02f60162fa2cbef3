//! Binding, accepting, draining.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use loquat_store::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::config::ServeConfig;
use crate::error::ServeError;
use crate::exchange::Edge;
use crate::host::{App, Phase};
use crate::routes::router;

/// Most open connections; further ones wait in the operating system's backlog.
const MOST_CONNECTIONS: usize = 16_384;
/// Longest time for a request's head to arrive, the idle time of a kept connection included.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// Pause after a failed accept: out of file descriptors is a state that ends only when a connection does.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
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
    let listen = config.listen;
    if !listen.ip().to_canonical().is_loopback() && !config.insecure {
        return Err(ServeError::Exposed { listen });
    }
    let store = Store::open(&config.store)
        .map_err(|source| ServeError::Store { root: config.store.clone(), source: Box::new(source) })?;
    let listener = TcpListener::bind(listen).await.map_err(|source| ServeError::Bind { listen, source })?;
    let address = listener.local_addr().map_err(|source| ServeError::Bind { listen, source })?;
    let app = Arc::new(App::new(store, config.max_body, config.kernels));
    let (follower, looked) = crate::watch::follow(Arc::clone(&app), config.endpoints, config.threads)
        .map_err(|source| ServeError::Thread { source })?;
    let edge = Edge { router: router(Arc::clone(&app)), app: Arc::clone(&app) };
    let (signal, told) = watch::channel(Signal::Run);
    let accepting = tokio::spawn(accept_task(listener, edge, told));
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
    drop(follower);
    drain(&app, config.drain, &signal, &accepting).await;
    Ok(())
}

async fn drain(
    app: &App,
    allowed: Duration,
    signal: &watch::Sender<Signal>,
    accepting: &tokio::task::JoinHandle<()>,
) {
    app.enter(Phase::Draining);
    let start = Instant::now();
    let in_flight = || app.metrics.in_flight.load(Ordering::Acquire);
    let connections = || app.metrics.connections.load(Ordering::Acquire);
    tracing::info!(in_flight = in_flight(), "draining");
    while in_flight() > 0 && start.elapsed() < allowed / 2 {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    accepting.abort();
    signal.send_replace(Signal::Finish);
    while (connections() > 0 || !accepting.is_finished()) && start.elapsed() < allowed {
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

async fn accept_task(listener: TcpListener, edge: Edge, told: watch::Receiver<Signal>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let open = Open::new(&edge.app, place);
                tokio::spawn(connection_task(stream, edge.clone(), told.clone(), open));
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

async fn connection_task(stream: TcpStream, edge: Edge, mut told: watch::Receiver<Signal>, open: Open) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay not set");
    }
    let service = service_fn(move |request| {
        let edge = edge.clone();
        async move { Ok::<_, Infallible>(edge.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
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
