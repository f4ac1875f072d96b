//! What the tracker was told.

use super::super::context::Context;
use super::super::options::{OptionInForce, OptionSource};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The options in force.
#[derive(Serialize, ToSchema)]
#[schema(as = Config)]
pub(super) struct ConfigBody {
    /// By section, in the order of the reference.
    sections: Vec<SectionBody>,
}

/// The options of a section.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfigSection)]
struct SectionBody {
    /// Its name; that of the option itself where that has no section.
    #[schema(example = "kafka")]
    name: String,
    options: Vec<OptionBody>,
}

/// An option in force.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConfigOption)]
struct OptionBody {
    #[schema(example = "kafka.topic")]
    name: String,
    /// Its value as TOML writes it; empty when it has none. Secrets are masked.
    #[schema(example = "\"c4ang.saga.tracker\"")]
    value: String,
    /// default, file, environment, flag, or secret file.
    #[schema(example = "default")]
    source: &'static str,
    /// The file, variable or flag; null of a default.
    #[schema(required)]
    source_name: Option<String>,
    /// Whether somebody said so: it is no default.
    changed: bool,
}

impl From<&OptionInForce> for OptionBody {
    fn from(option: &OptionInForce) -> Self {
        Self {
            name: option.name.clone(),
            value: toml(&option.value),
            source: option.source.as_str(),
            source_name: option.source_name.clone(),
            changed: option.source != OptionSource::Default,
        }
    }
}

/// A value as TOML writes it: that of JSON is the same, for texts, numbers and switches.
fn toml(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn sections(options: &[OptionInForce]) -> Vec<SectionBody> {
    let mut sections: Vec<SectionBody> = Vec::new();
    for option in options {
        let name = option.name.split('.').next().unwrap_or_default();
        let body = OptionBody::from(option);
        match sections.last_mut().filter(|section| section.name == name) {
            Some(section) => section.options.push(body),
            None => sections.push(SectionBody {
                name: name.to_owned(),
                options: vec![body],
            }),
        }
    }
    sections
}

/// What the tracker was told
#[utoipa::path(
    get,
    path = "/internal/v1/config",
    operation_id = "getConfig",
    tag = "internal",
    description = "Every option in force, its value and where that came from: what `saga-tracker config` shows of the same \
                   process. Secrets are masked.",
    responses((status = 200, body = ConfigBody, description = "The options by section."))
)]
pub(super) async fn handle(State(context): State<Context>) -> Json<ConfigBody> {
    Json(ConfigBody {
        sections: sections(&context.parts().options),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_stand_in_their_sections_as_toml_writes_them() {
        let option = |name: &str, value: Value, source| OptionInForce {
            name: name.to_owned(),
            value,
            source,
            source_name: None,
        };
        let options = [
            option("definitions_file", Value::Null, OptionSource::Default),
            option("kafka.topic", json!("a\"b"), OptionSource::File),
            option("kafka.max_poll_records", json!(500), OptionSource::Default),
            option("server.port", json!(8086), OptionSource::Flag),
        ];
        let told = serde_json::to_value(sections(&options)).unwrap();
        assert_eq!(told[1]["name"], json!("kafka"));
        assert_eq!(
            told[1]["options"][0],
            json!({"name": "kafka.topic", "value": "\"a\\\"b\"", "source": "file", "sourceName": null, "changed": true})
        );
        assert_eq!(told[1]["options"][1]["value"], json!("500"));
        assert_eq!(
            (&told[0]["options"][0]["value"], &told[2]["name"]),
            (&json!(""), &json!("server"))
        );
    }
}
