//! Hints that files of the rules have changed, from the operating system.
//!
//! A hint says when to look, not what there is to see: network file systems give none, and a link that is turned in a directory
//! elsewhere gives none either. Without hints the server looks again and again all the same.

use std::path::Path;
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Hints about one path and all below it, as long as this is kept.
pub(super) struct Hints {
    given: Arc<Notify>,
    /// None where the system gives no hints, for instance because all that it has are in use.
    _watcher: Option<RecommendedWatcher>,
}

impl Hints {
    pub(super) fn about(path: &Path) -> Hints {
        let given = Arc::new(Notify::new());
        let waiting = Arc::clone(&given);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_about_content(event.kind)) {
                waiting.notify_one();
            }
        });
        let watching = watcher.and_then(|mut watcher| {
            watcher.watch(path, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watching {
            tracing::debug!(%error, "changed rules are noticed by looking only: {error}");
        }
        Hints { given, _watcher: watching.ok() }
    }

    /// Waits for a hint; those that came since the last one are one.
    pub(super) async fn given(&self) {
        self.given.notified().await;
    }
}

/// What is only read says nothing; our own looks would be hints.
fn is_about_content(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use notify::event::{CreateKind, DataChange, ModifyKind, RemoveKind, RenameMode};

    use super::*;

    #[test]
    fn what_is_only_read_is_no_hint() {
        for mode in [AccessMode::Any, AccessMode::Read] {
            assert!(!is_about_content(EventKind::Access(AccessKind::Close(mode))));
            assert!(!is_about_content(EventKind::Access(AccessKind::Open(mode))));
        }
        for kind in [
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            EventKind::Remove(RemoveKind::File),
        ] {
            assert!(is_about_content(kind), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_link_that_is_turned_and_a_file_in_a_new_directory_are_hints() {
        let directory = tempfile::tempdir().unwrap();
        let hints = Hints::about(directory.path());
        let is_given = async || tokio::time::timeout(Duration::from_secs(20), hints.given()).await.is_ok();
        std::fs::create_dir(directory.path().join("new")).unwrap();
        assert!(is_given().await);
        std::os::unix::fs::symlink("new", directory.path().join("..data")).unwrap();
        assert!(is_given().await);
        // A new directory is watched from a moment on that nobody tells; what was written before is seen by the next look.
        let write = async || {
            std::fs::write(directory.path().join("new/main.yaml"), "version: 1").unwrap();
            tokio::time::timeout(Duration::from_millis(200), hints.given()).await.is_ok()
        };
        for _ in 0..100 {
            if write().await {
                return;
            }
        }
        panic!("a file in a new directory is no hint");
    }
}
