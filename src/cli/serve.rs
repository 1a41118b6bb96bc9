//! `callcard serve`: the engine for real.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{ValueEnum, value_parser};
use ipnet::IpNet;
use jiff::Timestamp;
use sd_notify::NotifyState;
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::acme::AcmeArguments;
use super::keeping::Keeping;
use super::reloading::{self, Again};
use super::server::{Addresses, STOPPED_WITHIN, Server};
use super::{Ended, files, out, settings, token_expiry, traces::Traces, wait};
use crate::rules::{LastGood, Live, Rejected, Secrets, address_range};
use crate::web::CertificateFiles;

/// Who sends SIGTERM kills after a while; Docker does so after 10 s unless it is told otherwise. With the seconds that stopping
/// itself takes, and those in which threads that hang are waited for, it all ends within 15 s.
const DRAIN_SECONDS_MAX: u64 = 5;

/// How long threads that read files may take to end. One that hangs is left behind.
const THREADS_END_WITHIN: Duration = Duration::from_millis(500);

const _: () = assert!(
    DRAIN_SECONDS_MAX * 1000 + STOPPED_WITHIN.as_millis() as u64 + THREADS_END_WITHIN.as_millis() as u64 <= 14_500,
    "a stop takes less than 15 s"
);

/// SIGXFSZ, which has this number on Linux, the BSDs and macOS.
const FILE_SIZE_EXCEEDED: i32 = 25;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where webhooks are served
    #[arg(long, env = "CALLCARD_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where health, metrics and reload are served; beyond loopback it demands CALLCARD_ADMIN_TOKEN
    #[arg(long, env = "CALLCARD_ADMIN_LISTEN", default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
    admin_listen: SocketAddr,
    /// Where accepted events are kept until they are settled
    #[arg(long, env = "CALLCARD_DATA", default_value = "data", value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    keeping: Keeping,
    /// Refuse to start with broken rules, also where the last good ones are kept in the data directory
    #[arg(long, env = "CALLCARD_STRICT")]
    strict: bool,
    /// A proxy, or a range of them, whose X-Forwarded-For and Forwarded are believed; may be given several times
    #[arg(long, env = "CALLCARD_TRUSTED_PROXY", value_delimiter = ',', value_parser = address_range, value_name = "CIDR")]
    trusted_proxy: Vec<IpNet>,
    /// HTTPS at the public address: the server's certificate in PEM, and those above it; read again when it changes
    #[arg(long, env = "CALLCARD_TLS_CERT", requires = "tls_key", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The private key of this certificate, in PEM
    #[arg(long, env = "CALLCARD_TLS_KEY", requires = "tls_cert", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// After SIGTERM, be not ready but go on for so long, until no proxy sends webhooks here any more; at most 5
    #[arg(long, env = "CALLCARD_DRAIN", default_value_t = 0, value_parser = value_parser!(u64).range(..=DRAIN_SECONDS_MAX), value_name = "SECONDS")]
    drain: u64,
    #[command(flatten)]
    acme: AcmeArguments,
    /// How the log is written
    #[arg(long, env = "CALLCARD_LOG_FORMAT", value_enum, default_value = "text", value_name = "FORMAT")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

