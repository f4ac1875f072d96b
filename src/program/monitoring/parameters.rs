//! What operators may set of the rules: `_config` of the mixin, with the defaults that the plain files are made with.
//!
//! In expressions and texts a parameter is a token, `@{name}`.

use serde_json::Value;

/// What is written where nothing is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// A number, as it is written.
    Number(&'static str),
    /// Text.
    Text(&'static str),
}

impl Setting {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Number(text) | Self::Text(text) => text,
        }
    }
}

/// One value of `_config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) default: Setting,
    /// What it is for.
    pub(super) help: &'static str,
}

impl Parameter {
    /// What stands for it in expressions and texts.
    pub(super) fn token(&self) -> String {
        format!("@{{{}}}", self.name)
    }
}

macro_rules! parameters {
    ($(#[doc = $help:literal] $ident:ident = $name:literal $kind:ident($default:literal);)*) => {
        $(
            #[doc = $help]
            pub(super) const $ident: Parameter = Parameter {
                name: $name,
                default: Setting::$kind($default),
                help: $help.trim_ascii(),
            };
        )*

        /// All of them.
        pub(super) const ALL: &[Parameter] = &[$($ident),*];
    };
}

parameters! {
    /// Which scraped targets are trackers: matchers of labels, as in a selector
    SELECTOR = "sagaTrackerSelector" Text("job=\"saga-tracker\"");
    /// Where Grafana is, for dashboard_url
    GRAFANA_URL = "grafanaUrl" Text("http://grafana:3000");
    /// Where docs/runbooks/alerts.md can be read, for runbook_url
    RUNBOOK_URL = "runbookUrl" Text("https://saga-tracker.example.com/docs/runbooks/alerts.md");
    /// Where docs/runbooks/alerts.ko.md can be read, for runbook_url_ko
    RUNBOOK_URL_KO = "runbookUrlKo" Text("https://saga-tracker.example.com/docs/runbooks/alerts.ko.md");
    /// Where people reach the tracker, for page_url
    TRACKER_URL = "trackerUrl" Text("http://saga-tracker:8086");
    /// How many standard deviations above the mean of the day before make a spike of failures
    FAILURE_SPIKE_SIGMA = "failureSpikeSigma" Number("3");
    /// Failures within five minutes that are no spike, however quiet the day before was
    FAILURE_SPIKE_FLOOR = "failureSpikeFloor" Number("5");
    /// The part of ended sagas that may have failed
    FAILURE_RATIO = "failureRatio" Number("0.01");
    /// The part of ended sagas that may have been compensated
    COMPENSATION_RATIO = "compensationRatio" Number("0.01");
    /// A ratio of the sagas of a type is worth an alert when more than this many of them ended within five minutes
    RATIO_MINIMUM_SAGAS = "ratioMinimumSagas" Number("20");
    /// The 95th percentile of the time from FAILED to COMPENSATED that is slow
    COMPENSATION_SLOW_SECONDS = "compensationSlowSeconds" Number("300");
    /// The 95th percentile of the time between two steps that is slow
    STEP_SLOW_SECONDS = "stepSlowSeconds" Number("5");
    /// Events in a day that make a quarter of an hour without any remarkable
    EVENTS_PER_DAY_MINIMUM = "eventsPerDayMinimum" Number("1000");
    /// The part of ended sagas that the objective allows to fail (99.9 % succeed)
    SUCCESS_BUDGET = "successBudget" Number("0.001");
    /// The part of measured pairs of steps that may take longer than 5 s
    DELAY_BUDGET = "delayBudget" Number("0.01");
    /// Records that answers lack, worth a note
    LAG_INFO = "lagInfo" Number("100");
    /// Records that answers lack, worth a warning
    LAG_WARNING = "lagWarning" Number("1000");
    /// The 95th percentile of the time from the broker to an answer that is slow
    PROCESSING_SLOW_SECONDS = "processingSlowSeconds" Number("5");
    /// The 99th percentile of the time to answer a request that is slow
    API_SLOW_SECONDS = "apiSlowSeconds" Number("1");
    /// The part of requests that may be answered with 5xx
    API_ERROR_RATIO = "apiErrorRatio" Number("0.01");
    /// How old the last snapshot may be
    SNAPSHOT_MAX_AGE_SECONDS = "snapshotMaxAgeSeconds" Number("7200");
    /// How long ago the last search for due sagas may have ended
    SWEEP_MAX_AGE_SECONDS = "sweepMaxAgeSeconds" Number("21600");
    /// Free bytes on the store's disk that are few
    DISK_LOW_BYTES = "diskLowBytes" Number("2147483648");
}

/// The text with what is written where nothing is configured.
fn with_defaults(text: &str) -> String {
    ALL.iter().fold(text.to_owned(), |text, parameter| {
        text.replace(&parameter.token(), parameter.default.as_str())
    })
}

/// The parameter, if the text is the token of a number and nothing else.
pub(super) fn number(text: &str) -> Option<&'static Parameter> {
    let mut numbers = ALL.iter().filter(|of| matches!(of.default, Setting::Number(_)));
    numbers.find(|parameter| parameter.token() == text)
}

/// The value with all parameters as they are by default; a token that is all of a text becomes a number.
pub(super) fn filled(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let alone = number(text).and_then(|of| serde_json::from_str(of.default.as_str()).ok());
            alone.unwrap_or_else(|| with_defaults(text).into())
        }
        Value::Array(list) => list.iter().map(filled).collect(),
        Value::Object(map) => {
            let map = map.iter().map(|(key, value)| (key.clone(), filled(value)));
            Value::Object(map.collect())
        }
        other => other.clone(),
    }
}

/// The text as a format for Jsonnet's operator `%`, and whether it has any parameter.
pub(super) fn as_format(text: &str) -> (String, bool) {
    let escaped = text.replace('%', "%%");
    let format = ALL.iter().fold(escaped.clone(), |text, parameter| {
        text.replace(&parameter.token(), &format!("%({})s", parameter.name))
    });
    let has_any = format != escaped;
    (format, has_any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn tokens_become_defaults_or_a_format() {
        let text = format!("up{{{}}} > {} %", SELECTOR.token(), LAG_INFO.token());
        assert_eq!(with_defaults(&text), "up{job=\"saga-tracker\"} > 100 %");
        assert_eq!(
            as_format(&text),
            ("up{%(sagaTrackerSelector)s} > %(lagInfo)s %%".to_owned(), true)
        );
        assert_eq!(as_format("none"), ("none".to_owned(), false));
    }

    #[test]
    fn a_number_that_stands_alone_is_a_number() {
        let token = |parameter: &Parameter| parameter.token();
        let value = json!({"value": token(&FAILURE_RATIO), "text": format!("> {}", token(&FAILURE_RATIO)), "none": null});
        assert_eq!(
            filled(&value),
            json!({"value": 0.01, "text": "> 0.01", "none": null})
        );
        assert_eq!(filled(&json!([token(&LAG_INFO)])), json!([100]));
        assert_eq!(filled(&json!(token(&GRAFANA_URL))), json!("http://grafana:3000"));
    }

    #[test]
    fn names_are_unique_and_numbers_are_numbers() {
        let names: BTreeSet<_> = ALL.iter().map(|parameter| parameter.name).collect();
        assert_eq!(names.len(), ALL.len());
        for parameter in ALL {
            if let Setting::Number(text) = parameter.default {
                assert!(text.parse::<f64>().is_ok(), "{parameter:?}");
            }
        }
    }
}
