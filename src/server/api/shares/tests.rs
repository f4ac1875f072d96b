use super::*;
use std::net::Ipv4Addr;
use std::sync::mpsc;

const TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn work_is_told_when_nobody_waits_any_more() {
    let share = Share::of(1, TIMEOUT);
    let (begun, has_begun) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let asked = async move {
        let work = share.run(move |stop| {
            begun.send(()).unwrap();
            while !stop.is_stopped() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
        });
        work.await
    };
    let client = tokio::spawn(asked);
    tokio::task::spawn_blocking(move || has_begun.recv_timeout(TIMEOUT))
        .await
        .unwrap()
        .unwrap();
    client.abort();
    tokio::task::spawn_blocking(move || has_ended.recv_timeout(TIMEOUT))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn reading_is_told_when_the_client_of_a_call_that_goes_on_has_gone() {
    let share = Share::of(1, TIMEOUT);
    let client = tokio_util::sync::CancellationToken::new();
    let (ended, has_ended) = mpsc::channel();
    let leaves = client.clone();
    let reading = share.run_while_asked(move |stop| {
        leaves.cancel();
        while !stop.is_stopped() {
            std::thread::yield_now();
        }
        ended.send(()).unwrap();
    });
    let left = gone::told(client, reading).await.unwrap_err();
    assert!(left.changed_nothing());
    tokio::task::spawn_blocking(move || has_ended.recv_timeout(TIMEOUT))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn work_that_is_waited_for_is_not_told_to_stop() {
    let share = Share::of(1, TIMEOUT);
    assert!(!share.run(|stop| stop.is_stopped()).await.unwrap());
}

/// Work that takes the one place until the other end is dropped.
async fn occupied(share: &Arc<Share>) -> (mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
    let (end, ended) = mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let share = share.clone();
    let work = tokio::spawn(async move {
        let work = move |_| {
            begun.send(()).unwrap();
            let _ended = ended.recv();
        };
        share.run(work).await.unwrap();
    });
    has_begun.await.unwrap();
    (end, work)
}

#[tokio::test]
async fn only_so_many_wait_and_further_ones_are_refused_at_once() {
    let share = Arc::new(Share::of(1, TIMEOUT));
    let (end, work) = occupied(&share).await;
    let waiting: Vec<_> = (0..MAX_WAITING_PER_THREAD)
        .map(|_| {
            let share = share.clone();
            tokio::spawn(async move { share.run(|_| ()).await })
        })
        .collect();
    while share.places.waiting.load(Ordering::Relaxed) < MAX_WAITING_PER_THREAD {
        tokio::task::yield_now().await;
    }
    let refused = share.run(|_| ()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooManyRequests);
    drop(end);
    work.await.unwrap();
    for waited in waiting {
        waited.await.unwrap().unwrap();
    }
    assert_eq!(share.places.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_wait_for_a_place_is_bounded_and_ends_when_the_client_goes() {
    let share = Arc::new(Share::of(1, Duration::from_millis(1)));
    let (end, work) = occupied(&share).await;
    let late = share.run(|_| ()).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::ServiceUnavailable);
    assert!(late.changed_nothing());
    drop(end);
    work.await.unwrap();

    let share = Arc::new(Share::of(1, Duration::from_hours(1)));
    let (end, work) = occupied(&share).await;
    let client = tokio_util::sync::CancellationToken::new();
    client.cancel();
    let left = gone::told(client, share.run(|_| ())).await.unwrap_err();
    assert!(left.changed_nothing());
    drop(end);
    work.await.unwrap();
}

fn peer(last: u8) -> Peer {
    Peer::of((Ipv4Addr::new(127, 0, 0, last), 1).into())
}

#[tokio::test]
async fn one_peer_has_at_most_half_of_the_places_and_keeps_nobody_else_waiting() {
    let share = Arc::new(Share::of(4, TIMEOUT).by_peer());
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(share.place(Some(peer(2))).await.unwrap());
    }
    let more: Vec<_> = (0..2 * MAX_WAITING_PER_THREAD)
        .map(|_| {
            let share = share.clone();
            tokio::spawn(async move { share.place(Some(peer(2))).await.map(drop) })
        })
        .collect();
    let waiting = || {
        let peers = share.by_peer.as_ref().unwrap();
        peers.of_peer(peer(2)).waiting.load(Ordering::Relaxed)
    };
    while waiting() < more.len() {
        tokio::task::yield_now().await;
    }
    let refused = share.place(Some(peer(2))).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::TooManyRequests);
    for other in [Some(peer(1)), Some(peer(1)), None] {
        assert!(share.place(other).await.is_ok());
    }
    drop(held);
    for waited in more {
        waited.await.unwrap().unwrap();
    }
    drop(share.place(Some(peer(1))).await);
    let peers = share.by_peer.as_ref().unwrap().queues.lock().unwrap();
    assert_eq!(peers.len(), 1, "who has left is forgotten");
}
