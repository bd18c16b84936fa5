//! How many ranges of one file are asked for at once: more for as long as that
//! makes it faster, fewer when the host pushes back.

use std::time::Duration;

use tokio::time::Instant;

/// What a file begins with.
const FIRST: usize = 4;
/// So many bytes a connection tell how fast it comes: little, so that the first
/// step up is taken soon, and more than a socket's buffers hold.
const TELLING: u64 = 2 * 1024 * 1024;
/// More connections have to bring at least so much more.
const WORTHWHILE: f64 = 1.15;
/// After a try that brought nothing, or a push-back, nothing changes for so long.
const REST: Duration = Duration::from_secs(10);

/// Learns from bytes and ranges as they come.
///
/// A step up is taken early, by the bytes that came. Whether it pays is judged
/// late, by whole ranges that were asked for after it: what new connections
/// bring shows only once they have begun to bring it.
#[derive(Debug)]
pub struct Allowance {
    lanes: usize,
    most: usize,
    /// Since when there are so many lanes.
    since: Instant,
    /// Bytes that had come by then.
    from: u64,
    /// Lanes and rate before the last step up, until that is judged.
    before: Option<(usize, f64)>,
    /// Rates of the ranges that were asked for since then.
    rates: Vec<f64>,
    rests_until: Option<Instant>,
}

impl Allowance {
    /// Never more than `most`.
    pub fn new(most: usize) -> Self {
        Self {
            lanes: FIRST.min(most.max(1)),
            most: most.max(1),
            since: Instant::now(),
            from: 0,
            before: None,
            rates: Vec::new(),
            rests_until: None,
        }
    }

    /// How many may run.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Never more lanes than this.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Whether the bytes that come decide about a step up.
    pub fn looks_at_bytes(&self) -> bool {
        self.before.is_none() && self.lanes < self.most && !self.rests()
    }

    /// So many bytes have come by now, in all.
    pub fn have_come(&mut self, bytes: u64) {
        let news = bytes.saturating_sub(self.from);
        if !self.looks_at_bytes() || news < TELLING * self.lanes as u64 {
            return;
        }
        let rate = news as f64 / self.since.elapsed().as_secs_f64().max(1e-6);
        self.before = Some((self.lanes, rate));
        self.change((self.lanes * 2).min(self.most), bytes);
    }

    /// A range that was asked for at `began` came whole; `so_far` came in all.
    pub fn came(&mut self, bytes: u64, began: Instant, so_far: u64) {
        let Some((fewer, slower)) = self.before else {
            return;
        };
        if began < self.since {
            return;
        }
        let took = began.elapsed().as_secs_f64().max(1e-6);
        self.rates.push(bytes as f64 / took);
        if self.rates.len() < self.lanes {
            return;
        }
        let rate: f64 = self.rates.iter().sum();
        self.before = None;
        if rate < slower * WORTHWHILE {
            self.rest();
            self.change(fewer, so_far);
        } else {
            self.change(self.lanes, so_far);
        }
    }

    /// The host wants less.
    pub fn pushed_back(&mut self, so_far: u64) {
        self.before = None;
        self.rest();
        self.change((self.lanes / 2).max(1), so_far);
    }

    fn rests(&self) -> bool {
        self.rests_until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&mut self) {
        self.rests_until = Some(Instant::now() + REST);
    }

    fn change(&mut self, lanes: usize, so_far: u64) {
        self.lanes = lanes;
        self.since = Instant::now();
        self.from = so_far;
        self.rates.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    /// A server that brings `rate` bytes a second a lane, up to `most` in all, by ranges of 8 MB.
    struct Server {
        allowance: Allowance,
        came: f64,
        /// When each running range was asked for, and what it has brought.
        running: Vec<(Instant, f64)>,
    }

    impl Server {
        fn new(most: usize) -> Self {
            Self {
                allowance: Allowance::new(most),
                came: 0.0,
                running: Vec::new(),
            }
        }

        /// Lets it run for so long.
        async fn run(&mut self, length: Duration, rate: f64, most: f64) {
            let end = Instant::now() + length;
            while Instant::now() < end {
                while self.running.len() < self.allowance.lanes() {
                    self.running.push((Instant::now(), 0.0));
                }
                let step = Duration::from_millis(20);
                tokio::time::sleep(step).await;
                let each = rate.min(most / self.running.len() as f64) * step.as_secs_f64();
                self.came += each * self.running.len() as f64;
                let came = self.came as u64;
                for (_, brought) in &mut self.running {
                    *brought += each;
                }
                let (done, rest) = std::mem::take(&mut self.running)
                    .into_iter()
                    .partition(|(_, brought)| *brought >= 8.0 * MB);
                self.running = rest;
                self.allowance.have_come(came);
                for (began, brought) in done {
                    self.allowance.came(brought as u64, began, came);
                }
            }
        }

        async fn lanes_after(&mut self, millis: u64, rate: f64, most: f64) -> usize {
            self.run(Duration::from_millis(millis), rate, most).await;
            self.allowance.lanes()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_are_added_soon_and_kept_while_each_brings_more() {
        let mut server = Server::new(8);
        assert_eq!(server.lanes_after(60, 25.0 * MB, 1e12).await, 4);
        assert_eq!(server.lanes_after(60, 25.0 * MB, 1e12).await, 8);
        assert_eq!(server.lanes_after(30_000, 25.0 * MB, 1e12).await, 8);
    }

    #[tokio::test(start_paused = true)]
    async fn they_double_for_as_long_as_that_pays() {
        let mut server = Server::new(64);
        assert_eq!(server.lanes_after(30_000, 25.0 * MB, 420.0 * MB).await, 16);
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_that_bring_nothing_are_taken_back_and_tried_again_later() {
        let mut server = Server::new(8);
        assert_eq!(server.lanes_after(120, 25.0 * MB, 100.0 * MB).await, 8);
        assert_eq!(server.lanes_after(2_000, 25.0 * MB, 100.0 * MB).await, 4);
        assert_eq!(server.lanes_after(6_000, 25.0 * MB, 1e12).await, 4, "rests");
        let got_better = server.lanes_after(8_000, 25.0 * MB, 1e12).await;
        assert_eq!(got_better, 8, "the network got better");
    }

    #[tokio::test(start_paused = true)]
    async fn ranges_asked_for_before_a_step_say_nothing_about_it() {
        let mut allowance = Allowance::new(8);
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(100)).await;
        allowance.have_come(10_000_000);
        assert_eq!(allowance.lanes(), 8);
        tokio::time::sleep(Duration::from_secs(5)).await;
        for _ in 0..20 {
            allowance.came(8_000_000, began, 20_000_000);
        }
        assert_eq!(allowance.lanes(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_back_halves_them_for_a_while() {
        let mut server = Server::new(8);
        server.run(Duration::from_secs(1), 25.0 * MB, 1e12).await;
        server.allowance.pushed_back(server.came as u64);
        assert_eq!(server.allowance.lanes(), 4);
        assert_eq!(server.lanes_after(9_000, 25.0 * MB, 1e12).await, 4);
        for _ in 0..5 {
            server.allowance.pushed_back(server.came as u64);
        }
        assert_eq!(server.allowance.lanes(), 1);
        assert_eq!(server.lanes_after(30_000, 25.0 * MB, 1e12).await, 8);
    }
}
