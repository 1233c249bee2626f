//! What the API server was asked, by verb and resource, from its own counters.
//!
//! Deliberately of everybody: this program's own requests are among them, and are few.

use std::collections::BTreeMap;

use anyhow::Context as _;
use kube::Client;

/// Requests since the API server's start, by `VERB resource`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Reads the counters.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn read(client: &Client) -> anyhow::Result<Self> {
        let request = http::Request::get("/metrics").body(Vec::new()).context("a request")?;
        let text = client.request_text(request).await.context("read the API server's metrics")?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut counts = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
            let Some((labels, value)) = line.rsplit_once("} ") else { continue };
            let label = |name: &str| {
                let start = labels.find(&format!("{name}=\""))? + name.len() + 2;
                labels[start..].split('"').next()
            };
            let (Some(verb), Some(resource)) = (label("verb"), label("resource")) else { continue };
            let dry_run = if label("dry_run").is_some_and(|value| !value.is_empty()) { " (dry run)" } else { "" };
            let part = label("subresource").filter(|part| !part.is_empty()).map(|part| format!("/{part}"));
            let value: f64 = value.trim().parse().unwrap_or(0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter")]
            let value = value as u64;
            *counts.entry(format!("{verb} {resource}{}{dry_run}", part.unwrap_or_default())).or_default() += value;
        }
        Self(counts)
    }

    /// The lines of what came since `before`, the most first, without what did not come often.
    pub(super) fn since(&self, before: &Self, at_least: u64) -> Vec<String> {
        let mut grown: Vec<(u64, &String)> = self
            .0
            .iter()
            .map(|(name, count)| (count - before.0.get(name).copied().unwrap_or(0), name))
            .filter(|(count, _)| *count >= at_least)
            .collect();
        grown.sort_unstable_by(|a, b| b.cmp(a));
        grown.into_iter().map(|(count, name)| format!("  {count:>7} {name}")).collect()
    }

    /// How many requests came since `before`, of names that `wanted` holds of.
    pub(super) fn total_since(&self, before: &Self, wanted: impl Fn(&str) -> bool) -> u64 {
        let grown = self.0.iter().filter(|(name, _)| wanted(name));
        grown.map(|(name, count)| count - before.0.get(name).copied().unwrap_or(0)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_by_verb_resource_and_dry_run() {
        let before = Counts::parse(
            "# HELP x\napiserver_request_total{code=\"200\",dry_run=\"\",resource=\"pods\",subresource=\"\",verb=\"GET\"} 1\n",
        );
        let after = Counts::parse(
            "apiserver_request_total{code=\"200\",dry_run=\"\",resource=\"pods\",subresource=\"\",verb=\"GET\"} 3\n\
             apiserver_request_total{code=\"404\",dry_run=\"\",resource=\"pods\",subresource=\"\",verb=\"GET\"} 1\n\
             apiserver_request_total{code=\"200\",dry_run=\"All\",resource=\"pods\",subresource=\"status\",verb=\"PATCH\"} 7\n",
        );
        let expected = ["        7 PATCH pods/status (dry run)", "        3 GET pods"];
        assert_eq!(after.since(&before, 1), expected);
        assert_eq!(after.total_since(&before, |name| name.starts_with("GET")), 3);
    }
}
