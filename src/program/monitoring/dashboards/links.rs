//! Where rows lead: templates for the systems that know more of a saga or a trace; and searches that people want again
//! and again.
//!
//! `links.toml` has them with the addresses that those systems have where nobody says otherwise; dashboards have a
//! variable for each address.

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

/// Where Grafana's own page of a data source is asked about a trace or its lines; `panes` is JSON, percent-encoded.
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

pub(super) const OF_TRACE: &[Link] = &[
    Link {
        title: "Jaeger",
        template: "[jaeger]/trace/{traceId}",
    },
    Link {
        title: "Tempo",
        template: explore!(
            "tempo",
            "%22queryType%22:%22traceql%22,%22query%22:%22{traceId}%22"
        ),
    },
    Link {
        title: "Zipkin",
        template: "[zipkin]/zipkin/traces/{traceId}",
    },
    Link {
        title: "Loki",
        template: explore!(
            "loki",
            "%22expr%22:%22%7Bjob%3D~%5C%22.%2B%5C%22%7D%20%7C%3D%20%60{traceId}%60%22"
        ),
    },
    Link {
        title: "Kibana",
        template: "[kibana]/app/discover#/?_g=(time:(from:now-24h,to:now))&_a=(query:(language:kuery,query:'%22{traceId}%22'))",
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
    pub(crate) title_ko: &'static str,
    pub(crate) search: &'static str,
}

pub(crate) const PRESETS: &[Preset] = &[
    Preset {
        title: "Compensation failed",
        title_ko: "보상 실패",
        search: "rule=COMPENSATION_FAILED&sort=updatedAt,desc",
    },
    Preset {
        title: "Compensation overdue",
        title_ko: "보상 지연",
        search: "stuck=COMPENSATION_OVERDUE",
    },
    Preset {
        title: "Failed with nothing to compensate",
        title_ko: "보상할 것이 없는 실패",
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

/// All templates and presets, for whatever else shows links: `http(s)`, `{…}` to be filled in.
pub(crate) fn toml() -> String {
    let mut text = "# Generated: saga-tracker monitoring --out deploy/monitoring.\n\
                    # Templates of links: put your own addresses in; what stands in {…} is filled in, percent-encoded.\n\
                    # Presets: filters of a search, as GET /api/v1/sagas, /ui/search and exports take them.\n"
        .to_owned();
    for link in [OF_SAGA, OF_TRACE, OF_FAILURE].concat() {
        text.push_str(&format!(
            "\n[[link]]\nname = {:?}\nurl = {:?}\n",
            link.title,
            link.with_defaults()
        ));
    }
    for preset in PRESETS {
        text.push_str(&format!(
            "\n[[preset]]\nname = {:?}\nname_ko = {:?}\nsearch = {:?}\n",
            preset.title, preset.title_ko, preset.search
        ));
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
    fn a_row_fills_in_what_a_template_asks_for() {
        let url = OF_TRACE[0].in_dashboard(&[("traceId", "Trace")]);
        assert_eq!(url, "${jaeger}/trace/${__data.fields[\"Trace\"]:percentencode}");
    }
}
