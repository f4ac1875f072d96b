//! Where rows lead: templates for the systems that know more of a saga or a trace; and searches that people want again
//! and again.
//!
//! `links.toml` has them as settings of the tracker's page, with the addresses that those systems have where nobody says
//! otherwise; dashboards have a variable for each address.

use crate::program::monitoring::parameters::GRAFANA_URL;

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

/// Where Grafana's own page of a data source is asked; `panes` is JSON, percent-encoded, and nothing is filled in there.
macro_rules! explore {
    ($source:literal, $query:literal) => {
        concat!(
            "/explore?schemaVersion=1&orgId=1&panes=%7B%22t%22:%7B%22datasource%22:%22",
            $source,
            "%22,%22queries%22:%5B%7B%22refId%22:%22A%22,",
            $query,
            "%7D%5D,%22range%22:%7B%22from%22:%22now-24h%22,%22to%22:%22now%22%7D%7D%7D"
        )
    };
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
        template: explore!("loki", "%22expr%22:%22%7Bjob%3D~%5C%22.%2B%5C%22%7D%22"),
    },
    Link {
        title: "Kibana",
        template: "[kibana]/app/apm/link-to/trace/{traceId}",
    },
];

pub(super) const OF_FAILURE: &[Link] = &[Link {
    title: "Runbook",
    template: "[runbooks]/alerts.md#sagafailureratehigh",
}];

pub(super) const OF_STUCK: &[Link] = &[Link {
    title: "Runbook",
    template: "[runbooks]/alerts.md#sagapastdeadline",
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
pub(crate) struct Preset {
    pub(crate) title: &'static str,
    pub(crate) search: &'static str,
}

pub(crate) const PRESETS: &[Preset] = &[
    Preset {
        title: "Compensation failed",
        search: "rule=COMPENSATION_FAILED&sort=updatedAt,desc",
    },
    Preset {
        title: "Compensation overdue",
        search: "stuck=COMPENSATION_OVERDUE",
    },
    Preset {
        title: "Failed with nothing to compensate",
        search: "status=FAILED&compensation=NOTHING_TO_COMPENSATE&sort=updatedAt,desc",
    },
];

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

/// Links and searches as the settings of the tracker's page have them, which knows the way to its own sagas.
pub(crate) fn toml() -> String {
    let mut text = "# Generated: saga-tracker monitoring --out deploy/monitoring.\n\
                    # For the tracker's configuration: take what you have, and put your own addresses in.\n\
                    \n[page.links]\n"
        .to_owned();
    for link in [OF_TRACE, OF_FAILURE].concat() {
        text.push_str(&format!("{:?} = {:?}\n", link.title, link.with_defaults()));
    }
    text.push_str("\n[page.searches]\n");
    for preset in PRESETS {
        text.push_str(&format!("{:?} = {:?}\n", preset.title, preset.search));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_leads_to_an_address() {
        for link in [OF_SAGA, OF_TRACE, OF_FAILURE, OF_STUCK, OF_LETTERS, OF_INCIDENT].concat() {
            let url = link.with_defaults();
            assert!(url.starts_with("http"), "{url}");
            assert!(!url.contains(['[', ']', ' ', '"']), "{url}");
        }
    }

    #[test]
    fn what_is_filled_in_is_a_whole_part_of_a_path_or_a_whole_value_of_a_query() {
        for link in [OF_SAGA, OF_TRACE, OF_FAILURE, OF_STUCK, OF_LETTERS, OF_INCIDENT].concat() {
            for (at, _) in link.template.match_indices('{') {
                let (before, rest) = link.template.split_at(at);
                let (_, behind) = rest.split_once('}').unwrap();
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
    fn a_row_fills_in_what_a_template_asks_for() {
        let url = OF_TRACE[0].in_dashboard(&[("traceId", "Trace")]);
        assert_eq!(url, "${jaeger}/trace/${__data.fields[\"Trace\"]:percentencode}");
    }
}
