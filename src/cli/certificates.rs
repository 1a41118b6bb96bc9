//! The certificate of the public address while the server runs: looks at its files, and tells in the log what became of a
//! change and how long the one in force still holds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::delivery::Hush;
use crate::web::{CertificateFiles, Looked, Metrics};

/// Between two looks at the files, which are small.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// So long before its end a certificate is told about. Public ones are renewed 30 days before theirs.
const WARN_AHEAD: SignedDuration = SignedDuration::from_hours(21 * 24);

/// Between two such lines.
const WARN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Between two lines about a certificate that has expired: nobody who checks it sends a webhook.
const EXPIRED_EVERY: Duration = Duration::from_secs(60 * 60);

/// Between two lines about files that can't be used.
const KEPT_EVERY: Duration = Duration::from_secs(60);

/// Looks at the files until the server stops.
pub(super) async fn watch(mut files: CertificateFiles, metrics: Metrics, mut stop: watch::Receiver<bool>) {
    let mut told = Told::new();
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = looks.tick() => {}
        }
        // A network file system may take its time.
        let looked = tokio::task::spawn_blocking(move || {
            let looked = files.look(Timestamp::now());
            (files, looked)
        });
        let Ok((back, looked)) = looked.await else {
            return tracing::error!("the files of the certificate are no longer looked at");
        };
        files = back;
        match looked {
            Looked::Same => {}
            Looked::Kept => {
                metrics.certificate.changed("kept");
                told = Told::new();
            }
            Looked::Swapped => {
                metrics.certificate.changed("swapped");
                told = Told::new();
                tracing::info!("the certificate has changed: the new one is in force");
            }
        }
        if let Some(why) = files.trouble() {
            told.kept(why);
        }
        if let Some(expires_at) = files.certificates().expires_at() {
            metrics.certificate.expires(expires_at);
            told.expiry(expires_at, Timestamp::now());
        }
    }
}

/// What was said lately about one certificate.
struct Told {
    kept: Hush,
    expires: Hush,
    expired: Hush,
}

impl Told {
    fn new() -> Told {
        Told { kept: Hush::new(KEPT_EVERY), expires: Hush::new(WARN_EVERY), expired: Hush::new(EXPIRED_EVERY) }
    }

    fn kept(&self, why: &str) {
        if self.kept.say("", Instant::now()).is_some() {
            tracing::error!("the certificate's files can't be used, the certificate before stays in force: {why}");
        }
    }

    fn expiry(&self, expires_at: Timestamp, now: Timestamp) {
        let left = expires_at.duration_since(now);
        if left.is_negative() {
            if self.expired.say("", Instant::now()).is_some() {
                tracing::error!(certificate.expires_at = %expires_at, "the certificate expired at {expires_at}: webhooks do not arrive");
            }
        } else if left < WARN_AHEAD && self.expires.say("", Instant::now()).is_some() {
            let days = left.as_hours() / 24;
            tracing::warn!(certificate.expires_at = %expires_at, "the certificate expires in {days} days, at {expires_at}");
        }
    }
}
