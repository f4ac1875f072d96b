//! The steps in use. Steps are open: a service may report any text up to
//! [`MAX_STEP_CHARS`](super::limits::MAX_STEP_CHARS) characters.

/// Order service: the order exists.
pub const ORDER_CREATED: &str = "ORDER_CREATED";
/// Order service: stock and payment are settled. Completes the order creation saga.
pub const ORDER_CONFIRMED: &str = "ORDER_CONFIRMED";
/// Order service: the order was given up.
pub const ORDER_CANCELLED: &str = "ORDER_CANCELLED";
/// Order service: nobody answered in time.
pub const ORDER_TIMEOUT: &str = "ORDER_TIMEOUT";

/// Product service: reserving stock began.
pub const STOCK_RESERVATION: &str = "STOCK_RESERVATION";
/// Product service: the stock is set aside.
pub const STOCK_RESERVED: &str = "STOCK_RESERVED";
/// Product service: there was not enough stock.
pub const STOCK_RESERVATION_FAILED: &str = "STOCK_RESERVATION_FAILED";
/// Product service: reserved stock was given back.
pub const STOCK_RELEASED: &str = "STOCK_RELEASED";

/// Payment service: setting up the payment began.
pub const PAYMENT_INITIALIZATION: &str = "PAYMENT_INITIALIZATION";
/// Payment service: the payment can be paid.
pub const PAYMENT_INITIALIZED: &str = "PAYMENT_INITIALIZED";
/// Payment service: it was paid. Completes the payment completion saga.
pub const PAYMENT_COMPLETED: &str = "PAYMENT_COMPLETED";
/// Payment service: it was declined or broke.
pub const PAYMENT_FAILED: &str = "PAYMENT_FAILED";
/// Payment service: it was called off before it was paid.
pub const PAYMENT_CANCELLED: &str = "PAYMENT_CANCELLED";
/// Payment service: the money went back.
pub const PAYMENT_REFUNDED: &str = "PAYMENT_REFUNDED";

/// Compensation of a stock step.
pub const COMPENSATION_STOCK: &str = "COMPENSATION_STOCK";
/// Compensation of a payment step.
pub const COMPENSATION_PAYMENT: &str = "COMPENSATION_PAYMENT";
/// Compensation of an order step.
pub const COMPENSATION_ORDER: &str = "COMPENSATION_ORDER";

/// All of the above.
pub const ALL: [&str; 17] = [
    ORDER_CREATED,
    ORDER_CONFIRMED,
    ORDER_CANCELLED,
    ORDER_TIMEOUT,
    STOCK_RESERVATION,
    STOCK_RESERVED,
    STOCK_RESERVATION_FAILED,
    STOCK_RELEASED,
    PAYMENT_INITIALIZATION,
    PAYMENT_INITIALIZED,
    PAYMENT_COMPLETED,
    PAYMENT_FAILED,
    PAYMENT_CANCELLED,
    PAYMENT_REFUNDED,
    COMPENSATION_STOCK,
    COMPENSATION_PAYMENT,
    COMPENSATION_ORDER,
];
