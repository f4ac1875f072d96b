//! What an operator can set about the HTTP surface.

#![expect(
    rustdoc::bare_urls,
    reason = "what documents an option is its help on a terminal too"
)]

use crate::settings::settings;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

settings! {
    /// When health says DOWN.
    #[derive(Debug)]
    pub struct HealthSettings of [health] {
        /// How long no broker may answer before the kafka component is DOWN, and the ops topic be missing before
        /// the ops component is, milliseconds.
        #[option(MILLIS)]
        pub kafka_down_after_ms: u64 = 30_000,
        /// Free bytes on the store's disk below which the diskSpace component is DOWN.
        #[option(BYTES)]
        pub disk_free_min_bytes: u64 = 256 << 20,
    }
}

settings! {
    /// Who may ask, and how patiently we answer.
    #[derive(Debug)]
    pub struct ServerSettings of [server] {
        /// Address to listen on.
        #[option(Address, env = ["SAGA_TRACKER_BIND"], flag = "bind")]
        pub bind: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        /// Port to listen on; 0 for any free one.
        #[option(Integer(0, 65_535), env = ["SERVER_PORT"], flag = "port")]
        pub port: u16 = 8086,
        /// How long a client may take to send the head of a request, milliseconds.
        #[option(MILLIS)]
        pub header_timeout_ms: u64 = 10_000,
        /// How long a client may take to send the body of a request, milliseconds.
        #[option(MILLIS)]
        pub body_timeout_ms: u64 = 10_000,
        /// How long a request may take in all, milliseconds.
        #[option(MILLIS)]
        pub request_timeout_ms: u64 = 30_000,
        /// How long a client may take nothing of its answer before it is cut off, milliseconds. For as long in all it
        /// may also take it slower than 64 KiB a second.
        #[option(MILLIS)]
        pub write_timeout_ms: u64 = 30_000,
        /// Size of the head of a request, at most.
        #[option(Integer(8_192, 1_048_576))]
        pub header_limit_bytes: usize = 32 << 10,
        /// Length of path and query, at most.
        #[option(Integer(1_024, 65_536))]
        pub uri_limit_bytes: usize = 8 << 10,
        /// Size of the body of a request, at most.
        #[option(Integer(1_024, 67_108_864))]
        pub body_limit_bytes: u64 = 1 << 20,
        /// Connections at the same time. A further one takes the place of an idle one, or gets probes answered
        /// only.
        #[option(Integer(1, 1_000_000))]
        pub max_connections: usize = 1024,
        /// The same for one IPv4 address, or one IPv6 network of 64 bits. Raise it behind a proxy.
        #[option(Integer(1, 1_000_000))]
        pub max_connections_per_peer: usize = 512,
        /// Names by which clients may ask (the Host header), comma separated, * for any. Without it, any on an
        /// outer address and localhost on a loopback address. IP addresses and probes always may.
        #[option(Text)]
        pub allowed_hosts: Option<String> = None,
        /// Origins whose pages may change something here beside our own, as in https://ops.example, comma
        /// separated.
        #[option(Text)]
        pub allowed_origins: Option<String> = None,
        /// Searches, lists and statistics that are answered at the same time; further ones wait.
        #[option(Integer(1, 10_000))]
        pub max_concurrent_scans: usize = 16,
        /// Calls that read much and run at the same time: digests, audit verifications, retention plans, trials of
        /// definitions, flows and catalogues of events, and searches and statistics that look at sagas one by one or
        /// ask what was known earlier.
        #[option(Integer(1, 1_000))]
        pub max_concurrent_full_reads: usize = 2,
        /// How long requests in flight may take after SIGTERM, milliseconds.
        #[option(MILLIS)]
        pub shutdown_grace_ms: u64 = 10_000,
    }
}

impl ServerSettings {
    /// Where to listen.
    pub fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    pub(super) fn allowed_hosts(&self) -> impl Iterator<Item = &str> {
        listed(self.allowed_hosts.as_deref())
    }

    pub(super) fn allowed_origins(&self) -> impl Iterator<Item = &str> {
        listed(self.allowed_origins.as_deref())
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

/// The parts of a text that commas separate.
fn listed(text: Option<&str>) -> impl Iterator<Item = &str> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|part| !part.is_empty())
}
