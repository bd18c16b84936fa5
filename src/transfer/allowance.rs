//! How many ranges of one file are asked for at once: more for as long as that
//! makes it faster, fewer when the host pushes back.

use std::time::Duration;

use tokio::time::Instant;

/// What a file begins with.
const FIRST: usize = 4;
/// More connections have to bring at least so much more.
const WORTHWHILE: f64 = 1.15;
/// After a try that brought nothing, or a push-back, nothing changes for so long.
const REST: Duration = Duration::from_secs(10);

/// Learns from ranges as they come.
#[derive(Debug)]
pub struct Allowance {
    lanes: usize,
    most: usize,
    /// Lanes and rate before the last step up.
    before: Option<(usize, f64)>,
    /// Since when, and how much came by now, with so many lanes.
    since: Instant,
    bytes: u64,
    ranges: usize,
    rests_until: Option<Instant>,
}

impl Allowance {
    /// Never more than `most`.
    pub fn new(most: usize) -> Self {
        Self {
            lanes: FIRST.min(most.max(1)),
            most: most.max(1),
            before: None,
            since: Instant::now(),
            bytes: 0,
            ranges: 0,
            rests_until: None,
        }
    }

    /// How many may run.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Whether it has found its number, for now.
    pub fn is_settled(&self) -> bool {
        self.lanes == self.most || self.rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// A range came.
    pub fn came(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.ranges += 1;
        if self.ranges < self.lanes {
            return;
        }
        let elapsed = self.since.elapsed().as_secs_f64().max(1e-6);
        let rate = self.bytes as f64 / elapsed;
        let before = self.before.take();
        match before {
            _ if self.rests_until.is_some_and(|until| Instant::now() < until) => {}
            Some((lanes, slower)) if rate < slower * WORTHWHILE => {
                self.change(lanes);
                self.rests_until = Some(Instant::now() + REST);
                return;
            }
            _ if self.lanes < self.most => {
                self.before = Some((self.lanes, rate));
                self.change((self.lanes * 2).min(self.most));
                return;
            }
            _ => {}
        }
        self.change(self.lanes);
    }

    /// The host wants less.
    pub fn pushed_back(&mut self) {
        self.before = None;
        self.rests_until = Some(Instant::now() + REST);
        self.change((self.lanes / 2).max(1));
    }

    fn change(&mut self, lanes: usize) {
        self.lanes = lanes;
        self.since = Instant::now();
        self.bytes = 0;
        self.ranges = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets `count` ranges come, each lane bringing `rate` bytes a second up to `most` in all.
    async fn run(allowance: &mut Allowance, count: usize, rate: f64, most: f64) {
        for _ in 0..count {
            let all = (rate * allowance.lanes() as f64).min(most);
            tokio::time::sleep(Duration::from_secs_f64(1e6 / all)).await;
            allowance.came(1_000_000);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_are_added_while_each_brings_more() {
        let mut allowance = Allowance::new(8);
        assert_eq!(allowance.lanes(), 4);
        run(&mut allowance, 4, 1e6, 1e9).await;
        assert_eq!(allowance.lanes(), 8);
        run(&mut allowance, 50, 1e6, 1e9).await;
        assert_eq!(allowance.lanes(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_that_bring_nothing_are_taken_back_and_tried_again_later() {
        let mut allowance = Allowance::new(16);
        run(&mut allowance, 4, 1e6, 4e6).await;
        assert_eq!(allowance.lanes(), 8, "tried");
        run(&mut allowance, 8, 1e6, 4e6).await;
        assert_eq!(allowance.lanes(), 4, "taken back");
        assert!(allowance.is_settled());
        run(&mut allowance, 60, 1e6, 1e9).await;
        assert_eq!(allowance.lanes(), 16, "the network got better");
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_back_halves_them_for_a_while() {
        let mut allowance = Allowance::new(8);
        run(&mut allowance, 4, 1e6, 1e9).await;
        allowance.pushed_back();
        assert_eq!(allowance.lanes(), 4);
        run(&mut allowance, 12, 1e6, 1e9).await;
        assert_eq!(allowance.lanes(), 4);
        for _ in 0..5 {
            allowance.pushed_back();
        }
        assert_eq!(allowance.lanes(), 1);
        run(&mut allowance, 40, 1e6, 1e9).await;
        assert_eq!(allowance.lanes(), 8);
    }
}
