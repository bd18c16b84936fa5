//! Named points between two durable steps, at which a test ends this process
//! as `kill -9` would: without another line of ours. Builds without debug
//! assertions hold none of this.

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static ARMED: OnceLock<(String, AtomicU32)> = OnceLock::new();

    /// Arms `NAME` or `NAME:N`: the Nth time that point is passed is the last.
    pub fn arm(spec: &str) {
        let (name, times) = spec.split_once(':').unwrap_or((spec, "1"));
        let times = times.parse().unwrap_or(1);
        // The first call of a process counts.
        let _ = ARMED.set((name.to_owned(), AtomicU32::new(times)));
    }

    /// Passes a point.
    pub fn point(name: &str) {
        if let Some((armed, left)) = ARMED.get()
            && armed == name
            && left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            std::process::abort();
        }
    }
}

#[cfg(debug_assertions)]
pub use self::armed::{arm, point};

/// Passes a point: nothing happens in this build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_: &str) {}
