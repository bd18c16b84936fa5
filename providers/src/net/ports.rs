//! Ports that speak something other than HTTP.

/// The Fetch Standard's blocked ports, which no browser asks either, and the
/// databases, caches, queues and control ports that a forged request could
/// harm. In order.
const BLOCKED: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    445, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873,
    989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376, 2379, 2380, 3306,
    3389, 3659, 4045, 4190, 5060, 5061, 5432, 5672, 5900, 6000, 6379, 6566, 6665, 6666, 6667, 6668,
    6669, 6679, 6697, 9042, 9092, 10080, 10250, 11211, 27017,
];

/// Whether a port is left to other protocols than HTTP.
pub(super) fn is_blocked(port: u16) -> bool {
    BLOCKED.binary_search(&port).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        assert!(BLOCKED.is_sorted());
    }

    #[test]
    fn web_ports_are_open_and_others_are_not() {
        for port in [80, 443, 8000, 8080, 8443, 9000, 3000, 5000] {
            assert!(!is_blocked(port), "{port}");
        }
        for port in [0, 22, 25, 110, 143, 3306, 5432, 6379, 11211, 27017] {
            assert!(is_blocked(port), "{port}");
        }
    }
}
