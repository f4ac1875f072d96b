//! Where rows lead: templates for the systems that know more of a saga or a trace.
//!
//! `links.toml` has them with the addresses that those systems have where nobody says otherwise; dashboards have a
//! variable for each address.

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
        template: "[tracker]/api/v1/sagas/{sagaId}?include=steps",
    },
    Link {
        title: "Its history",
        template: "[tracker]/api/v1/sagas/{sagaId}/history",
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
        template: "[tracker]/api/v1/dead-letters?reason={reason}&state=open",
    },
    Link {
        title: "Runbook",
        template: "[runbooks]/alerts.md#sagatrackerdeadlettersgrowing",
    },
];

impl Link {
    /// The address with what Grafana fills in from the row.
    pub(super) fn in_dashboard(&self, columns: &[(&str, &str)]) -> String {
        let with_addresses = ADDRESSES.iter().fold(self.template.to_owned(), |url, address| {
            url.replace(&format!("[{}]", address.name), &format!("${{{}}}", address.name))
        });
        columns.iter().fold(with_addresses, |url, (placeholder, title)| {
            url.replace(
                &format!("{{{placeholder}}}"),
                &format!("${{__data.fields[\"{title}\"]}}"),
            )
        })
    }

    fn with_defaults(&self) -> String {
        ADDRESSES.iter().fold(self.template.to_owned(), |url, address| {
            url.replace(&format!("[{}]", address.name), address.default)
        })
    }
}

/// All templates, for whatever else shows links: `http(s)` or a path of Grafana, `{…}` to be filled in.
pub(crate) fn toml() -> String {
    let mut text = "# Generated: saga-tracker monitoring --out deploy/monitoring.\n\
                    # Templates of links: put your own addresses in, and what stands in {…} of a saga.\n"
        .to_owned();
    for link in [OF_SAGA, OF_TRACE, OF_FAILURE].concat() {
        text.push_str(&format!(
            "\n[[link]]\nname = {:?}\nurl = {:?}\n",
            link.title,
            link.with_defaults()
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_leads_to_an_address_or_a_page_of_grafana() {
        for link in [OF_SAGA, OF_TRACE, OF_FAILURE, OF_STUCK, OF_LETTERS].concat() {
            let url = link.with_defaults();
            assert!(url.starts_with("http") || url.starts_with("/explore"), "{url}");
            assert!(!url.contains(['[', ']', ' ', '"']), "{url}");
        }
    }

    #[test]
    fn a_row_fills_in_what_a_template_asks_for() {
        let url = OF_TRACE[0].in_dashboard(&[("traceId", "Trace")]);
        assert_eq!(url, "${jaeger}/trace/${__data.fields[\"Trace\"]}");
    }
}
