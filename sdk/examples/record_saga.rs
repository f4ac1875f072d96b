//! Reports one order creation saga, step by step, as the three services of the shop would.
//!
//! ```text
//! cargo run -p saga-tracker-sdk --example record_saga -- localhost:9092
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use saga_tracker_sdk::contract::{SagaType, metadata, steps};
use saga_tracker_sdk::publishing::{self, SagaStep, SagaTrackerClient, SagaTrackerSettings};

fn service(name: &str, brokers: &str) -> Result<Arc<dyn SagaTrackerClient>, publishing::SetupError> {
    publishing::client(&SagaTrackerSettings {
        enabled: true,
        bootstrap_servers: brokers.to_owned(),
        producer_service: name.to_owned(),
        ..SagaTrackerSettings::default()
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let brokers = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "localhost:9092".to_owned());
    let order_service = service("order-service", &brokers)?;
    let product_service = service("product-service", &brokers)?;
    let payment_service = service("payment-service", &brokers)?;

    let saga = "example-order-1";
    let step = |name: &str| SagaStep::new(saga, SagaType::OrderCreation, name, saga);

    let created = step(steps::ORDER_CREATED).with_metadata(metadata::ORDER_AMOUNT, 42_000);
    println!("{:?}", order_service.record_start(created).await?);
    println!(
        "{:?}",
        product_service
            .record_progress(step(steps::STOCK_RESERVED))
            .await?
    );
    let paid = step(steps::PAYMENT_COMPLETED).with_metadata(metadata::PAYMENT_METHOD, "CARD");
    println!("{:?}", payment_service.record_progress(paid).await?);
    println!(
        "{:?}",
        order_service
            .record_complete(step(steps::ORDER_CONFIRMED))
            .await?
    );

    for client in [order_service, product_service, payment_service] {
        client.flush(Duration::from_secs(10)).await?;
    }
    println!("saga {saga} is on {}", saga_tracker_sdk::contract::TOPIC);
    Ok(())
}
