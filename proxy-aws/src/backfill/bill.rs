//! What a backfill costs: one table of list prices, in US dollars, of us-east-1 and of Google's first tier, as published in
//! November 2026, and of how much an image uses, as `bench lambda` counts it (bench/RESULTS.md). What an account has used of free
//! tiers this month, and its discounts, are not known here.

use serde::Serialize;

/// What is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Images that a detector sees.
    pub images: u64,
    /// Their bytes, before they are made smaller.
    pub bytes: u64,
    /// Objects that are listed.
    pub listed: u64,
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What is paid for.
    pub what: &'static str,
    /// US dollars.
    pub usd: f64,
}

/// What something costs, line by line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bill {
    /// The largest part first.
    pub lines: Vec<Line>,
}

/// One label detection of Google Vision's, in its first paid tier. <https://cloud.google.com/vision/pricing>
pub(super) const VISION_UNIT: f64 = 0.0015;
/// The same by tiers: so many images a month at so many dollars each.
const VISION: [(u64, f64); 3] = [(1_000, 0.0), (4_999_000, VISION_UNIT), (u64::MAX, 0.001)];

const MILLION: f64 = 1e6;
const GIGABYTE: f64 = 1e9;

/// The most bytes of an image that leave for the detector, which gets it made smaller for labels.
const CROSSING: u64 = 100_000;
/// Seconds of an invocation that an image takes: a tenth of what ten wait for the detector, and for each of its bytes the work of
/// making it smaller with the share of a processor that 512 MB have.
const WAITING: f64 = 0.05;
const WORKING: f64 = 0.05 / 1e6;
/// A second of 512 MB on arm64, in gigabyte-seconds.
const MEMORY: f64 = 0.5;

/// AWS's lines: what, the unit's price, and how many units an image, a byte of it, a byte that crosses and a listed object are.
const AWS: [(&str, f64, [f64; 4]); 7] = [
    // The first 10 TB a month; the first 100 GB of an account are free. https://aws.amazon.com/ec2/pricing/on-demand/
    ("AWS data transfer out", 0.09 / GIGABYTE, [0.0, 0.0, 1.0, 0.0]),
    // https://aws.amazon.com/lambda/pricing/
    ("AWS Lambda", 0.000_013_333_4, [MEMORY * WAITING, MEMORY * WORKING, 0.0, 0.0]),
    // Ten images an invocation.
    ("AWS Lambda's calls", 0.2 / MILLION, [0.1, 0.0, 0.0, 0.0]),
    // On demand, in write units, with ten labels: 1 for the claim, 10 for the transaction at double price, 2 for the end of the
    // event, 2 for its coming and going in the index; a read is a fifth of a write. https://aws.amazon.com/dynamodb/pricing/on-demand/
    ("Amazon DynamoDB", 0.625 / MILLION, [15.0 + 0.2, 0.0, 0.0, 0.0]),
    // Events are published ten at a time; delivery to queues and functions is free. https://aws.amazon.com/sns/pricing/
    ("Amazon SNS", 0.5 / MILLION, [0.1, 0.0, 0.0, 0.0]),
    // Sent, received and deleted ten at a time. https://aws.amazon.com/sqs/pricing/
    ("Amazon SQS", 0.4 / MILLION, [0.3, 0.0, 0.0, 0.0]),
    // A GET an image; a LIST at twelve and a half times that price for a thousand objects, twice.
    // https://aws.amazon.com/s3/pricing/
    ("Amazon S3", 0.4 / MILLION, [1.0, 0.0, 0.0, 2.0 * 12.5 / 1000.0]),
];

impl Bill {
    /// The bill of this usage, with Google's list price where no other is given.
    pub fn new(usage: &Usage, price_per_image: Option<f64>) -> Self {
        let detector = match price_per_image {
            Some(price) => Line { what: "the detector", usd: price * usage.images as f64 },
            None => Line { what: "Google Vision", usd: vision(usage.images) },
        };
        let crossing = usage.bytes.min(usage.images.saturating_mul(CROSSING));
        let used = [usage.images as f64, usage.bytes as f64, crossing as f64, usage.listed as f64];
        let aws = AWS.iter().map(|(what, price, units)| {
            let units: f64 = units.iter().zip(used).map(|(each, count)| each * count).sum();
            Line { what, usd: units * price }
        });
        let mut lines: Vec<Line> = std::iter::once(detector).chain(aws).collect();
        lines.sort_by(|a, b| b.usd.total_cmp(&a.usd));
        Self { lines }
    }

    /// All lines together, in US dollars.
    pub fn total(&self) -> f64 {
        self.lines.iter().map(|line| line.usd).sum()
    }
}

fn vision(images: u64) -> f64 {
    let (mut left, mut usd) = (images, 0.0);
    for (size, price) in VISION {
        let here = left.min(size);
        usd += here as f64 * price;
        left -= here;
    }
    usd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visions_price_goes_by_tiers() {
        let check =
            |images: u64, usd: f64| assert!((vision(images) - usd).abs() < 1e-6, "{images}: {}", vision(images));
        check(0, 0.0);
        check(1_000, 0.0);
        check(1_001, 0.0015);
        check(1_000_000, 1_498.5);
        check(5_000_000, 7_498.5);
        check(6_000_000, 8_498.5);
    }

    #[test]
    fn a_million_photographs_cost_what_the_lines_say() {
        let usage = Usage { images: 1_000_000, bytes: 3_000_000_000_000, listed: 1_000_000 };
        let bill = Bill::new(&usage, None);
        let line = |what: &str| bill.lines.iter().find(|line| line.what == what).unwrap().usd;
        for (what, usd) in [
            ("Google Vision", 1498.5),
            ("AWS data transfer out", 9.0),
            ("AWS Lambda", 1.33),
            ("AWS Lambda's calls", 0.02),
            ("Amazon DynamoDB", 9.5),
            ("Amazon SNS", 0.05),
            ("Amazon SQS", 0.12),
            ("Amazon S3", 0.41),
        ] {
            assert!((line(what) - usd).abs() < 0.01, "{what}: {}", line(what));
        }
        assert_eq!(bill.lines.len(), 8);
        assert!((bill.total() - 1518.93).abs() < 0.05, "{}", bill.total());
    }

    #[test]
    fn another_detector_has_its_own_price() {
        let bill = Bill::new(&Usage { images: 10, ..Usage::default() }, Some(0.5));
        assert_eq!(bill.lines[0], Line { what: "the detector", usd: 5.0 });
    }
}