pub(super) fn run(arguments: &Arguments, rules: PathBuf) -> Result<Ended> {
    start_log(arguments.log_format);
    let account = settings::account()?;
    let network = settings::network()?;
    let environment = settings::environment(Secrets::From(&settings::variable), &network, account.clone());
    let last_good = LastGood::new(arguments.data.join("rules"));
    let copy = (!arguments.strict).then_some(&last_good);
    let live = match Live::start(rules, copy, &environment, Timestamp::now()) {
        Ok((live, warnings)) => {
            reloading::tell_start(&live, &warnings);
            Arc::new(live)
        }
        Err(Rejected(problems)) => return Ok(settings::rejected(&problems)),
    };
    if live.rules().accounts.is_empty() {
        bail!(
            "no phone-system account: set HIPCALL_API_TOKEN and HIPCALL_WEBHOOK_SECRET, or name accounts in the rules"
        );
    }
    let admin_token = settings::secret("CALLCARD_ADMIN_TOKEN");
    if !arguments.admin_listen.ip().is_loopback() && admin_token.is_none() {
        bail!("--admin-listen {} is beyond loopback: set CALLCARD_ADMIN_TOKEN", arguments.admin_listen);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let again = Again { live, network, account, last_good };
    let served = wait(&runtime, serve(arguments, Arc::new(again), admin_token));
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    served?;
    Ok(Ended::Fine)
}

async fn serve(arguments: &Arguments, again: Arc<Again>, admin_token: Option<SecretString>) -> Result<()> {
    let mut hang_up = signal(SignalKind::hangup()).context("SIGHUP can't be handled")?;
    // Not `ctrl_c()`, which listens only from when it is first waited for.
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT can't be handled")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM can't be handled")?;
    // Once it is listened for it does not end the process: a write beyond a file size limit fails, as on a full disk.
    let _file_size = signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED)).context("SIGXFSZ can't be handled")?;
    let acme = arguments.acme.wanted(arguments.tls_cert.is_some())?;
    let pair = arguments.tls_cert.clone().zip(arguments.tls_key.clone());
    let certificate = pair.map(|(chain, key)| CertificateFiles::open(chain, key)).transpose();
    let certificate = certificate.map_err(|why| anyhow::anyhow!("HTTPS is not possible: {why}"))?;
    let scheme = if certificate.is_some() || acme.is_some() { "https" } else { "http" };
    let (traces, exporting) = Traces::start()?;
    let addresses = Addresses {
        listen: arguments.listen,
        admin_listen: arguments.admin_listen,
        admin_token,
        trusted_proxies: arguments.trusted_proxy.clone(),
        connections_max: files::connections_max(),
        certificate,
        acme,
        data: &arguments.data,
        keeping: &arguments.keeping,
        traces: traces.clone(),
    };
    let (on_request, on_look) = (Arc::clone(&again), Arc::clone(&again));
    let mut counted = None;
    let server = Server::start(addresses, Arc::clone(&again.live), |metrics| {
        counted = Some(metrics.clone());
        let looking = metrics.clone();
        (Box::new(move || on_request.reload(&metrics)), Box::new(move || on_look.look(&looking)))
    })
    .await?;
    // Not before the data directory is known to be ours.
    let keeping = Arc::clone(&again);
    let _ = tokio::task::spawn_blocking(move || keeping.keep()).await;
    // Ends with the program.
    tokio::spawn(token_expiry::tell(Arc::clone(&again.live)));
    let rules = again.live.rules();
    tracing::info!(
        listen = %server.listen, admin = %server.admin_listen, rules = rules.rules.len(), rules.revision = rules.revision,
        "serving {} rules (revision {}): webhooks at {scheme}://{}/webhooks/{}/…, admin at http://{}",
        rules.rules.len(), rules.revision, server.listen, rules.accounts.first().map_or("", |account| &account.name), server.admin_listen
    );
    tell_systemd(NotifyState::Ready);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {
                let (again, metrics) = (Arc::clone(&again), counted.clone());
                // Compiling reads files; it must hold up neither a webhook nor the next signal.
                drop(tokio::task::spawn_blocking(move || metrics.map(|metrics| again.reload(&metrics))));
            }
        }
    }
    tell_systemd(NotifyState::Stopping);
    if arguments.drain > 0 {
        server.not_ready();
        tracing::info!("not ready any more, stopping in {} s", arguments.drain);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(arguments.drain)) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    tracing::info!("stopping");
    let stopped_by = Instant::now() + STOPPED_WITHIN;
    server.stop().await;
    exporting.stop(stopped_by).await;
    Ok(())
}

/// Says how far the server is, where systemd or another supervisor asks for it (`NOTIFY_SOCKET`, sd_notify(3)).
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the supervisor can't be told: {error}");
    }
}

fn start_log(format: LogFormat) {
    let level = match settings::variable("CALLCARD_LOG").as_deref() {
        Some("debug") => tracing::Level::DEBUG,
        Some("warn") => tracing::Level::WARN,
        Some("error") => tracing::Level::ERROR,
        _ => tracing::Level::INFO,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    // A second subscriber in one process can't be set; the first one stays.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(out::errors_have_colour()).try_init().is_ok(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init().is_ok(),
    };
}
