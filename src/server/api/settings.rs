//! What an operator can set about the HTTP surface.

use super::health::HealthSettings;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Settings of the HTTP surface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Address to listen on. Default 0.0.0.0.
    pub address: IpAddr,
    /// Port to listen on; 0 takes a free one. Default 8086.
    pub port: u16,
    /// A client has so long to send a request's line and headers, and may be idle between requests
    /// for as long; then its connection is closed. Milliseconds, default 10000.
    pub header_timeout_ms: u64,
    /// A client has so long to send the whole body of a request; then the answer is 408.
    /// Milliseconds, default 10000.
    pub body_timeout_ms: u64,
    /// An answer takes at most so long; then it is 503. Milliseconds, default 30000.
    pub request_timeout_ms: u64,
    /// A client that takes nothing of its answer for so long is cut off. Milliseconds, default 30000.
    pub write_timeout_ms: u64,
    /// Longest request body, bytes; beyond it the answer is 413. Default 1048576.
    pub max_body_bytes: u64,
    /// Longest request line and headers together, bytes; beyond it the answer is 431. Default 32768.
    pub max_header_bytes: usize,
    /// Longest path and query, bytes; beyond it the answer is 414. Default 8192.
    pub max_uri_bytes: usize,
    /// Connections served at once. For a further one the connection that is idle longest is closed; when
    /// none is idle, only probes are answered on it, and anything else is 503. Default 1024.
    pub max_connections: usize,
    /// The same for one peer: an IPv4 address, or an IPv6 network of 64 bits. Default 512.
    pub max_connections_per_peer: usize,
    /// Names that a request's `Host` may have, `*` for any. Without any, all are accepted, but on a
    /// loopback address only localhost: so no page of another name reaches this tracker. Addresses and
    /// probes always may.
    pub allowed_hosts: Vec<String>,
    /// Origins, as browsers send them (`https://ops.example`), whose pages may change something here
    /// beside our own.
    pub allowed_origins: Vec<String>,
    /// Questions that scan (searches, lists, statistics) answered at once; eight times as many wait within
    /// their request's time. Default 16.
    pub max_concurrent_scans: usize,
    /// Questions that read all of something (digests, audit verification, retention plans) answered at
    /// once; eight times as many wait within a request's time. Default 2.
    pub max_concurrent_full_reads: usize,
    /// On shutdown, running requests may take so long to end. Milliseconds, default 10000.
    pub shutdown_grace_ms: u64,
    /// When health says DOWN.
    pub health: HealthSettings,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 8086,
            header_timeout_ms: 10_000,
            body_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            write_timeout_ms: 30_000,
            max_body_bytes: 1 << 20,
            max_header_bytes: 32 << 10,
            max_uri_bytes: 8 << 10,
            max_connections: 1024,
            max_connections_per_peer: 512,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_concurrent_scans: 16,
            max_concurrent_full_reads: 2,
            shutdown_grace_ms: 10_000,
            health: HealthSettings::default(),
        }
    }
}

impl ServerSettings {
    /// Where to listen.
    pub fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    pub(super) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(super) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(super) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    pub(super) fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms)
    }
}
