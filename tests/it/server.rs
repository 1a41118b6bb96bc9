//! The real program, `callcard serve`, as a child process on ports of its own.
//!
//! Everything is seen from outside: webhooks, the admin address, exit codes and the log. Nothing is waited for by the clock
//! alone; each wait looks for something until it is there, and gives up after [`PATIENCE`]. When a server ends, its whole
//! log is searched for what no log may hold.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::outputs::Outputs;
use super::phone::{self, Phone};
use super::{canary, crm};

/// The secret in the webhook's address.
pub const SECRET: &str = "secret-canary-93aa04-5e0b7f-c41d";

/// Rules by which every caller gets a card, and no source is asked.
pub const EVERYBODY: &str = "
version: 1
rules:
  - name: everybody
    card: [{type: title, text: \"{{customer.international}}\"}]
";

/// How long any condition may take to come true; a loaded machine is slow, a broken program is never there.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until there is something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A rule directory, a data directory, and how the program is started on them.
pub struct Place {
    directory: TempDir,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    files_max: Option<u64>,
}

impl Place {
    /// A place with these rules and an account at this phone system.
    pub fn new(rules: &str, phone: &Phone) -> Place {
        let mut place = Place::bare(rules);
        place.set("HIPCALL_API_TOKEN", phone::TOKEN);
        place.set("HIPCALL_API_URL", &phone.api());
        place.set("HIPCALL_WEBHOOK_SECRET", SECRET);
        place.set("HIPCALL_REQUESTS_PER_MINUTE", "1000");
        place.set("CRM_TOKEN", crm::TOKEN);
        place
    }

    /// A place whose environment says nothing.
    pub fn bare(rules: &str) -> Place {
        for secret in [phone::TOKEN, SECRET, crm::TOKEN] {
            canary::secret(secret);
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("rules")).unwrap();
        let arguments = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"];
        let arguments = arguments.map(str::to_owned).into();
        let place = Place { directory, environment: Vec::new(), arguments, files_max: None };
        place.write("main.yaml", rules);
        place
    }

    /// The rules and the data that are shipped.
    pub fn shipped(phone: &Phone) -> Place {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let read = |name: &str| std::fs::read_to_string(shipped.join(name)).unwrap();
        let place = Place::new(&read("main.yaml"), phone);
        place.write("data/contacts.csv", &read("data/contacts.csv"));
        for word in ["Ayşe Yılmaz", "İrem Çelik", "Jane Smith", "Elif Kaya", "Fatura itirazı"] {
            canary::text(word);
        }
        place
    }

    /// Sets an environment variable of the program.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A further argument, or another value of one that is there.
    pub fn argument(&mut self, flag: &str, value: &str) {
        match self.arguments.iter().position(|known| known == flag) {
            Some(at) => value.clone_into(&mut self.arguments[at + 1]),
            None => self.arguments.extend([flag.to_owned(), value.to_owned()]),
        }
    }

    /// So many files may be open in the program.
    pub fn files_max(&mut self, files: u64) {
        self.files_max = Some(files);
    }

    pub fn rules(&self) -> PathBuf {
        self.directory.path().join("rules")
    }

    /// Where the outbox is, unless an argument says otherwise.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Writes a file below the rule directory.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.rules().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The program, ready to start; only what it was told is in its environment.
    fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_callcard");
        let mut command = Command::new(if self.files_max.is_some() { "/bin/sh" } else { program });
        if let Some(files) = self.files_max {
            // The shell becomes the program, so that signals reach it.
            command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\""), program]);
        }
        command.arg("serve").args(&self.arguments).current_dir(self.directory.path());
        if !self.arguments.iter().any(|argument| argument == "--rules") {
            command.arg("--rules").arg(self.rules());
        }
        if !self.arguments.iter().any(|argument| argument == "--data") {
            command.arg("--data").arg(self.data());
        }
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// What a server that was started here shows and keeps.
    fn outputs(&self, admin: &str) -> Outputs {
        let token = self.environment.iter().find(|(name, _)| name == "CALLCARD_ADMIN_TOKEN");
        let data = self.arguments.iter().skip_while(|argument| *argument != "--data").nth(1);
        Outputs {
            admin: admin.parse().unwrap(),
            token: token.map(|(_, token)| token.clone()),
            data: data.map_or(self.data(), |data| self.directory.path().join(data)),
        }
    }

    /// Starts the program where it must refuse: its exit code and what it said.
    pub async fn refused(&self) -> (Option<i32>, String) {
        let mut program = Program::start(self.command());
        let ended = until("the program refuses to start", async || program.child.try_wait().unwrap()).await;
        let said = program.end().join("\n");
        (ended.code(), said)
    }
}

/// A child process and its log so far.
struct Program {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    /// What else it shows and keeps, once it serves.
    outputs: Option<Outputs>,
}

impl Program {
    fn start(mut command: Command) -> Program {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, stderr) = (Arc::clone(&log), child.stderr.take().unwrap());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        Program { child, log, reader: Some(reader), outputs: None }
    }

    /// Kills it where it still runs, and returns the whole log. Neither that nor anything else of it holds a canary.
    fn end(&mut self) -> Vec<String> {
        let outputs = self.outputs.take().filter(|_| !std::thread::panicking());
        let found = outputs.and_then(|outputs| outputs.found());
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let log = self.log.lock().unwrap().clone();
        if !std::thread::panicking() {
            assert_eq!(canary::found_in(&log).or(found), None);
        }
        log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let log = self.end();
        if std::thread::panicking() {
            eprintln!("the log of the server:\n{}", log.join("\n"));
        }
    }
}

