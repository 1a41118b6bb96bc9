//! Work that gives way to calls: reading rules and tables, keeping a copy of them, freeing what no call uses any more.
//!
//! What is done, others say.

/// As much as the first thread has, which loads at the start: files may be nested as deep here as there. Only what is used of it
/// takes memory.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Does it on a thread of its own, which gives way to those that serve calls, and so do the threads that it starts. Blocks
/// until it is done. It must hold no lock that calls wait for, such as that of the log: where the processors are busy, it may
/// have to wait with it in its hands.
pub(super) fn aside<T: Send>(work: impl Fn() -> T + Sync) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("aside".to_owned()).stack_size(STACK_BYTES);
        let working = thread.spawn_scoped(scope, || {
            give_way();
            work()
        });
        match working {
            Ok(working) => working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // No further thread is to be had: calls share this one's processor with it.
            Err(_) => work(),
        }
    })
}

/// Gives this thread the idle policy of sched(7): a processor on which nothing else runs counts as free, so that a call is worked
/// on there at once. However nice a thread is otherwise, calls queue up on the other processors. Where it is refused, and on
/// other systems, calls share the processor with this thread.
fn give_way() {
    #[cfg(target_os = "linux")]
    let _ = thread_priority::set_thread_priority_and_policy(
        thread_priority::thread_native_id(),
        thread_priority::ThreadPriority::Min,
        thread_priority::ThreadSchedulePolicy::Normal(thread_priority::NormalThreadSchedulePolicy::Idle),
    );
}

// The policy is Linux's.
#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    /// The scheduler's policy of this thread: proc_pid_stat(5), field 41, of which 38 stand behind the name before it.
    fn policy() -> String {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(38).unwrap().to_owned()
    }

    #[test]
    fn what_is_done_aside_has_the_idle_policy_and_nothing_else_has() {
        let given = aside(|| (policy(), std::thread::spawn(policy).join().unwrap()));
        assert_eq!(given, ("5".to_owned(), "5".to_owned()), "SCHED_IDLE, and so has a thread that it starts");
        assert_eq!(policy(), "0");
    }
}
