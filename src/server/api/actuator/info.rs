//! Which program answers.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The program.
#[derive(Serialize, ToSchema)]
#[schema(as = Info)]
pub(super) struct InfoBody {
    app: AppBody,
}

/// Its name and version.
#[derive(Serialize, ToSchema)]
#[schema(as = App)]
struct AppBody {
    name: &'static str,
    version: &'static str,
    description: &'static str,
}

/// Name and version of the program
#[utoipa::path(
    get,
    path = "/actuator/info",
    operation_id = "getInfo",
    tag = "actuator",
    responses((status = 200, body = InfoBody, description = "The program."))
)]
pub(super) async fn handle() -> Json<InfoBody> {
    let app = AppBody {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        description: env!("CARGO_PKG_DESCRIPTION"),
    };
    Json(InfoBody { app })
}
