//! Measurements of cascades.

use super::exposition::{head, line};
use crate::cascade::Stage;
use crate::host::Table;

/// What the cascades of all endpoints did, in the Prometheus text format.
pub(super) fn render(out: &mut String, table: &Table) {
    type Read = fn(&Stage) -> f64;
    let all: [(&str, &str, &str, Read); 4] = [
        ("loquat_cascade_asked_total", "counter", "inputs put to a version that is asked early", |stage| {
            stage.live.asked() as f64
        }),
        ("loquat_cascade_early_total", "counter", "inputs that a version asked early answered", |stage| {
            stage.live.early() as f64
        }),
        (
            "loquat_cascade_early_share",
            "gauge",
            "share answered early of about the last 1000 inputs",
            |stage| stage.live.share(),
        ),
        (
            "loquat_cascade_calibrated_share",
            "gauge",
            "share answered early of the calibration's rows",
            |stage| stage.calibration.chosen.early,
        ),
    ];
    for (name, kind, help, read) in all {
        each(out, (name, kind, help), table, |_, stage| Some(read(stage)));
    }
    let help = "Cohen's h of the live share against the calibrated one, of the version asked first";
    each(out, ("loquat_cascade_drift", "gauge", help), table, |place, stage| {
        (place == 0).then(|| stage.drift())
    });
}

fn each(
    out: &mut String,
    (name, kind, help): (&str, &str, &str),
    table: &Table,
    read: impl Fn(usize, &Stage) -> Option<f64>,
) {
    head(out, name, kind, help);
    for host in table.hosts.values() {
        for (place, stage) in host.cascade.iter().flat_map(|cascade| cascade.stages.iter().enumerate()) {
            let Some(value) = read(place, stage) else { continue };
            let (endpoint, model, version) = (&host.name, stage.pipeline.model(), stage.pipeline.version());
            line(
                out,
                format_args!(
                    "{name}{{endpoint=\"{endpoint}\",model=\"{model}\",version=\"{version}\"}} {value}"
                ),
            );
        }
    }
}
