//! What a newcomer to the demo is shown first, and the alert that goes with it. What there is to see is made by `demo`.

use super::page;
use crate::domain::clock::{Clock, SystemClock};
use crate::operations::incidents::{Alerts, Incidents};
use crate::program::config::Config;
use crate::program::demo::Tour;
use std::io::Write;

/// Takes the alert in, as if Alertmanager had sent it, and says where to look.
pub(super) fn begin(tour: &Tour, incidents: &Incidents, url: &str, config: &Config) {
    if let Err(error) = alert(tour, incidents) {
        tracing::warn!(%error, "the demo's alert was not taken in");
    }
    let Some(path) = page::path(config) else { return };
    let text = script(tour, &format!("{url}{path}"));
    // Nobody reads it when it cannot be written.
    let _gone = write!(std::io::stdout().lock(), "{text}");
}

fn alert(tour: &Tour, incidents: &Incidents) -> anyhow::Result<()> {
    if tour.unframed == 0 {
        return Ok(());
    }
    let now = SystemClock.now();
    let alerts = Alerts::read(&tour.alerts(), now)
        .map_err(|faults| anyhow::anyhow!("it is not as Alertmanager sends it: {faults:?}"))?;
    incidents.take(&alerts, now)?;
    Ok(())
}

/// The first thirty seconds. The page's address ends in a slash.
fn script(tour: &Tour, page: &str) -> String {
    let mut stops = vec![(
        "The flow moves, and the seal says that nothing is missing.".to_owned(),
        page.to_owned(),
    )];
    if let Some(late) = &tour.late {
        let saga = format!("{page}ui/saga?id={}", late.saga_id);
        stops.push((
            "Ctrl-K and an order's id: lanes, and arcs from a failure to its compensation, ten seconds after the start."
                .to_owned(),
            saga.clone(),
        ));
        stops.push((
            "Known at, dragged back: the compensation came late. Before it, this saga had failed.".to_owned(),
            format!("{saga}&knownAt={}", late.known_at),
        ));
    }
    if tour.unframed > 0 {
        stops.push((
            format!(
                "{} confirmations came without the frame in front. Rehearse them, read with schema id 1: ghosts land in \
                 lanes, and nothing is published.",
                tour.unframed
            ),
            format!("{page}ui/dead-letters?reason=bad_magic&state=open"),
        ));
        stops.push((
            "The alert that fires over the orders that wait for them.".to_owned(),
            format!("{page}ui/incidents?state=open"),
        ));
    }
    let mut text = "The first thirty seconds:\n\n".to_owned();
    for (number, (what, address)) in (1..).zip(&stops) {
        text += &format!("  {number}  {what}\n     {address}\n");
    }
    text + "\nOn each, y copies the address of exactly what you see, and ? lists the keys.\n\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::demo::LateReport;

    #[test]
    fn the_script_leads_to_what_there_is() {
        let mut tour = Tour {
            late: Some(LateReport {
                saga_id: "ORD-1".to_owned(),
                known_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            }),
            unframed: 7,
            alert_since: "2026-01-02T02:04:05Z".parse().unwrap(),
        };
        let told = script(&tour, "http://127.0.0.1:8086/");
        assert!(told.contains("  3  "), "{told}");
        assert!(
            told.contains("http://127.0.0.1:8086/ui/saga?id=ORD-1&knownAt=2026-01-02T03:04:05Z\n"),
            "{told}"
        );
        assert!(told.contains("7 confirmations"), "{told}");
        (tour.late, tour.unframed) = (None, 0);
        let told = script(&tour, "http://127.0.0.1:8086/");
        assert_eq!(told.matches("http://").count(), 1, "{told}");
    }

    #[test]
    fn the_alert_is_one_that_alertmanager_could_have_sent() {
        let tour = Tour {
            late: None,
            unframed: 3,
            alert_since: "2026-01-02T02:04:05Z".parse().unwrap(),
        };
        let read = Alerts::read(&tour.alerts(), SystemClock.now()).unwrap();
        assert_eq!(read.alerts.len(), 1);
        assert_eq!(read.alerts[0].began.0, tour.alert_since.as_millisecond());
        assert_eq!(read.alerts[0].ended, None);
        assert_eq!(read.alerts[0].labels["saga_type"], "ORDER_CREATION");
    }
}
