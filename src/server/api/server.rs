//! Accepts connections and keeps them within bounds.
//!
//! `axum::serve` sets no timer, so a client that sends its headers slowly would be waited for
//! forever; here every connection has one, idle time between requests included. A client that does
//! not read its answer is cut off too, see [`super::server::slow`]. Every connection is accepted; who
//! is served and who makes room is decided by [`super::places`].

#[path = "slow.rs"]
mod slow;

use super::caller::Peer;
use super::context;
use super::places::{Limits, NoPlace, Place, Places, UnderWay};
use super::routes::router;
use super::settings::ServerSettings;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use slow::{Pace, TimedWriter};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// Hyper refuses headers beyond its buffer with a bare 431; within this margin the standard body
/// comes with it.
const HEADER_MARGIN: usize = 16 << 10;
/// After a failed accept (out of file handles) the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The system asks a peer that is silent for so long, and then as often, whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// In the reserve a head may take so long, and a whole connection.
const RESERVE_HEADER: Duration = Duration::from_secs(2);
const RESERVE_TIME: Duration = Duration::from_secs(10);

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
    pub async fn bind(settings: ServerSettings, context: &context::Context) -> Result<Self, ServerError> {
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
        let places = Places::new(Limits {
            total: self.settings.max_connections.max(1),
            per_peer: self.settings.max_connections_per_peer.max(1),
        });
        let (regular, reserve) = (self.http(), self.http_in_reserve());
        tracing::info!(address = %self.handle.address, "serving HTTP");
        while let Some((stream, peer)) = self.accept().await {
            let place = places.take(peer);
            let http = if place.is_reserve() { &reserve } else { &regular };
            self.serve(http, &graceful, stream, peer, place);
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
            .max_buf_size(self.settings.header_limit_bytes.saturating_add(HEADER_MARGIN));
        http
    }

    /// For one probe.
    fn http_in_reserve(&self) -> http1::Builder {
        let mut http = self.http();
        http.keep_alive(false)
            .header_read_timeout(self.settings.header_timeout().min(RESERVE_HEADER));
        http
    }

    /// The next connection; none once the server is stopped.
    async fn accept(&self) -> Option<(TcpStream, SocketAddr)> {
        loop {
            tokio::select! {
                () = self.handle.stop.cancelled() => return None,
                accepted = accept_one(&self.listener) => match accepted {
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
        place: Place,
    ) {
        let (router, requests, reserve) = (self.router.clone(), place.requests(), place.is_reserve());
        let pace = Arc::new(Pace::default());
        let stream = TimedWriter::new(stream, self.settings.write_timeout(), pace.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            if reserve {
                request.extensions_mut().insert(NoPlace);
            }
            let under_way = requests.begin();
            let answer = router.clone().call(request);
            let pace = Some(pace.clone());
            async move {
                answer.await.map(|answer| {
                    answer.map(|body| Taken {
                        body,
                        pace,
                        _under_way: under_way,
                    })
                })
            }
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        tokio::spawn(async move {
            let lost = place.lost();
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a connection ended early");
                },
                () = lost.cancelled() => tracing::debug!(%peer, "a connection made room for another"),
                () = tokio::time::sleep(RESERVE_TIME), if reserve => {
                    tracing::debug!(%peer, "a connection in the reserve took too long");
                }
            }
        });
    }
}

/// An answer's body: its request is under way until all of it was handed over.
struct Taken {
    body: Body,
    /// Until the answer begins; what was sent before has left the buffers by then.
    pace: Option<Arc<Pace>>,
    _under_way: UnderWay,
}

impl HttpBody for Taken {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(pace) = self.pace.take() {
            pace.begin();
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn accept_one(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Answers are written in one piece; waiting for more would only delay them.
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok((stream, peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_that_is_gone_without_a_word_is_noticed_and_answers_go_out_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), accept_one(&listener));
        let (client, (stream, peer)) = (client.unwrap(), accepted.unwrap());
        assert_eq!(client.local_addr().unwrap(), peer);
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE);
        assert!(socket.tcp_nodelay().unwrap());
    }
}
