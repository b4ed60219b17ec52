//! What Lens hands to other programs.

use openkey_protocol::message::{Line, Severity, Warning};

use super::{Context, shape::Shape};
use crate::words::warning;

/// Data for the modules of Lens, which other programs are: one that collects or is followed takes a payment
/// by them (<https://github.com/lens-protocol/modules>, `FeeFollowModule` and its family).
pub(super) fn modules(shape: &Shape<'_, '_>, _: Context<'_>) -> (Vec<Line>, Vec<Warning>) {
    const DATA: [&str; 5] = [
        "datas",
        "collectmoduleinitdata",
        "referencemoduleinitdata",
        "referencemoduledata",
        "actionmodulesinitdatas",
    ];
    let has_data = shape.bytes(&DATA).iter().any(|it| !it.is_empty());
    let paid = warning(
        Severity::Danger,
        "It has data for a module, which is a program of somebody else: such a module can take a payment, and \
         nobody can see here how much.",
    );
    (Vec::new(), Vec::from_iter(has_data.then_some(paid)))
}
