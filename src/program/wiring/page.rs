//! The page beside the API, told what it needs to know of how the tracker is set up.

use crate::program::config::Config;
use crate::server::api::{self, Context, InProcess};
use crate::server::page::{Deployment, Page, with_page};
use crate::settings::mask_address;
use anyhow::Context as _;
use axum::Router;

/// What is served: the API, and the page unless it is switched off.
///
/// # Errors
/// When the page's files are not as they must be.
pub(super) fn router(config: &Config, context: &Context) -> anyhow::Result<Router> {
    if !config.page.enabled {
        return Ok(api::router(context));
    }
    let page = Page::new(config.page.clone(), deployment(config), InProcess::new(context));
    let page = page.context("the page; page.files says where its files are read from")?;
    Ok(with_page(context, &page))
}

/// Where the page is, behind the address that is served.
pub(super) fn path(config: &Config) -> Option<String> {
    config.page.enabled.then(|| format!("{}/", config.page.base()))
}

fn deployment(config: &Config) -> Deployment {
    let kafka = &config.kafka;
    Deployment {
        brokers: mask_address(&kafka.bootstrap_servers),
        topic: kafka.topic.clone(),
        ops_topic: kafka.ops_topic.clone(),
        group: kafka.group_id.clone(),
        registry: config.registry.url.as_deref().map(mask_address),
        retention: config.retention.enabled,
        objects: config.objects.url.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_told_no_password() {
        let mut config = Config::default();
        config.kafka.bootstrap_servers = "SASL_SSL://me:hunter2@a:9092,b:9092".to_owned();
        config.registry.url = Some("http://me:hunter2@r".to_owned());
        let told = deployment(&config);
        assert!(!format!("{told:?}").contains("hunter2"));
        assert!(told.brokers.ends_with("@a:9092,b:9092"));
    }
}
