//! `callcard demo`: a fake phone system and the engine on loopback; rings calls and shows the card.
//!
//! The engine is the real one, with an outbox in a temporary directory. Only the phone system is not: it rings, takes a
//! card as strictly as the real one, and shows it.

mod directory;
mod phone;
mod samples;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::json;

use super::keeping::Keeping;
use super::out::{Colour, coloured};
use super::server::{Addresses, Server};
use super::traces::Traces;
use super::{Ended, out, problems, settings, shown, tables, wait};
use crate::rules::{Account, Accounts, Environment, Live, Rejected, Secrets};
use crate::source::Network;
use phone::{Phone, Rung};
use samples::Sample;

/// How long the demo waits for what becomes of a call.
const OUTCOME_WITHIN: Duration = Duration::from_secs(10);

/// Connections of the made-up phone system.
const CONNECTIONS_MAX: usize = 16;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Ring one call, print its card and exit
    #[arg(long)]
    once: bool,
    /// Who calls, instead of the first sample
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// Where the page is served; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
}

pub(super) fn run(arguments: &Arguments, rules: PathBuf) -> Result<Ended> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    wait(&runtime, demo(arguments, rules))
}

async fn demo(arguments: &Arguments, rules: PathBuf) -> Result<Ended> {
    let phone = Phone::start(arguments.listen).await?;
    let secrets = Demo::secrets();
    let network = settings::network()?;
    let account = phone.account();
    let environment = Demo::environment(&secrets, &network, &account);
    let live = match Live::start(rules.clone(), None, &environment, Timestamp::now()) {
        Ok((live, warnings)) => {
            settings::tell(&warnings);
            Arc::new(live)
        }
        Err(Rejected(found)) => return Ok(settings::rejected(&found)),
    };
    let data = tempdir()?;
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let addresses = Addresses {
        listen: loopback,
        admin_listen: loopback,
        admin_token: None,
        trusted_proxies: Vec::new(),
        connections_max: CONNECTIONS_MAX,
        certificate: None,
        acme: None,
        data: &data,
        keeping: &Keeping::default(),
        traces: Traces::default(),
    };
    let watched = Arc::clone(&live);
    let server = Server::start(addresses, Arc::clone(&live), |metrics| {
        let look = move || tables::tell(&watched.rules().refresh_tables(), &metrics);
        (Box::new(|| Ok(Vec::new())), Box::new(look))
    })
    .await?;
    let demo = Arc::new(Demo { live, network, account, phone, engine: server.listen, rules });
    let ended = demo.ring_and_show(arguments, &server).await;
    server.stop().await;
    let _ = std::fs::remove_dir_all(&data);
    ended
}

/// A directory of its own for the outbox, removed at the end.
fn tempdir() -> Result<PathBuf> {
    let directory =
        std::env::temp_dir().join(format!("callcard-demo-{}-{:016x}", std::process::id(), fastrand::u64(..)));
    std::fs::create_dir_all(&directory).with_context(|| format!("{} can't be made", directory.display()))?;
    Ok(directory)
}

/// The demo's parts.
struct Demo {
    live: Arc<Live>,
    network: Network,
    account: Account,
    phone: Arc<Phone>,
    engine: SocketAddr,
    rules: PathBuf,
}

impl Demo {
    /// Secrets that are not set get a stand-in, so that the demo runs with any rules.
    fn secrets() -> impl Fn(&str) -> Option<String> {
        |name: &str| settings::variable(name).or_else(|| Some("demo".to_owned()))
    }

    fn environment<'a>(
        secrets: &'a (dyn Fn(&str) -> Option<String> + Sync),
        network: &'a Network,
        account: &Account,
    ) -> Environment<'a> {
        Environment {
            secrets: Secrets::From(secrets),
            network,
            accounts: Accounts::Instead(account.clone()),
            proofs: false,
        }
    }

    async fn ring_and_show(self: Arc<Self>, arguments: &Arguments, server: &Server) -> Result<Ended> {
        let first = match &arguments.number {
            Some(number) => Sample::call_from(number.clone(), "inbound"),
            None => samples::first(),
        };
        if arguments.once {
            let rung = self.ring(&first, server).await?;
            return Ok(if rung.card.is_some() { Ended::Fine } else { Ended::Wrong });
        }
        self.ring(&first, server).await?;
        out::line("");
        out::line(&format!(
            "Ring more calls at  {}",
            coloured(&format!("http://{}/", self.phone.address), Colour::Bold)
        ));
        out::line(&format!("Change a rule in {}/, save, and ring again. Stop with Ctrl-C.", self.rules.display()));
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return Ok(Ended::Fine),
                sample = self.phone.asked_to_ring() => {
                    self.reload();
                    if let Err(error) = self.ring(&sample, server).await {
                        out::error(&format!("callcard: {error:#}"));
                    }
                }
            }
        }
    }

    /// Puts changed rules into force; broken ones are shown and change nothing.
    fn reload(&self) {
        let secrets = Demo::secrets();
        let environment = Demo::environment(&secrets, &self.network, &self.account);
        let found = match self.live.reload(&environment, Timestamp::now()) {
            Ok(_) => Vec::new(),
            Err(Rejected(found)) => found,
        };
        for problem in &found {
            out::line("");
            out::line(&problems::shown(problem, out::has_colour()));
        }
        self.phone.show_problems(&found);
    }

    /// Rings one call, waits for what becomes of it, and prints that.
    async fn ring(&self, sample: &Sample, server: &Server) -> Result<Rung> {
        let rules = self.live.rules();
        let account = rules.accounts.first().map_or("hipcall", |account| account.name.as_str());
        let mut rung = self.phone.ring(sample, self.engine, account, Timestamp::now()).await?;
        let waited = tokio::time::timeout(OUTCOME_WITHIN, server.outcome_of(&rung.id)).await;
        if let Ok(Some(detail)) = waited {
            let trace = detail.trace.as_deref().and_then(|trace| serde_json::from_str(trace).ok()).unwrap_or(json!({}));
            rung.explained(&detail.row, &trace, &rules);
        } else if rung.ignored {
            rung.why = Some("no rule is about such a call".to_owned());
        } else {
            rung.why = Some(format!("nothing came within {} s", OUTCOME_WITHIN.as_secs()));
        }
        self.phone.finish(&mut rung, &rules.revision, &self.rules_shown());
        print(&rung);
        Ok(rung)
    }

    fn rules_shown(&self) -> String {
        Path::new(&self.rules).display().to_string()
    }
}

fn print(rung: &Rung) {
    out::line("");
    out::line(&coloured(&format!("☎  {}", rung.headline()), Colour::Bold));
    out::line("");
    match &rung.card {
        Some(card) => shown::card(card).iter().for_each(|line| out::line(&format!("   {line}"))),
        None => out::line(&format!("   no card: {}", rung.why.as_deref().unwrap_or("none came"))),
    }
    out::line("");
    let why: Vec<&str> = [rung.rule.as_deref(), rung.place.as_deref()].into_iter().flatten().collect();
    if !why.is_empty() {
        out::line(&format!("   rule     {}", why.join("  ")));
    }
    for source in &rung.sources {
        out::line(&format!("   source   {source}"));
    }
    if let Some(milliseconds) = rung.milliseconds {
        out::line(&format!("   time     on the screen {milliseconds:.1} ms after the phone began to ring"));
    }
}
