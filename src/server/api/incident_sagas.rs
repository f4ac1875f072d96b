//! Which sagas an incident is about, counted.

use crate::domain::SagaType;
use crate::operations::incidents::IncidentView;
use crate::pipeline::query::Filter;

/// The filter by which its sagas are counted; none where its labels name none by type.
pub(super) fn counted(told: &IncidentView) -> Option<Filter> {
    let named = told.incident.sagas();
    // Of an order sagas are looked at one by one.
    let saga_type = named.saga_type.filter(|_| named.order_id.is_none())?;
    Some(Filter {
        saga_type: Some(SagaType::from(saga_type)),
        status: named.status,
        from: Some(told.incident.began),
        to: told.until,
        ..Filter::default()
    })
}

/// The incidents, each with how many sagas were counted for it. The counts are of those that are counted, in order.
pub(super) fn with_counts(told: Vec<IncidentView>, counts: Vec<u64>) -> Vec<(IncidentView, Option<u64>)> {
    let mut counts = counts.into_iter();
    let with_count = |told: IncidentView| {
        let sagas = counted(&told).and_then(|_| counts.next());
        (told, sagas)
    };
    told.into_iter().map(with_count).collect()
}