/// A running server.
pub struct Server {
    pub place: Place,
    /// Where webhooks go, with scheme and port.
    pub public: String,
    /// The admin address, with scheme and port.
    pub admin: String,
    pub client: reqwest::Client,
    program: Program,
}

impl Server {
    pub async fn start(place: Place) -> Server {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let mut program = Program::start(place.command());
        let line = until("the server tells its addresses", async || {
            let found = lines(&program.log).into_iter().find(|line| line["listen"].is_string());
            if found.is_none() && program.child.try_wait().unwrap().is_some() {
                panic!("it did not start: {}", program.end().join("\n"));
            }
            found
        })
        .await;
        let address = |key: &str| format!("http://{}", line[key].as_str().unwrap());
        program.outputs = Some(place.outputs(line["admin"].as_str().unwrap()));
        Server { public: address("listen"), admin: address("admin"), client, place, program }
    }

    /// A server with these rules at this phone system.
    pub async fn with(rules: &str, phone: &Phone) -> Server {
        Server::start(Place::new(rules, phone)).await
    }

    /// A server with the shipped rules.
    pub async fn shipped(phone: &Phone) -> Server {
        Server::start(Place::shipped(phone)).await
    }

    /// Kills it without a warning (SIGKILL); what it left stays in its place.
    pub fn killed(self) -> Place {
        let Server { place, mut program, .. } = self;
        program.end();
        place
    }

    /// Kills it and starts another one on the same rules and data.
    pub async fn killed_and_started_again(self) -> Server {
        Server::start(self.killed()).await
    }

    /// The webhook's address.
    pub fn webhook_url(&self) -> String {
        format!("{}/webhooks/hipcall/{SECRET}", self.public)
    }

    /// Sends an event as the phone system does.
    pub async fn webhook(&self, event: &Value) -> (u16, Value) {
        canary::numbers_of(event);
        self.webhook_bytes(event.to_string().into_bytes()).await
    }

    pub async fn webhook_bytes(&self, body: Vec<u8>) -> (u16, Value) {
        let response = self.client.post(self.webhook_url()).body(body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    /// Sends an event that must be answered with 200 and this status.
    pub async fn ring(&self, event: &Value, status: &str) {
        assert_eq!(self.webhook(event).await, (200, serde_json::json!({ "status": status })), "{event}");
    }

    /// Rings, and waits for the settled delivery.
    pub async fn ring_and_settle(&self, event: &Value) -> Value {
        self.ring(event, "accepted").await;
        self.settled(event["data"]["uuid"].as_str().unwrap()).await
    }

    /// `GET` on the admin address.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.admin)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub async fn get_json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub async fn deliveries(&self) -> Vec<Value> {
        self.get_json("/api/deliveries").await["deliveries"].as_array().unwrap().clone()
    }

    /// The delivery of a call, if it was stored.
    pub async fn delivery(&self, call_id: &str) -> Option<Value> {
        self.deliveries().await.into_iter().find(|delivery| delivery["call_id"] == call_id)
    }

    /// Waits until the delivery of a call is settled, and shows it with card and trace, both as JSON.
    pub async fn settled(&self, call_id: &str) -> Value {
        let row = until(&format!("call {call_id} is settled"), async || {
            self.delivery(call_id).await.filter(|delivery| !delivery["settled_at"].is_null())
        })
        .await;
        let mut detail = self.get_json(&format!("/api/deliveries/{}?full=true", row["id"])).await;
        for key in ["card", "trace"] {
            let read = detail[key].as_str().map(|text| serde_json::from_str(text).unwrap());
            detail[key] = read.unwrap_or_default();
        }
        detail
    }

    /// Waits until nothing is left to do.
    pub async fn idle(&self) {
        until("nothing is pending", async || (self.get_json("/readyz").await["pending"] == 0).then_some(())).await;
    }

    /// The value of a metric with its labels, as `/metrics` prints it; 0 where it was never counted.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_default()
    }

    /// The log so far, line by line.
    pub fn log(&self) -> Vec<Value> {
        lines(&self.program.log)
    }

    /// Waits for lines of a level: the log arrives on its own way, maybe after an answer.
    pub async fn lines_at(&self, level: &str) -> Vec<Value> {
        let at_level = || self.log().into_iter().filter(|line| line["level"] == level).collect::<Vec<_>>();
        until("it is said", async || Some(at_level()).filter(|lines| !lines.is_empty())).await
    }

    /// Waits for the one line that tells what became of a call.
    pub async fn line_of(&self, call_id: &str) -> Value {
        until("the call has its line", async || {
            self.log().into_iter().find(|line| line["call.id"] == call_id && line["outcome"].is_string())
        })
        .await
    }

    /// Sends a signal by name to this very process.
    pub fn signal(&self, name: &str) {
        let pid = self.program.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// From now on no file of this very process may be longer; it can't write beyond, as on a full disk.
    pub fn longest_file(&self, limit: &str) {
        let pid = self.program.child.id().to_string();
        let set = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:")]).status();
        assert!(set.expect("prlimit, of util-linux").success());
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self) -> ExitStatus {
        until("the server ends", async || self.program.child.try_wait().unwrap()).await
    }
}

fn lines(log: &Mutex<Vec<String>>) -> Vec<Value> {
    log.lock().unwrap().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
