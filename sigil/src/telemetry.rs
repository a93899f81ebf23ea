//! Diagnostics to standard error, and traces to a collector when one is configured. Never a secret or a sealed value.
//!
//! Spans are few, one for a request or a batch: only what [`ledger_client::span`] opens is exported, under the ids that the
//! trace context carries. A collector that is slow or gone costs nothing but its spans.

mod client;
mod endpoint;
mod lines;
mod spans;

pub use endpoint::Endpoint;

use crate::config::{LogFormat, Telemetry};
use crate::exit::{Exit, Failure};
use client::Client;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanProcessor as _};
use spans::Spans;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// How long the collector may take to answer, and how long the end of the process waits for the last spans.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// What runs beside the subscriber; ends with [`Running::flush`].
#[derive(Debug, Default)]
pub struct Running {
    processor: Option<Arc<BatchSpanProcessor>>,
}

/// Starts diagnostics for a command; `verbose` counts the `-v`.
pub fn start(verbose: u8) {
    let filter = EnvFilter::try_from_env("SIGIL_LOG").unwrap_or_else(|_| EnvFilter::new(level(verbose)));
    install(filter, LogFormat::Text, None);
}

/// Starts diagnostics and traces for a service in this role. Call it inside the runtime.
pub fn serve(verbose: u8, settings: &Telemetry, role: &'static str) -> Result<Running, Failure> {
    let filter = settings.filter.as_deref().filter(|_| verbose == 0);
    let filter = EnvFilter::try_new(filter.unwrap_or_else(|| level(verbose))).map_err(anyhow::Error::from)?;
    let processor = match &settings.otlp_endpoint {
        None => None,
        Some(endpoint) => {
            let processor = Arc::new(processor(endpoint, settings, role)?);
            ledger_client::trace::record(settings.sample_ratio);
            Some(processor)
        }
    };
    install(filter, settings.format, processor.clone());
    Ok(Running { processor })
}

impl Running {
    /// Sends the last spans and ends; waits for the collector, but not long.
    pub async fn flush(self) {
        let Some(processor) = self.processor else { return };
        // The exporter's thread needs the runtime that this one would block.
        let ended = tokio::task::spawn_blocking(move || processor.shutdown_with_timeout(EXPORT_TIMEOUT)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

const fn level(verbose: u8) -> &'static str {
    match verbose {
        0 => "warn",
        1 => "info,fjall=warn,lsm_tree=warn,sqlx=warn,async_nats=warn",
        _ => "debug,fjall=info,lsm_tree=info,hyper=info,sqlx=info,async_nats=info",
    }
}

fn install(filter: EnvFilter, format: LogFormat, processor: Option<Arc<BatchSpanProcessor>>) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let written = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colour && format == LogFormat::Text)
        // A full disk under standard error must not end the request that is told about.
        .log_internal_errors(false);
    let written = match format {
        LogFormat::Text => written.boxed(),
        LogFormat::Json => written.event_format(lines::Json).boxed(),
    };
    let told = filter_fn(|metadata| metadata.target() != ledger_client::trace::TARGET);
    let exported = filter_fn(|metadata| metadata.target() == ledger_client::trace::TARGET);
    let subscriber = tracing_subscriber::registry()
        .with(processor.map(|processor| Spans::new(processor).with_filter(exported)))
        .with(written.with_filter(filter).with_filter(told));
    // A test harness may have started one already.
    let _already = subscriber.try_init();
}

fn processor(endpoint: &str, settings: &Telemetry, role: &'static str) -> Result<BatchSpanProcessor, Failure> {
    let endpoint = Endpoint::parse(endpoint).map_err(|error| Failure::new(Exit::Usage, error))?;
    let client = Client::new(endpoint.clone(), settings.otlp_ca_file.as_deref(), EXPORT_TIMEOUT)?;
    let headers = match &settings.otlp_headers_file {
        Some(path) => endpoint::headers(path)?,
        None => Vec::new(),
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(endpoint.url.to_string())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT_TIMEOUT)
        .with_headers(headers.into_iter().collect())
        .build()
        .map_err(anyhow::Error::from)?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    let name = settings.service_name.clone().unwrap_or_else(|| format!("sigil-{role}"));
    let resource = Resource::builder_empty()
        .with_service_name(name)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("sigil.role", role))
        .build();
    processor.set_resource(&resource);
    Ok(processor)
}
