//! Any bytes as a `Chart.yaml` and as the archive of a chart.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_helm::chart::{Chart, ChartLimits};
use sluice_helm::metadata::Metadata;

fuzz_target!(|data: &[u8]| {
    if let Ok(metadata) = Metadata::parse(data)
        && metadata.validate().is_ok()
    {
        let text = metadata.to_yaml();
        let again = Metadata::parse(text.as_bytes());
        assert!(again.is_ok(), "{again:?} for {text}");
    }
    let limits = ChartLimits { archive_bytes: 1 << 20, file_bytes: 1 << 18, ..ChartLimits::DEFAULT };
    let _ = Chart::from_archive(data, &limits);
    let _ = Metadata::from_archive_start(data, &limits);
});
