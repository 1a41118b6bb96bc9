//! The phone system's part: webhooks, in a closed loop (as many calls at once as there are workers, each waits for its card) or
//! in an open one (at a constant rate, whatever the server does).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::calls::{CALL_PREFIX, CUSTOMERS, Calls, number};
use crate::wire::Wire;

/// The secret in the path of the webhook.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// How long a worker waits for a card before it gives its call up.
const CARD_WITHIN: Duration = Duration::from_secs(10);

/// A thread sleeps about so much too long: shorter waits are not slept.
const SLEEP_MIN: Duration = Duration::from_micros(200);

/// Workers, each with one connection.
pub struct Senders {
    calls: Arc<Calls>,
    address: SocketAddr,
    workers: usize,
}

impl Senders {
    pub fn new(calls: Arc<Calls>, address: SocketAddr, workers: usize) -> Senders {
        Senders { calls, address, workers }
    }

    /// As many calls at once as there are workers, until then.
    pub async fn closed_loop(&self, until: Instant) {
        let mut workers = JoinSet::new();
        for _ in 0..self.workers {
            let (calls, mut connection) = (Arc::clone(&self.calls), Connection::open(self.address).await);
            workers.spawn(async move {
                while Instant::now() < until
                    && let Some(call) = calls.due(Instant::now())
                {
                    if connection.ring(call).await {
                        calls.wait(call, CARD_WITHIN).await;
                    } else {
                        calls.refused(call);
                    }
                }
            });
        }
        while workers.join_next().await.is_some() {}
    }

    /// So many calls a second, until then.
    pub async fn open_loop(&self, per_second: f64, until: Instant) {
        let (mut workers, mut queues) = (JoinSet::new(), Vec::new());
        for _ in 0..self.workers {
            let (queue, mut due) = mpsc::unbounded_channel();
            queues.push(queue);
            let (calls, mut connection) = (Arc::clone(&self.calls), Connection::open(self.address).await);
            workers.spawn(async move {
                while let Some(call) = due.recv().await {
                    if !connection.ring(call).await {
                        calls.refused(call);
                    }
                }
            });
        }
        let calls = Arc::clone(&self.calls);
        // A thread of its own: the runtime's timer has milliseconds.
        let clock = std::thread::spawn(move || {
            let begun = Instant::now();
            for (turn, queue) in (0_u32..).zip(queues.iter().cycle()) {
                let due = begun + Duration::from_secs_f64(f64::from(turn) / per_second);
                if due >= until {
                    break;
                }
                while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| *left > SLEEP_MIN) {
                    std::thread::sleep(left - SLEEP_MIN);
                }
                let Some(call) = calls.due(due) else { break };
                queue.send(call).unwrap();
            }
        });
        tokio::task::spawn_blocking(move || clock.join().unwrap()).await.unwrap();
        while workers.join_next().await.is_some() {}
    }
}

struct Connection {
    address: SocketAddr,
    wire: Wire,
}

impl Connection {
    async fn open(address: SocketAddr) -> Connection {
        Connection { address, wire: Wire::new(TcpStream::connect(address).await.unwrap()) }
    }

    /// Sends the webhook of a call; whether it was answered with 200.
    async fn ring(&mut self, call: usize) -> bool {
        let body = webhook(call);
        let request = format!(
            "POST /webhooks/hipcall/{SECRET} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut answered = false;
        if self.wire.stream.write_all(request.as_bytes()).await.is_ok()
            && let Ok(Some(response)) = self.wire.next().await
        {
            answered = true;
            if response.head.starts_with("HTTP/1.1 200") {
                return true;
            }
        }
        if !answered && let Ok(stream) = TcpStream::connect(self.address).await {
            self.wire = Wire::new(stream);
        }
        false
    }
}

/// The body, with all the fields that the phone system sends.
fn webhook(call: usize) -> String {
    let (number, now) = (number(call % CUSTOMERS), jiff::Timestamp::now());
    format!(
        concat!(
            r#"{{"data":{{"hangup_by":null,"call_flow":[{{"action":"init","detail":{{"id":null,"type":"contact"}},"timestamp":{seconds}}}],"#,
            r#""callee_type":"team","number_id":328,"first_touch_duration":null,"channel_id":328,"answered_at":null,"voicemail_type":null,"#,
            r#""caller_id":null,"call_duration":null,"callback_cdr_uuid":null,"missing_call":null,"related_id":null,"#,
            r#""callee_number":"+902582440032","uuid":"{prefix}{call}","callback_time":null,"related_type":null,"ended_at":null,"#,
            r#""caller_type":"contact","credited":null,"channel_type":"number","voicemail_url":null,"callee_id":12,"user_id":null,"#,
            r#""missing_call_reason":null,"started_at":"{now:.0}","bridged_at":null,"voicemail_id":null,"contact_id":null,"#,
            r#""callback_user_id":null,"direction":"inbound","caller_number":"{number}","record_url":null,"company_id":80719}},"event":"call_init"}}"#,
        ),
        seconds = now.as_second(),
        prefix = CALL_PREFIX,
        call = call,
        now = now,
        number = number,
    )
}
