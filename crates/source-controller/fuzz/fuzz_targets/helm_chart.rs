//! Any bytes as a `Chart.yaml` and as the archive of a chart.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_helm::chart::{Chart, ChartLimits};
use sluice_helm::metadata::Metadata;

fuzz_target!(init: caught_panics_are_no_finding(), |data: &[u8]| {
    if let Ok(mut metadata) = Metadata::parse(data)
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

/// The reader turns assertions of the YAML library into errors; the fuzzer's own hook would end the process before it can. A panic that
/// nobody catches still ends it.
fn caught_panics_are_no_finding() {
    std::panic::set_hook(Box::new(|info| {
        if !info.location().is_some_and(|location| location.file().contains("libyaml-safer")) {
            eprintln!("{info}");
        }
    }));
}
