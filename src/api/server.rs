//! Accepts connections and keeps them within bounds.
//!
//! `axum::serve` sets no timer, so a client that sends its headers slowly would be waited for
//! forever; here every connection has one, idle time between requests included. A client that does
//! not read its answer is cut off too, see [`super::server::slow`].

#[path = "slow.rs"]
mod slow;

use super::caller::Peer;
use super::context::Context;
use super::routes::router;
use super::settings::ServerSettings;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use slow::PatientWriter;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// Hyper refuses headers beyond its buffer with a bare 431; within this margin the standard body
/// comes with it.
const HEADER_MARGIN: usize = 16 << 10;
/// After a failed accept (out of file handles) the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with server.port or SERVER_PORT")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A server that has its address and does not serve yet.
pub struct Server {
    settings: ServerSettings,
    router: Router,
    listener: TcpListener,
    handle: ServerHandle,
}

/// Tells where the server listens, and stops it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    stop: CancellationToken,
}

impl ServerHandle {
    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting; [`Server::run`] ends when the running requests have, or the grace is over.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// [`ServerError::Bind`].
    pub async fn bind(settings: ServerSettings, context: &Context) -> Result<Self, ServerError> {
        let address = settings.socket_address();
        let bind = |source| ServerError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let handle = ServerHandle {
            address: listener.local_addr().map_err(bind)?,
            stop: CancellationToken::new(),
        };
        Ok(Self {
            settings,
            router: router(context),
            listener,
            handle,
        })
    }

    /// A handle to it.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Serves until it is stopped.
    pub async fn run(self) {
        let graceful = GracefulShutdown::new();
        let connections = Arc::new(Semaphore::new(self.settings.max_connections.max(1)));
        let http = self.http();
        tracing::info!(address = %self.handle.address, "serving HTTP");
        while let Some((stream, peer, permit)) = self.accept(&connections).await {
            self.serve(&http, &graceful, stream, peer, permit);
        }
        drop(self.listener);
        let grace = self.settings.shutdown_grace();
        if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
            tracing::warn!(
                grace_ms = self.settings.shutdown_grace_ms,
                "requests were cut off by the shutdown"
            );
        }
    }

    fn http(&self) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.settings.header_timeout())
            .max_buf_size(self.settings.max_header_bytes.saturating_add(HEADER_MARGIN));
        http
    }

    /// The next connection, when there is room for it; none once the server is stopped.
    async fn accept(
        &self,
        connections: &Arc<Semaphore>,
    ) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        loop {
            tokio::select! {
                () = self.handle.stop.cancelled() => return None,
                accepted = accept_one(&self.listener, connections) => match accepted {
                    Ok(connection) => return Some(connection),
                    Err(error) => {
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn serve(
        &self,
        http: &http1::Builder,
        graceful: &GracefulShutdown,
        stream: TcpStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) {
        let router = self.router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            router.clone().call(request)
        });
        let stream = Box::pin(PatientWriter::new(stream, self.settings.write_timeout()));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "a connection ended early");
            }
        });
    }
}

async fn accept_one(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = connections
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Answers are written in one piece; waiting for more would only delay them.
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}
