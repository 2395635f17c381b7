//! Metrics through the OpenTelemetry SDK, read by Prometheus.
//!
//! Names and labels are those of Vector's instrumentation specification where they mean the same, under the prefix
//! `callspan_`. A stage holds a [`Counter`] for each thing it counts, and adding to it is one atomic addition: the SDK
//! reads it only when somebody asks.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a metric is: its name without the prefix, and one sentence on what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// In Prometheus' spelling, without `callspan_` and without `_total` or a unit, which are added.
    pub name: &'static str,
    /// For whoever reads the exposition.
    pub brief: &'static str,
}

/// A number that only grows. Clones are the same number.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A number that goes up and down. Clones are the same number.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

/// How long something took, each time. Clones are the same histogram.
#[derive(Clone, Debug, Default)]
pub struct Seconds(Option<(Histogram<f64>, Arc<[KeyValue]>)>);

/// All metrics of this process.
pub struct Metrics {
    registry: Registry,
    provider: SdkMeterProvider,
    meter: Meter,
    series: Mutex<BTreeMap<&'static str, Series>>,
    /// Held while they are read, and while numbers change that are to add up.
    moment: Mutex<()>,
}

/// One source, transform or sink, whose metrics carry its name, type and kind. The default is one that nobody reads.
#[derive(Clone, Default)]
pub struct Component {
    metrics: Option<Arc<Metrics>>,
    labels: Vec<KeyValue>,
}

/// The numbers under one name, each with its labels.
type Series = Arc<Mutex<Vec<(Vec<KeyValue>, Arc<AtomicU64>)>>>;

/// Numbers under one name; what goes beyond is added up in one (OpenTelemetry metrics SDK, "Cardinality limits").
const SERIES_MAX: usize = 1000;
/// Upper bounds of the histograms' buckets, in seconds: from a mapping to the patience of a sender.
const BOUNDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

impl Counter {
    /// Adds to it.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// It has come to this, as somebody else counted.
    pub fn raise_to(&self, number: u64) {
        self.0.fetch_max(number, Ordering::Relaxed);
    }

    /// What it has come to.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// Sets it.
    pub fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// Adds to it; says what it was before.
    pub fn add(&self, number: u64) -> u64 {
        self.0.fetch_add(number, Ordering::Relaxed)
    }

    /// Takes what was added away again.
    pub fn subtract(&self, number: u64) {
        self.0.fetch_sub(number, Ordering::Relaxed);
    }

    /// What it is.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Seconds {
    /// Adds one duration.
    pub fn record(&self, duration: std::time::Duration) {
        if let Some((histogram, labels)) = &self.0 {
            histogram.record(duration.as_secs_f64(), labels);
        }
    }
}

impl Metrics {
    /// Metrics of which nothing is counted yet.
    ///
    /// # Errors
    /// When the exporter cannot be registered: never with a registry of its own.
    pub fn new() -> anyhow::Result<Arc<Metrics>> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .with_namespace("callspan")
            .without_target_info()
            .scope_info_enabled(false)
            .build()?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let meter = provider.meter("callspan");
        Ok(Arc::new(Metrics { registry, provider, meter, series: Mutex::default(), moment: Mutex::default() }))
    }

    /// A part of the service, by its kind (`source`, `transform`, `sink`), type and name.
    #[must_use]
    pub fn component(self: &Arc<Self>, kind: &'static str, component_type: &str, name: &str) -> Component {
        let labels = vec![
            KeyValue::new("component_id", name.to_owned()),
            KeyValue::new("component_kind", kind),
            KeyValue::new("component_type", component_type.to_owned()),
        ];
        Component { metrics: Some(Arc::clone(self)), labels }
    }

    /// All of them in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be written: none that is known.
    pub fn text(&self) -> anyhow::Result<String> {
        let _moment = self.moment.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }

    /// Changes several numbers at one moment: whoever reads them sees all changes or none.
    pub fn at_once(&self, change: impl FnOnce()) {
        let _moment = self.moment.lock().unwrap_or_else(PoisonError::into_inner);
        change();
    }

    /// The series under this name; `register` is called for its first number.
    fn series(&self, metric: Metric, register: impl FnOnce(Series)) -> Series {
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let series = all.entry(metric.name).or_insert_with(|| {
            let series = Series::default();
            register(Arc::clone(&series));
            series
        });
        Arc::clone(series)
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        // It fails only when it was shut down before.
        let _ended = self.provider.shutdown();
    }
}

