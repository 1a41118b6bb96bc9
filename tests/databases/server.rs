//! A private database server, run by `tests/databases.sh`. It ends with the process of the tests, however that ends.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of the user who may do everything.
const PASSWORD: &str = "tests-only";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    MariaDb,
}

pub struct Server {
    kind: Kind,
    pub port: u16,
    /// Its end is the end of the server.
    orders: Mutex<ChildStdin>,
    answers: Mutex<BufReader<std::process::ChildStdout>>,
    _child: Child,
}

/// The servers that all tests share.
pub fn postgres() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Kind::Postgres))
}

pub fn mariadb() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Kind::MariaDb))
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts one, with a user `reader` who may only read and a user `writer`.
    pub fn start(kind: Kind) -> Server {
        let port = free_port();
        let name = if kind == Kind::Postgres { "postgres" } else { "mariadb" };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases.sh");
        let mut child = Command::new(script)
            .args([name, &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = Mutex::new(BufReader::new(child.stdout.take().unwrap()));
        let orders = Mutex::new(child.stdin.take().unwrap());
        let server = Server { kind, port, orders, answers, _child: child };
        server.expect("ready");
        match kind {
            Kind::Postgres => server.run(
                "create role reader login password 'reader'; create role writer login password 'writer';
                 alter default privileges grant select on tables to reader;
                 alter default privileges grant all on tables to writer;",
            ),
            Kind::MariaDb => server.run(
                "create user reader@'%' identified by 'reader'; grant select on tests.* to reader@'%';
                 create user writer@'%' identified by 'writer'; grant select, insert on tests.* to writer@'%';",
            ),
        };
        server
    }

    /// The URL for a user whose password is the same word.
    pub fn url(&self, user: &str) -> String {
        let (scheme, name) = if self.kind == Kind::Postgres { ("postgres", "postgres") } else { ("mariadb", "tests") };
        format!("{scheme}://{user}:{user}@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs statements as the user who may do everything, and gives what they print: columns with `|` between them.
    pub fn run(&self, statements: &str) -> String {
        let port = self.port.to_string();
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut psql = Command::new("psql");
                psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "admin"]);
                psql.args(["-p", &port, "-d", "postgres", "-c", statements]).env("PGPASSWORD", PASSWORD);
                psql
            }
            Kind::MariaDb => {
                let mut client = Command::new("mariadb");
                client.args(["--no-defaults", "-N", "-B", "-h", "127.0.0.1", "-u", "admin", "-P", &port]);
                client.args(["--default-character-set=utf8mb4", "-e", statements, "tests"]).env("MYSQL_PWD", PASSWORD);
                client
            }
        };
        let output = command.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        printed.trim().replace('\t', "|")
    }

    pub fn stop(&self) {
        self.order("stop", "stopped");
    }

    pub fn start_again(&self) {
        self.order("start", "ready");
    }

    /// Waits until a statement prints this.
    pub fn until(&self, statement: &str, printed: &str) {
        let begun = Instant::now();
        while self.run(statement) != printed {
            assert!(begun.elapsed() < PATIENCE, "`{statement}` is still not `{printed}` but `{}`", self.run(statement));
        }
    }

    fn order(&self, order: &str, answer: &str) {
        writeln!(self.orders.lock().unwrap(), "{order}").unwrap();
        self.expect(answer);
    }

    fn expect(&self, answer: &str) {
        let mut said = String::new();
        let mut answers = self.answers.lock().unwrap();
        answers.read_line(&mut said).unwrap();
        if said.trim() != answer {
            std::io::Read::read_to_string(&mut *answers, &mut said).unwrap();
            panic!("`tests/databases.sh install` installs the servers; this one said: {said}");
        }
    }
}

#[test]
fn a_server_that_can_not_start_says_why_instead_of_being_waited_for() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases.sh");
    for name in ["postgres", "mariadb"] {
        let started = Command::new("timeout").arg("60").arg(&script).args([name, &port]).output().unwrap();
        let said = String::from_utf8_lossy(&started.stdout);
        assert_eq!((started.status.code(), said.contains("in use")), (Some(1), true), "{name}: {said}");
    }
}
