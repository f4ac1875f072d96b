//! A page that never changes, served the way the tracker serves: hyper's HTTP/1 with the same timers
//! under an axum router on a runtime of as many threads.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io::Write as _;
use std::time::Duration;
use tokio::net::TcpListener;

/// The only path.
pub(crate) const PATH: &str = "/api/v1/sagas/constant";

/// Serves `body` until killed; says its port on standard output.
pub(crate) fn serve(body: &str) -> anyhow::Result<()> {
    let body: &'static str = body.to_owned().leak();
    let json = [(header::CONTENT_TYPE, "application/json")];
    let router = Router::new().route(PATH, get(move || async move { (json, body) }));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        std::io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(10));
                // The client closes when it has seen enough.
                let _closed = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}