impl Component {
    /// A number of this component that only grows, with labels besides the component's own.
    #[must_use]
    pub fn counter(&self, metric: Metric, labels: &[(&'static str, &str)]) -> Counter {
        let Some(metrics) = &self.metrics else { return Counter::default() };
        let series = metrics.series(metric, |series| {
            let counter = metrics.meter.u64_observable_counter(metric.name).with_description(metric.brief);
            counter
                .with_callback(move |observer| observe(&series, |value, labels| observer.observe(value, labels)))
                .build();
        });
        Counter(self.number(&series, labels))
    }

    /// A number of this component that goes up and down.
    #[must_use]
    pub fn gauge(&self, metric: Metric, labels: &[(&'static str, &str)]) -> Gauge {
        let Some(metrics) = &self.metrics else { return Gauge::default() };
        let series = metrics.series(metric, |series| {
            let gauge = metrics.meter.u64_observable_gauge(metric.name).with_description(metric.brief);
            gauge
                .with_callback(move |observer| observe(&series, |value, labels| observer.observe(value, labels)))
                .build();
        });
        Gauge(self.number(&series, labels))
    }

    /// Durations of this component.
    #[must_use]
    pub fn seconds(&self, metric: Metric) -> Seconds {
        let Some(metrics) = &self.metrics else { return Seconds::default() };
        let histogram = metrics.meter.f64_histogram(metric.name).with_description(metric.brief).with_unit("s");
        Seconds(Some((histogram.with_boundaries(BOUNDS.to_vec()).build(), self.labels.as_slice().into())))
    }

    /// The number with these labels; the same labels are the same number.
    fn number(&self, series: &Series, labels: &[(&'static str, &str)]) -> Arc<AtomicU64> {
        let mut all = self.labels.clone();
        all.extend(labels.iter().map(|(key, value)| KeyValue::new(*key, (*value).to_owned())));
        let mut series = series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, number)) = series.iter().find(|(labels, _)| *labels == all) {
            return Arc::clone(number);
        }
        // Codes come from plugins too: one that makes them up as it goes must not fill the memory.
        if series.len() >= SERIES_MAX {
            all = vec![KeyValue::new("otel_metric_overflow", true)];
            if let Some((_, number)) = series.iter().find(|(labels, _)| *labels == all) {
                return Arc::clone(number);
            }
        }
        let number = Arc::<AtomicU64>::default();
        series.push((all, Arc::clone(&number)));
        number
    }
}

fn observe(series: &Series, mut observe: impl FnMut(u64, &[KeyValue])) {
    for (labels, number) in series.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        observe(number.load(Ordering::Relaxed), labels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RECEIVED: Metric = Metric { name: "component_received_events", brief: "Records taken in." };
    const WAITING: Metric = Metric { name: "buffer_events", brief: "Records that wait." };
    const TOOK: Metric = Metric { name: "took", brief: "How long it took." };

    #[test]
    fn what_is_counted_is_read_by_prometheus_with_the_components_labels() {
        let metrics = Metrics::new().expect("a registry of its own");
        let source = metrics.component("source", "http_server", "tccc");
        source.counter(RECEIVED, &[]).add(2);
        metrics.component("source", "stdin", "pipe").counter(RECEIVED, &[("code", "x")]).add(1);
        source.gauge(WAITING, &[]).set(7);
        source.seconds(TOOK).record(Duration::from_millis(3));
        let text = metrics.text().expect("text");
        let labels = r#"component_id="tccc",component_kind="source",component_type="http_server""#;
        for line in [
            format!("callspan_component_received_events_total{{{labels}}} 2\n"),
            format!("callspan_buffer_events{{{labels}}} 7\n"),
            format!("callspan_took_seconds_count{{{labels}}} 1\n"),
        ] {
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        assert!(text.contains(r#"code="x""#), "{text}");
    }

    #[test]
    fn the_same_labels_are_the_same_number() {
        let metrics = Metrics::new().expect("a registry of its own");
        let source = metrics.component("source", "http_server", "tccc");
        source.counter(RECEIVED, &[("code", "a")]).add(1);
        source.counter(RECEIVED, &[("code", "b")]).add(5);
        source.counter(RECEIVED, &[("code", "a")]).add(1);
        assert_eq!(source.counter(RECEIVED, &[("code", "a")]).value(), 2);
    }

    #[test]
    fn labels_without_end_end_in_one_number() {
        let metrics = Metrics::new().expect("a registry of its own");
        let source = metrics.component("source", "http_server", "tccc");
        for number in 0..SERIES_MAX + 5 {
            source.counter(RECEIVED, &[("code", &number.to_string())]).add(1);
        }
        assert_eq!(source.counter(RECEIVED, &[("code", "another")]).value(), 5);
        let text = metrics.text().expect("text");
        assert_eq!(text.lines().filter(|line| line.starts_with("callspan_component_received")).count(), SERIES_MAX + 1);
    }

    #[test]
    fn a_component_that_nobody_reads_counts_all_the_same() {
        let counter = Component::default().counter(RECEIVED, &[]);
        counter.clone().add(3);
        assert_eq!(counter.value(), 3);
    }
}
