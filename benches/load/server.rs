//! The server under test: Callcard or the reference, a process of its own with a directory of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::LOOK_EVERY;
use crate::calls::CUSTOMERS;
use crate::fakes::record;
use crate::send::SECRET;

/// How long a server may take until it serves.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Requests to the CRM at once: more than the machine can have under way.
const AT_ONCE: usize = 256;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Reference,
    /// Callcard with so many rules, of which the last one decides.
    Callcard {
        rules: usize,
    },
}

/// Where it finds customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Customers {
    Table,
    Crm,
}

/// A server that runs; killed when it is dropped.
pub struct Server {
    child: Child,
    /// Where webhooks go.
    pub address: SocketAddr,
    /// From its start until it served.
    pub ready_after: Duration,
    /// Its rules, its table, its data and its log.
    directory: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where it has ended already, and then its figures say so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts it, and returns when it serves.
    pub fn start(kind: Kind, customers: Customers, card_api: SocketAddr, crm: SocketAddr) -> Server {
        // Not in `/tmp`, which may be no disk.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let card_api = format!("http://{card_api}/api/v3");
        let crm = format!("http://{crm}/contacts");
        write_table(&directory.path().join("customers.csv"));
        match kind {
            Kind::Reference => reference(directory, customers, &card_api, &crm),
            Kind::Callcard { rules } => {
                fs::write(directory.path().join("rules.yaml"), rule_file(rules, customers, &crm)).unwrap();
                callcard(directory, &card_api)
            }
        }
    }

    /// Writes the same rules with one that is changed. Not while calls come in, which this process sends: the file is large.
    pub fn write_changed_rules(&self) {
        let text = fs::read_to_string(self.directory.path().join("rules.yaml")).unwrap();
        let text = text.replace("\"Branch 1\"", "\"The first branch\"");
        let mut file = File::create(self.directory.path().join("rules.changed")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        // Else the disk is busy with it when they are put in place.
        file.sync_all().unwrap();
    }

    /// Puts them in the place of the others, which Callcard notices by itself.
    pub fn change_rules(&self) {
        let [rules, changed] = ["rules.yaml", "rules.changed"].map(|name| self.directory.path().join(name));
        fs::rename(changed, rules).unwrap();
    }

    /// Whether changed rules came into force.
    pub fn has_changed_rules(&self) -> bool {
        fs::read_to_string(self.directory.path().join("log")).unwrap().contains("new rules are in force")
    }

    /// Seconds of processor time that it has used.
    pub fn processor_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Behind the name, which may hold blanks: proc_pid_stat(5), fields 14 and 15 in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(f64::NAN);
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Mebibytes in memory: now (`VmRSS`), or at most so far (`VmHWM`).
    pub fn memory(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kibibytes.unwrap_or(f64::NAN) / 1024.0
    }
}

fn reference(directory: TempDir, customers: Customers, card_api: &str, crm: &str) -> Server {
    let begun = Instant::now();
    let table = directory.path().join("customers.csv");
    let customers = match customers {
        Customers::Table => table.to_str().unwrap(),
        Customers::Crm => crm,
    };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--reference", card_api, customers])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let address = address.trim().parse().unwrap();
    Server { child, address, ready_after: begun.elapsed(), directory }
}

fn callcard(directory: TempDir, card_api: &str) -> Server {
    let begun = Instant::now();
    let log = directory.path().join("log");
    let child = Command::new(env!("CARGO_BIN_EXE_callcard"))
        .arg("--rules")
        .arg(directory.path().join("rules.yaml"))
        .args(["serve", "--log-format", "json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"])
        .arg(directory.path().join("data"))
        .env_clear()
        .env("HIPCALL_API_TOKEN", "token")
        .env("HIPCALL_API_URL", card_api)
        .env("HIPCALL_WEBHOOK_SECRET", SECRET)
        .env("HIPCALL_REQUESTS_PER_MINUTE", "100000000")
        .stdin(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let address = loop {
        let text = fs::read_to_string(&log).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(address) = lines.filter_map(|line| line["listen"].as_str()?.parse().ok()).next() {
            break address;
        }
        assert!(begun.elapsed() < READY_WITHIN, "it does not serve:\n{text}");
        std::thread::sleep(LOOK_EVERY);
    };
    Server { child, address, ready_after: begun.elapsed(), directory }
}

fn write_table(path: &Path) {
    let columns = ["phone", "id", "full_name", "company", "city", "tier", "balance"];
    let mut file = std::io::BufWriter::new(File::create(path).unwrap());
    writeln!(file, "{}", columns.join(",")).unwrap();
    for customer in 0..CUSTOMERS {
        let record = record(customer);
        let cells: Vec<&str> = columns.iter().map(|column| record[column].as_str().unwrap()).collect();
        writeln!(file, "{}", cells.join(",")).unwrap();
    }
    file.flush().unwrap();
}

/// So many rules, each for numbers of its own; the last one is for everybody who is known. JSON is YAML.
fn rule_file(rules: usize, customers: Customers, crm: &str) -> String {
    let customers = match customers {
        Customers::Table => json!({"csv": {"file": "customers.csv", "numbers": ["phone"]}}),
        Customers::Crm => json!({
            "http": {"url": crm, "query": {"phone": "{{customer.e164}}"}, "numbers": ["$.phone"], "private": true},
            "at_once": AT_ONCE,
        }),
    };
    let branch = |rule: usize| {
        json!({
            "name": format!("branch-{rule}"),
            "when": {"direction": "inbound", "customer": format!("+4420{rule:08}")},
            "card": [{"type": "title", "text": format!("Branch {rule}")}],
        })
    };
    let known = json!({"name": "known", "when": {"direction": "inbound"}, "needs": {"crm": "one"}, "card": "customer"});
    let rules: Vec<Value> = (1..rules).map(branch).chain([known]).collect();
    let rules = json!({
        "version": 1,
        "sources": {"crm": customers},
        "cards": {"customer": [
            {"type": "title", "text": "{{crm.full_name}}", "link": "https://crm.example.com/contacts/{{crm.id}}"},
            {"type": "shortText", "label": "{{#if crm.tier}}VIP{{else}}Company{{/if}}", "text": "{{crm.company}}"},
            {"type": "shortText", "label": "Balance", "text": "{{crm.balance}}"},
            {"type": "shortText", "label": "City", "text": "{{crm.city}}"},
            {"type": "shortText", "label": "Number", "text": "{{customer.e164}}"},
        ]},
        "rules": rules,
    });
    serde_json::to_string_pretty(&rules).unwrap()
}
