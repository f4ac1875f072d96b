//! Where rows lead: templates for the systems that know more of a saga or a trace; and searches that people want again
//! and again.
//!
//! `links.toml` has them as settings of the tracker's page, with the addresses that those systems have where nobody says
//! otherwise; dashboards have a variable for each address.

use crate::program::monitoring::parameters::GRAFANA_URL;
use serde_json::{Value, json};

/// A link by name and template. `{…}` is filled in from the row, `[…]` is an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(super) title: &'static str,
    pub(super) template: &'static str,
}

/// An address that templates begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) default: &'static str,
}

pub(super) const ADDRESSES: [Address; 5] = [
    Address {
        name: "tracker",
        label: "Saga Tracker",
        default: "http://localhost:8086",
    },
    Address {
        name: "jaeger",
        label: "Jaeger",
        default: "http://localhost:16686",
    },
    Address {
        name: "zipkin",
        label: "Zipkin",
        default: "http://localhost:9411",
    },
    Address {
        name: "kibana",
        label: "Kibana",
        default: "http://localhost:5601",
    },
    Address {
        name: "runbooks",
        label: "Runbooks",
        default: "https://saga-tracker.example.com/docs/runbooks",
    },
];

pub(super) const OF_SAGA: &[Link] = &[
    Link {
        title: "Saga",
        template: "[tracker]/ui/saga?id={sagaId}",
    },
    Link {
        title: "As JSON",
        template: "[tracker]/api/v1/sagas/{sagaId}?include=steps",
    },
];

/// Whoever sends events chooses trace ids, so one stands as a whole part of a path or a whole value of a query, never
/// within a language inside the address, where a quotation mark would end what was meant.
pub(super) const OF_TRACE: &[Link] = &[
    Link {
        title: "Jaeger",
        template: "[jaeger]/trace/{traceId}",
    },
    Link {
        title: "Tempo",
        template: "/a/grafana-exploretraces-app/explore?from=now-24h&to=now&var-ds=tempo&traceId={traceId}",
    },
    Link {
        title: "Zipkin",
        template: "[zipkin]/zipkin/traces/{traceId}",
    },
    Link {
        title: "Loki",
        template: LOKI,
    },
    Link {
        title: "Kibana",
        template: "[kibana]/app/apm/link-to/trace/{traceId}",
    },
];

/// All lines of the last day: Grafana takes LogQL inside of JSON, where no trace id may stand.
const LOKI: &str = "/explore?schemaVersion=1&orgId=1&panes=%7B%22t%22:%7B%22datasource%22:%22loki%22,%22queries%22:%5B%7B\
                    %22refId%22:%22A%22,%22expr%22:%22%7Bjob%3D~%5C%22.%2B%5C%22%7D%22%7D%5D,\
                    %22range%22:%7B%22from%22:%22now-24h%22,%22to%22:%22now%22%7D%7D%7D";

pub(super) const OF_FAILURE: &[Link] = &[Link {
    title: "Runbook",
    template: "[runbooks]/alerts.md#sagafailureratehigh",
}];

pub(super) const OF_PAST_DEADLINE: &[Link] = &[Link {
    title: "Runbook",
    template: "[runbooks]/alerts.md#sagapastdeadline",
}];

pub(super) const OF_OVERDUE: &[Link] = &[Link {
    title: "Runbook",
    template: "[runbooks]/alerts.md#sagacompensationoverdue",
}];

pub(super) const OF_LETTERS: &[Link] = &[
    Link {
        title: "Dead letters",
        template: "[tracker]/ui/dead-letters?state=open&reason={reason}",
    },
    Link {
        title: "Runbook",
        template: "[runbooks]/alerts.md#sagatrackerdeadlettersgrowing",
    },
];

pub(super) const OF_INCIDENT: &[Link] = &[Link {
    title: "Incidents",
    template: "[tracker]/ui/incidents",
}];

/// A search that people want again and again: its name, and the filter as the API's parameters have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Search {
    pub(crate) title: &'static str,
    pub(crate) filter: &'static str,
}

pub(crate) const SEARCHES: &[Search] = &[
    Search {
        title: "Compensation failed",
        filter: "rule=COMPENSATION_FAILED&sort=updatedAt,desc",
    },
    Search {
        title: "Compensation overdue",
        filter: "stuck=COMPENSATION_OVERDUE",
    },
    Search {
        title: "Failed with nothing to compensate",
        filter: "status=FAILED&compensation=NOTHING_TO_COMPENSATE&sort=updatedAt,desc",
    },
];

/// The link from each dashboard to the others.
pub(super) fn to_each_other() -> Value {
    json!({
        "title": "Saga Tracker",
        "type": "dashboards",
        "tags": ["saga-tracker"],
        "asDropdown": false,
        "icon": "external link",
        "includeVars": true,
        "keepTime": true,
        "targetBlank": false,
        "tooltip": "",
        "url": "",
    })
}

