//! Frames on their way to one who watches: server-sent events, never more than one that waits.

use super::super::viewers::Watching;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame as BodyFrame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Who does not take an event within so long is gone.
const SLOWEST: Duration = Duration::from_secs(30);
/// When there is nothing to tell, a line that says nothing is sent so often: proxies close what is silent.
const STILL_THERE: Duration = Duration::from_secs(15);

/// The events that somebody who watches is sent, beginning with those behind the last one that they had.
pub(super) fn body(watching: Watching, last: Option<u64>, ended: CancellationToken) -> Body {
    let (out, events) = mpsc::channel(1);
    let lost = watching.lost();
    let sending = tokio::spawn(async move {
        let ends = send_all(watching, last, &out);
        tokio::select! {
            biased;
            () = ended.cancelled() => {}
            () = lost.cancelled() => {}
            () = ends => return,
        }
        let _gone = tokio::time::timeout(SLOWEST, out.send(Bytes::from_static(END))).await;
    });
    Body::new(Events { events, sending })
}

const END: &[u8] = b"event: end\ndata: {}\n\n";
const SILENCE: &[u8] = b": still there\n\n";
/// How long a client waits before it comes again.
const RETRY: &[u8] = b"retry: 2000\n\n";

async fn send_all(mut watching: Watching, last: Option<u64>, out: &mpsc::Sender<Bytes>) {
    if !sent(out, Bytes::from_static(RETRY)).await {
        return;
    }
    let had = watching.had(last);
    let missed = had.map_or_else(Vec::new, |had| watching.missed(had));
    let mut last = had.unwrap_or(0);
    for frame in missed {
        last = frame.number;
        if !sent(out, frame.event).await {
            return;
        }
    }
    loop {
        if let Some(frame) = watching.newest(last) {
            last = frame.number;
            if !sent(out, frame.event).await {
                return;
            }
        }
        tokio::select! {
            () = watching.changed() => {}
            () = out.closed() => return,
            () = tokio::time::sleep(STILL_THERE) => {
                if !sent(out, Bytes::from_static(SILENCE)).await {
                    return;
                }
            }
        }
    }
}

async fn sent(out: &mpsc::Sender<Bytes>, event: Bytes) -> bool {
    matches!(tokio::time::timeout(SLOWEST, out.send(event)).await, Ok(Ok(())))
}

/// The events as they come.
struct Events {
    events: mpsc::Receiver<Bytes>,
    sending: JoinHandle<()>,
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let event = self.events.poll_recv(cx);
        event.map(|event| event.map(|event| Ok(BodyFrame::data(event))))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.sending.abort();
    }
}