impl Link {
    /// The address with what Grafana fills in from the row, percent-encoded: ids may hold any character.
    pub(super) fn in_dashboard(&self, columns: &[(&str, &str)]) -> String {
        let with_addresses = ADDRESSES.iter().fold(self.template.to_owned(), |url, address| {
            url.replace(&format!("[{}]", address.name), &format!("${{{}}}", address.name))
        });
        columns.iter().fold(with_addresses, |url, (placeholder, title)| {
            url.replace(
                &format!("{{{placeholder}}}"),
                &format!("${{__data.fields[\"{title}\"]:percentencode}}"),
            )
        })
    }

    /// The address with what those systems have where nobody says otherwise.
    fn with_defaults(&self) -> String {
        let of_grafana = if self.template.starts_with('/') {
            GRAFANA_URL.default.as_str()
        } else {
            ""
        };
        ADDRESSES
            .iter()
            .fold(format!("{of_grafana}{}", self.template), |url, address| {
                url.replace(&format!("[{}]", address.name), address.default)
            })
    }
}

/// What a saga and its events lead to on the tracker's page, which knows the way to itself.
fn of_page() -> impl Iterator<Item = Link> {
    const RUNBOOKS: Link = Link {
        title: "Runbooks",
        template: "[runbooks]/alerts.md",
    };
    OF_TRACE.iter().copied().chain([RUNBOOKS])
}

/// Links and searches as the page's settings have them.
pub(crate) fn toml() -> String {
    let mut text = "# Generated: saga-tracker monitoring --out deploy/monitoring.\n\
                    # For the tracker's configuration: take what you have, and put your own addresses in.\n\
                    \n\
                    [page.links]\n"
        .to_owned();
    for link in of_page() {
        text.push_str(&format!("{:?} = {:?}\n", link.title, link.with_defaults()));
    }
    text.push_str("\n[page.searches]\n");
    for search in SEARCHES {
        text.push_str(&format!("{:?} = {:?}\n", search.title, search.filter));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_link() -> Vec<Link> {
        let of_rows = [
            OF_SAGA,
            OF_TRACE,
            OF_FAILURE,
            OF_PAST_DEADLINE,
            OF_OVERDUE,
            OF_LETTERS,
            OF_INCIDENT,
        ];
        of_rows.concat().into_iter().chain(of_page()).collect()
    }

    #[test]
    fn every_template_leads_to_an_address() {
        for link in every_link() {
            let url = link.with_defaults();
            assert!(url.starts_with("http"), "{url}");
            assert!(!url.contains(['[', ']', ' ', '"']), "{url}");
        }
    }

    #[test]
    fn what_is_filled_in_is_a_whole_part_of_a_path_or_a_whole_value_of_a_query() {
        for link in every_link() {
            for (before, rest) in link
                .template
                .match_indices('{')
                .map(|(at, _)| link.template.split_at(at))
            {
                let behind = rest.split_once('}').unwrap().1;
                assert!(before.ends_with(['/', '=']), "{}", link.template);
                assert!(
                    behind.is_empty() || behind.starts_with(['/', '?', '&']),
                    "{}",
                    link.template
                );
                // A fragment may hold a language of its own, as Kibana's does.
                assert!(!before.contains('#'), "{}", link.template);
            }
        }
    }

    #[test]
    fn the_pages_settings_are_texts_by_label_and_lead_to_the_web() {
        let file: toml::Table = toml().parse().unwrap();
        assert_eq!(file.keys().collect::<Vec<_>>(), ["page"]);
        let page = file["page"].as_table().unwrap();
        assert_eq!(page.keys().collect::<Vec<_>>(), ["links", "searches"]);
        let links = page["links"].as_table().unwrap();
        for (label, url) in links {
            let url = url.as_str().unwrap();
            assert!(
                url.starts_with("http://") || url.starts_with("https://"),
                "{label}: {url}"
            );
            // What the page knows of a saga and its events.
            let known = [
                "sagaId", "orderId", "sagaType", "traceId", "step", "service", "from", "to",
            ];
            for name in url.split('{').skip(1).map(|part| part.split('}').next().unwrap()) {
                assert!(known.contains(&name), "{label}: {url}");
            }
        }
        assert!(links.contains_key("Jaeger"));
        assert!(
            page["searches"]
                .as_table()
                .unwrap()
                .values()
                .all(toml::Value::is_str)
        );
    }

    #[test]
    fn a_row_fills_in_what_a_template_asks_for() {
        let url = OF_TRACE[0].in_dashboard(&[("traceId", "Trace")]);
        assert_eq!(url, "${jaeger}/trace/${__data.fields[\"Trace\"]:percentencode}");
    }
}
